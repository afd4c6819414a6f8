"""Work shared by processes: in order, left early, and with a process that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
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


def killed_while_sending(item: int) -> bytes:
    """Half of the result has gone through the pipe."""

    def half(self: Connection, content: bytes) -> None:
        os.write(self.fileno(), bytes(content)[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    if item == 3:
        Connection._send = half  # type: ignore[attr-defined]
    return bytes(1000)


def terminated(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return item


def wrong(item: int) -> int:
    if item == 3:
        raise InputError("the third is wrong")
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


@pytest.mark.parametrize("work", [killed, killed_while_sending])
def test_a_process_that_is_killed_ends_the_work_with_a_sentence(work: Callable[[int], object]) -> None:
    """As the kernel does where memory runs out: a pool may wait for ever for what it had begun."""
    with (
        pytest.raises(
            InputError, match="^a process that rendered words was killed, perhaps for want of memory"
        ),
        in_order(work, range(9), 2, "rendered words") as results,
    ):
        list(results)
    assert not multiprocessing.active_children()


def test_a_signal_to_the_whole_group_is_an_interruption() -> None:
    """A process may be gone before this one is told."""
    with pytest.raises(KeyboardInterrupt), in_order(terminated, range(9), 2, "rendered words") as results:
        list(results)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_is_raised_in_its_place(processes: int) -> None:
    seen = []
    with (
        pytest.raises(InputError, match="^the third is wrong$"),
        in_order(wrong, range(9), processes, "rendered words") as results,
    ):
        seen.extend(results)
    assert seen == [0, 1, 2]
    assert not multiprocessing.active_children()
