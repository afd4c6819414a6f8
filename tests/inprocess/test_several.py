"""Several trials at a time without NNI: processes of their own, GPUs of their own, the same search."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from autostr_nni import strategies
from autostr_nni.cli.commands.search import places_of
from autostr_nni.inprocess.places import Places
from autostr_nni.inprocess.run import run_search
from autostr_nni.nni.experiment import gpus
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.system.errors import InputError
from autostr_nni.system.extensions import VARIABLE
from tests.processes import words_of

sys.path.insert(0, str(Path(__file__).parent))
PATHS = ("AABBB", "ABABB", "ABBAB")


@pytest.fixture(autouse=True)
def _found_by_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parents[1])]))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def recipe(devices: Any = 1, operators: Any = None, device: str = "auto", own: Sequence[str] = ()) -> Recipe:
    content = {
        "extensions": list(own),
        "data": {"train": ["/a"], "validation": ["/b"]},
        "training": {"devices": devices, "device": device},
        "search": {"path": {"paths": list(PATHS)}, "operators": {"devices": operators}},
    }
    return recipe_from(content, Path("/"), run_extensions=bool(own))


def search(folder: Path, places: Places, made: Recipe | None = None) -> tuple[dict[str, Any], list[str]]:
    from several_trials import trial

    lines: list[str] = []
    made = made or recipe()
    found = run_search(strategies.build("two-step", made), made, folder, trial, lines.append, places)
    return found, lines


def noted(folder: Path) -> dict[str, Any]:
    return {file.parent.name: json.loads(file.read_text()) for file in folder.glob("trials/*/noted.json")}


def test_the_same_search_in_processes_that_see_their_gpus(tmp_path: Path) -> None:
    """Two GPUs: two paths at a time with one each, then the operator search on both."""
    (tmp_path / "two" / "trials").mkdir(parents=True)
    (tmp_path / "two" / "trials" / "together").touch()
    found, lines = search(tmp_path / "two", Places(3, (1, 3)), recipe(operators="auto"))
    alone, _ = search(tmp_path / "one", Places())
    text = json.dumps(found).replace(str(tmp_path / "two"), str(tmp_path / "one"))
    assert json.loads(text) == alone
    one, two = ((tmp_path / name / "state.json").read_text() for name in ("one", "two"))
    assert json.loads(one)["state"] == json.loads(two)["state"]  # though the paths ended in another order
    ran = noted(tmp_path / "two")
    assert {ran[f"path-{path}"]["gpus"] for path in PATHS} == {"1", "3"}
    assert ran["operators-ABABB"]["gpus"] == "1,3" and ran["train"]["gpus"] in ("1", "3")
    assert len({one["pid"] for one in ran.values()} | {os.getpid()}) == 6
    first, second, third = (ran[f"path-{path}"] for path in PATHS)
    assert second["ended"] < first["ended"] and third["begun"] >= second["ended"]
    assert any(line.startswith("path-AABBB: started on GPU 1") for line in lines)
    assert all(not psutil.pid_exists(one["pid"]) for one in ran.values())


def test_trials_beside_each_other_load_the_users_own_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_mark.py").write_text("MARK = 7")
    try:
        search(tmp_path / "out", Places(2), recipe(own=[str(tmp_path / "my_mark.py")]))
    finally:
        sys.modules.pop("my_mark", None)
    assert [ran["own module"] for ran in noted(tmp_path / "out").values()] == [7] * 5


@pytest.mark.slow("a dozen processes")
def test_a_trial_that_breaks_is_repeated_and_wrong_input_ends_all(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "breaks").touch()
    found, lines = search(tmp_path, Places(2))
    assert found["failed"] == ["path-ABABB", "path-ABABB-retry"] and found["best"]["stride_path"] == "ABBAB"
    assert "out of\nluck" in (tmp_path / "trials/path-ABABB/error.txt").read_text()
    assert any(line.startswith("path-ABABB: failed: RuntimeError: ") for line in lines)

    wrong = tmp_path / "other"
    (wrong / "trials").mkdir(parents=True)
    (wrong / "trials" / "wrong").touch()
    with pytest.raises(InputError, match="/a: no such set"):
        search(wrong, Places(3))
    assert [p for p in psutil.Process().children() if "inprocess.worker" in " ".join(words_of(p))] == []


@pytest.mark.slow("a dozen processes")
def test_killed_it_leaves_nothing_and_goes_on(tmp_path: Path) -> None:
    """SIGKILL for the search alone, while its operator search runs."""
    run = tmp_path / "run"
    (run / "trials").mkdir(parents=True)
    (run / "trials" / "hangs").touch()
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import importlib.util
            from pathlib import Path
            spec = importlib.util.spec_from_file_location("helper", {str(Path(__file__))!r})
            helper = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(helper)
            helper.search(Path({str(run)!r}), helper.Places(2))
            """
        )
    )
    with subprocess.Popen([sys.executable, str(script)]) as process:
        begun = run / "trials" / "operators-ABABB" / "begun"
        deadline = time.monotonic() + 120
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        (worker,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
    worker.wait(10)
    (run / "trials" / "hangs").unlink()
    paths = {name: ran["pid"] for name, ran in noted(run).items()}
    found, _ = search(run, Places(2))
    assert found["failure"] is None and found["best"]["stride_path"] == "ABABB"
    assert len(paths) == 3 and paths.items() <= {name: ran["pid"] for name, ran in noted(run).items()}.items()


@pytest.mark.parametrize(
    ("most", "there", "devices", "operators", "path", "search_of_operators"),
    [
        (4, 0, "auto", "auto", 0, 0),
        (2, 4, 1, None, 1, 1),
        (2, 4, 1, 4, 1, 4),
        (2, 4, "auto", None, 2, 4),
        (8, 4, "auto", 2, 1, 2),
        (2, 2, 1, 8, 1, 2),
    ],
)
def test_gpus_of_trials(
    most: int, there: int, devices: Any, operators: Any, path: int, search_of_operators: int
) -> None:
    places, made = Places(most, tuple(range(there))), recipe(devices, operators)
    assert places.wanted({"step": "path"}, made) == places.wanted({"step": "train"}, made) == path
    assert places.wanted({"step": "operators"}, made) == search_of_operators


def test_a_trial_waits_for_its_gpus() -> None:
    places, made = Places(4, (0, 1, 2)), recipe(2)
    assert places.given({"step": "path"}, made, []) == (0, 1)
    assert places.given({"step": "path"}, made, [0, 1]) is None
    assert places.given({"step": "path"}, made, [1]) == (0, 2)


def test_what_cannot_be_is_refused_or_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "count_gpus", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    told: list[str] = []
    assert places_of(recipe(), None, told.append) == Places()
    assert places_of(recipe(), 2, told.append) == Places(2, (0, 1)) and told == []
    assert places_of(recipe(device="cpu"), 3, told.append) == Places(3) and told == []
    assert places_of(recipe(), 3, told.append) == Places(3, (0, 1))
    assert told == ["note: 2 of 3 trials can run at a time, on 2 GPUs with training.devices: 1"]
    with pytest.raises(InputError, match="must be at least 1, not 0"):
        places_of(recipe(), 0, told.append)
    with pytest.raises(InputError, match=r"training\.device is cuda:1, one GPU for all"):
        places_of(recipe(device="cuda:1"), 2, told.append)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert places_of(recipe(), 2, told.append) == Places(2)


@pytest.mark.parametrize("most", [1, 2])
def test_a_final_report_is_a_result(tmp_path: Path, most: int) -> None:
    from several_trials import reports_alone

    made = recipe()
    made = made.with_count(2)
    strategy = strategies.build("random", made)
    found = run_search(strategy, made, tmp_path, reports_alone, lambda line: None, Places(most))
    assert not found["failed"] and found["best"]["word_accuracy"] == 0.5
