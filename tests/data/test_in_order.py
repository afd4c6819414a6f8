"""Work shared by processes: in order, left early, and with a process that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from autostr_nni.data.in_order import in_order
from autostr_nni.system.errors import InputError


def late_first(item: int) -> int:
    time.sleep(0.2 if item == 0 else 0)
    return item * item


def killed(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_items(processes: int) -> None:
    with in_order(late_first, range(9), processes, "squared numbers") as results:
        assert list(results) == [item * item for item in range(9)]
    assert not multiprocessing.active_children()


def test_what_is_left_early_is_not_worked_through(tmp_path: Path) -> None:
    """As by Ctrl-C: what is under way ends, and no process stays."""

    def marked(item: int) -> int:
        (tmp_path / str(item)).touch()
        time.sleep(0.02)
        return item

    with pytest.raises(KeyboardInterrupt), in_order(marked, range(1000), 2, "made marks") as results:
        assert next(results) == 0
        raise KeyboardInterrupt
    assert len(list(tmp_path.iterdir())) < 100
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("attempt", range(5))
def test_a_process_that_is_killed_ends_the_work_with_a_sentence(attempt: int) -> None:
    """As the kernel does where memory runs out: a pool may wait for ever for what it had begun."""
    with (
        pytest.raises(
            InputError, match="^a process that rendered words was killed, perhaps for want of memory"
        ),
        in_order(killed, range(9), 2, "rendered words") as results,
    ):
        list(results)
    assert not multiprocessing.active_children()
