"""A disk that is full: the search ends with a sentence, what was saved stays whole, and it goes on later."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_search import findings

from autostr_nni.cli.main import main

Fault = Callable[[str], Any]


class SmallDisk:
    """A file system of eight megabytes; without the right to mount one, the size of files is limited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
        root = os.geteuid() == 0
        self.mounted = root and subprocess.run(command, capture_output=True).returncode == 0
        self._limit = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        """Leave no space."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, self._limit[1]))
            return
        with contextlib.suppress(OSError), open(self.folder / "ballast", "wb", buffering=0) as file:
            while file.write(b"0" * 1024):
                pass

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limit)
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        self.free()
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "disk")
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert main(["search", str(tiny_search(folder)), "--in-process", "--out", str(folder / "run")]) == 0
    return findings(json.loads((folder / "run" / "summary.json").read_text()))


@pytest.mark.parametrize("what", ["checkpoint", "state"])
def test_full_while_saving(
    what: str,
    disk: SmallDisk,
    fault: Fault,
    undisturbed: dict[str, Any],
    tiny_search: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from autostr_nni.training import run_trial

    if what == "state" and not disk.mounted:
        pytest.skip("a state is smaller than any limit on files that leaves the test its own: needs root")
    run = run_trial.run_proposal

    def filling(parameters: Any, recipe: Any, folder: Path, report: Any) -> Any:
        def filled(metrics: dict[str, Any], final: bool) -> None:
            report(metrics, final)
            if final == (what == "state"):
                disk.fill()

        return run(parameters, recipe, folder, filled)

    place = disk.folder / "run"
    with fault(f"{what}-full") as row:
        with monkeypatch.context() as patch, capsys.disabled():
            patch.setattr(run_trial, "run_proposal", filling)
            told: list[str] = []
            patch.setattr("autostr_nni.cli.main._complain", lambda error: told.append(str(error)) or 2)
            status = main(["search", str(tiny_search(tmp_path)), "--in-process", "--out", str(place)])
            disk.free()
        assert status == 2
        (sentence,) = told
        full = place / "trials" / "path-AABBB" if what == "checkpoint" else place
        assert (
            sentence.startswith(f"{full}: nothing more can be written there (") and "free space" in sentence
        )
        first = place / "trials" / "path-AABBB"
        assert [name for name in os.listdir(first) if name.startswith(".")] == []
        lines = (first / "metrics.jsonl").read_text().splitlines()
        assert len(lines) == (1 if what == "checkpoint" else 3)
        results = {file: file.stat().st_mtime_ns for file in place.glob("trials/*/result.json")}
        assert len(results) == (what == "state")
        assert main(["resume", str(place)]) == 0
        assert (
            results.items() <= {f: f.stat().st_mtime_ns for f in place.glob("trials/*/result.json")}.items()
        )
        assert findings(json.loads((place / "summary.json").read_text())) == undisturbed
        trained_again = capsys.readouterr().out.count("path-AABBB: accuracy")
        assert trained_again == (2 if what == "checkpoint" else 0)
        row.lost = "the epoch in flight" if what == "checkpoint" else "nothing: the trial's result is kept"
