"""The command that makes the table of nets goes on after any stop, to the rows of one that was never."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.net_table import __main__ as command
from benchmarks.net_table import nets, rows, training

ROOT = Path(__file__).parents[2]
NETS, IMAGES = 4, 48

# The command itself with a tiny task; processes that it spawns import this file too.
TINY = f"""
import os, sys
from pathlib import Path
from benchmarks.net_table import nets, training
training.RECIPE, training.BUDGET = Path(os.environ["TABLE_RECIPE"]), {IMAGES}
training.POINTS, nets.BAND = (8, 16, 24, 32, {IMAGES}), (0, 10**9)
if __name__ == "__main__":
    from benchmarks.net_table.__main__ import main
    sys.exit(main())
"""


class Stopped(BaseException):
    """Stands for the end of the process."""


class Here:
    """A pool of no processes."""

    def __init__(self, processes: int) -> None:
        self.imap_unordered = map

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def recipe(tiny_search: Callable[..., Path], tmp_path: Path) -> Path:
    return tiny_search(tmp_path / "task").with_name("recipe.yml")


@pytest.fixture
def make(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """`make(file, count, stop)` runs the command here; stopped, if at all, in that batch of all."""
    training.recipe.cache_clear()
    training.words.cache_clear()
    monkeypatch.setattr(training, "RECIPE", recipe)
    monkeypatch.setattr(training, "BUDGET", IMAGES)
    monkeypatch.setattr(training, "POINTS", (8, 16, 24, 32, IMAGES))
    monkeypatch.setattr(nets, "BAND", (0, 10**9))
    context = SimpleNamespace(get_context=lambda kind: SimpleNamespace(Pool=Here))
    monkeypatch.setattr(command, "multiprocessing", context)
    train_batch = training.train_batch

    def run(file: Path, count: int, stop: int | None = None) -> list[dict[str, Any]]:
        batches = 0

        def mortal(*arguments: Any) -> float:
            nonlocal batches
            batches += 1
            if batches == stop:
                raise Stopped
            return train_batch(*arguments)

        monkeypatch.setattr(training, "train_batch", mortal)
        monkeypatch.setattr(sys, "argv", ["net_table", "--nets", str(count), "--out", str(file)])
        assert command.main() == 0
        return timeless(file)

    yield run
    for name in ("train", "validation", "test"):
        training.words(name)[3].close()
    training.recipe.cache_clear()
    training.words.cache_clear()


def timeless(file: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows.load(file)]


def test_stopped_anywhere_it_goes_on_to_the_same_rows(make: Any, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.jsonl", NETS)
    assert len(whole) == NETS and len({rows.key(row) for row in whole}) == NETS
    assert all(len(row["curve"]) == 5 and row["curve"][-1]["images"] == IMAGES for row in whole)
    file, per_net = tmp_path / "stopped.jsonl", IMAGES // 8
    for done, batch in ((0, 3), (1, per_net + 2), (3, 2 * per_net + 1)):
        with pytest.raises(Stopped):
            make(file, NETS, batch)
        assert timeless(file) == whole[:done]
        with file.open("ab") as torn:  # as a kill while a row is written
            torn.write(file.read_bytes()[: 60 if done else 0])
    assert make(file, 1) == whole


@pytest.mark.slow("starts the command three times")
def test_killed_it_goes_on_to_the_same_rows(make: Any, recipe: Path, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.jsonl", NETS)
    program, file = tmp_path / "tiny_table.py", tmp_path / "killed.jsonl"
    program.write_text(TINY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TABLE_RECIPE": str(recipe), "OMP_NUM_THREADS": "1"}

    def start() -> subprocess.Popen[bytes]:
        left = str(NETS - len(rows.load(file)))
        arguments = ["--processes", "1", "--nets", left, "--out", str(file)]
        return subprocess.Popen(
            [sys.executable, str(program), *arguments], env=environment, start_new_session=True
        )

    for done in (1, 2):
        with start() as process:
            deadline = time.monotonic() + 120
            while len(rows.load(file)) < done:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
        assert len(rows.load(file)) < NETS
    with start() as process:
        assert process.wait(120) == 0
    assert timeless(file) == whole
