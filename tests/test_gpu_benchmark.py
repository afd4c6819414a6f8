"""`python -m benchmarks.gpu`: every part has its limit, and the rest goes on where one fails."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.gpu import __main__ as benchmark
from benchmarks.gpu.pack import lighten

CODE = {
    "good": "print('a library speaks'); print('{\"step\": {\"ms\": 3}}')",
    "broken": "import sys; sys.exit('Traceback\\nRuntimeError: no kernel')",
    "silent": "import os; os._exit(7)",
    "endless": "import subprocess, time; subprocess.Popen(['sleep', '300']); time.sleep(300)",
    "last": 'print(\'{"step": {"ms": 4}}\')',
}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts that are small programs; those that were started."""
    started: list[str] = []

    def command(name: str, tiny: bool) -> list[str]:
        started.append(name)
        return [sys.executable, "-c", CODE[name]]

    monkeypatch.setattr(benchmark, "command_of", command)
    monkeypatch.setattr(
        benchmark, "PARTS", {name: ("parts", 1.0 if name == "endless" else 20) for name in CODE}
    )
    monkeypatch.setattr(benchmark, "LEAST", 0.5)
    monkeypatch.setattr(benchmark, "PATIENCE", 1)
    return started


def test_a_part_that_fails_stops_no_other(parts: list[str], tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "runs" / "gpu.json"
    assert benchmark.main(["--tiny", "--out", str(file)]) == 1
    found = json.loads(file.read_text())
    assert found["about"]["tiny"] is True and found["about"]["cores"]
    assert {name: part.get("error") for name, part in found["parts"].items()} == {
        "good": None,
        "broken": "RuntimeError: no kernel",
        "silent": "exit status 7",
        "endless": "not done in 1 s",
        "last": None,
    }
    assert found["parts"]["good"]["step"] == {"ms": 3}
    assert not [p for p in psutil.process_iter() if p.ppid() == psutil.Process().pid and p.name() == "sleep"]
    assert "ms 4" in capsys.readouterr().out
    del parts[:]
    benchmark.main(["--tiny", "--out", str(file)])  # what has succeeded is not run again
    assert parts == ["broken", "silent", "endless"]


def test_where_time_is_up_the_rest_is_left_out(parts: list[str], tmp_path: Path) -> None:
    assert benchmark.main(["--tiny", "--out", str(tmp_path / "gpu.json"), "--seconds", "0.4"]) == 1
    found = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert {part["error"] for part in found.values()} == {"no time left"}


def test_without_a_gpu_it_says_so(capsys: Any) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert benchmark.main([]) == 2
    assert "torch sees no GPU here" in capsys.readouterr().err


def test_nni_travels_without_its_manager(tmp_path: Path) -> None:
    wheel = tmp_path / "nni-3.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("nni/__init__.py", "x = 1\n")
        file.writestr("nni_node/node", "large")
        file.writestr("nni-3.0.dist-info/RECORD", "nni/__init__.py,,\nnni_node/node,,\n")
    lighten(wheel)
    with zipfile.ZipFile(wheel) as file:
        assert file.namelist() == ["nni/__init__.py", "nni-3.0.dist-info/RECORD"]
        assert file.read("nni-3.0.dist-info/RECORD") == b"nni/__init__.py,,\n"


@pytest.mark.slow("runs every part")
def test_all_of_it_small(tmp_path: Path) -> None:
    """About 100 s on two idle cores; how long it takes is not asserted."""
    assert benchmark.main(["--tiny", "--out", str(tmp_path / "gpu.json"), "--seconds", "3600"]) == 0
    assert json.loads((tmp_path / "gpu.json").read_text())["parts"].keys() == benchmark.PARTS.keys()
