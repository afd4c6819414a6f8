"""The in-process runner with trials that take no time: stopping anywhere, going on, refusing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from autostr_nni import strategies
from autostr_nni.inprocess import run
from autostr_nni.inprocess.run import run_search, write_json
from autostr_nni.inprocess.told import progress
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.runs.figures import Report
from autostr_nni.system.errors import InputError

OPERATIONS = ",".join(["k3e1"] * 15)


def recipe(**extra: Any) -> Recipe:
    content = {
        "data": {"train": ["/a"], "validation": ["/b"]},
        "search": {"path": {"paths": ["AABBB", "ABABB", "ABBAB"]}, "random": {"count": 3}},
        **extra,
    }
    return recipe_from(content, Path("/"))


def trial(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Report) -> dict[str, Any]:
    """As the real one: reports, leaves a result, returns the final metrics."""
    loss = {"AABBB": 3.0, "ABABB": 1.0, "ABBAB": 2.0}.get(parameters["stride_path"], 5.0)
    metrics: dict[str, Any] = {"default": 1 / (1 + loss), "loss": loss, "macs_m": 10.0, "params_m": 0.1}
    report({**metrics, "default": 0.0}, False)
    if parameters["step"] == "operators":
        metrics["architecture"] = f"{parameters['stride_path']}:{OPERATIONS}"
    result: dict[str, Any] = {"parameters": parameters, "metrics": metrics}
    if parameters["step"] == "train":
        result["test"] = {"small": {"words": 3, "word_accuracy": 0.5}}
    (folder / "result.json").write_text(json.dumps(result))
    report(metrics, True)
    return metrics


def search(folder: Path, run: Any = trial, name: str = "two-step", **extra: Any) -> dict[str, Any]:
    made = recipe(**extra)
    return run_search(strategies.build(name, made), made, folder, run, log=lambda line: None)


def test_a_whole_search(tmp_path: Path) -> None:
    lines: list[str] = []
    made = recipe()
    found = run_search(strategies.build("two-step", made), made, tmp_path / "run", trial, lines.append)
    assert found["failure"] is None and found["strategy"] == "two-step"
    assert [row["stride_path"] for row in found["paths"]] == ["ABABB", "ABBAB", "AABBB"]
    assert found["found"] == found["best"]["architecture"] == f"ABABB:{OPERATIONS}"
    assert found["best"]["test"] == {"small": {"words": 3, "word_accuracy": 0.5}}
    assert json.loads((tmp_path / "run/summary.json").read_text()) == found
    trials = json.loads((tmp_path / "run/state.json").read_text())["state"]["trials"]
    assert [entry["metrics"]["loss"] for entry in trials] == [3.0, 1.0, 2.0, 1.0, 1.0]
    assert sorted(path.name for path in (tmp_path / "run/trials").iterdir()) == [
        "operators-ABABB",
        "path-AABBB",
        "path-ABABB",
        "path-ABBAB",
        "train",
    ]
    assert any(line.startswith("path-AABBB: accuracy 0.0 %, loss 3.000") for line in lines)


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("name", ["two-step", "random"])
def test_killed_at_every_moment_and_continued_it_ends_alike(tmp_path: Path, name: str) -> None:
    straight = search(tmp_path / "straight", name=name)
    runs: list[str] = []

    def dying(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Report) -> dict[str, Any]:
        """Dies twice in each trial: at its start, and after its final report."""
        if not (folder / "begun").exists():
            (folder / "begun").touch()
            raise Killed
        metrics = trial(parameters, recipe, folder, report)
        if not (folder / "ended").exists():
            (folder / "ended").touch()
            raise Killed
        runs.append(folder.name)
        return metrics

    for _ in range(50):
        try:
            continued = search(tmp_path / "broken", dying, name)
            break
        except Killed:
            continue
    assert len(runs) == len(set(runs))  # no trial was counted twice
    text = json.dumps(straight).replace(str(tmp_path / "straight"), str(tmp_path / "broken"))
    assert json.dumps(continued) == text
    assert (tmp_path / "broken/state.json").read_text() == (tmp_path / "straight/state.json").read_text()


def test_a_real_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle of a trial; then the same folder is taken up."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import importlib.util, os, signal, sys
            from pathlib import Path
            spec = importlib.util.spec_from_file_location("helper", {str(Path(__file__))!r})
            helper = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(helper)
            def run(parameters, recipe, folder, report):
                if parameters["step"] == "operators":
                    os.kill(os.getpid(), signal.SIGKILL)
                return helper.trial(parameters, recipe, folder, report)
            helper.search(Path(sys.argv[1]), run)
            """
        )
    )
    done = subprocess.run([sys.executable, str(script), str(tmp_path / "run")], env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    again: list[str] = []

    def noting(parameters: dict[str, Any], *rest: Any) -> dict[str, Any]:
        again.append(parameters["step"])
        return trial(parameters, *rest)

    assert search(tmp_path / "run", noting)["failure"] is None
    assert again == ["operators", "train"]


def test_finished_search_runs_nothing_again(tmp_path: Path) -> None:
    first = search(tmp_path)
    assert search(tmp_path, lambda *args: pytest.fail("ran again")) == first


def test_broken_trial_is_tried_again_and_its_traceback_kept(tmp_path: Path) -> None:
    lines: list[str] = []

    def broken(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Report) -> dict[str, Any]:
        if parameters["stride_path"] == "ABABB":
            raise RuntimeError("out of\nmemory")
        return trial(parameters, recipe, folder, report)

    made = recipe()
    found = run_search(strategies.build("two-step", made), made, tmp_path, broken, lines.append)
    assert found["failed"] == ["path-ABABB", "path-ABABB-retry"]
    assert found["best"]["stride_path"] == "ABBAB"
    assert "Traceback" in (tmp_path / "trials/path-ABABB/error.txt").read_text()
    assert any(line.startswith("path-ABABB: failed: RuntimeError: out of (see ") for line in lines)


def test_a_search_whose_trials_all_break_says_why(tmp_path: Path) -> None:
    def broken(*args: Any) -> dict[str, Any]:
        raise RuntimeError("out of luck")

    failure = search(tmp_path, broken)["failure"]
    assert failure.startswith("none of the 3 stride paths could be trained")
    assert "-retry failed: RuntimeError: out of luck (see " in failure
    assert any(failure.endswith(f"(see {file})") for file in tmp_path.glob("trials/*-retry/error.txt"))


def test_diverged_trials_leave_valid_files(tmp_path: Path) -> None:
    found = search(tmp_path, lambda *args: {"default": 0.0, "loss": float("nan")})
    assert found["failure"].startswith("none of the 3 stride paths could be trained")
    assert found["best"] is None
    for name in ("state.json", "summary.json"):
        json.loads((tmp_path / name).read_text(), parse_constant=pytest.fail)


def test_input_error_of_a_trial_stops_the_search(tmp_path: Path) -> None:
    def wrong(*args: Any) -> dict[str, Any]:
        raise InputError("/a: no such set")

    with pytest.raises(InputError, match="/a: no such set"):
        search(tmp_path, wrong)
    assert search(tmp_path)["failure"] is None  # mended, it goes on


def test_other_searches_are_refused(tmp_path: Path) -> None:
    search(tmp_path)
    with pytest.raises(InputError, match="another recipe"):
        search(tmp_path, seed=3)
    with pytest.raises(InputError, match="strategy 'two-step', not 'random'"):
        search(tmp_path, name="random")
    for damaged in ("{", '{"recipe": "", "state": [1]}'):  # without a state the recorded recipe tells
        (tmp_path / "state.json").write_text(damaged)
        (tmp_path / "state.previous.json").write_text(damaged)
        with pytest.raises(InputError, match="another recipe"):
            search(tmp_path, seed=3)
    for name in ("state.json", "state.previous.json"):  # removed, in order to begin afresh
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match="another recipe"):
        search(tmp_path, seed=3)
    (tmp_path / "state.json").write_text("{")
    (tmp_path / "recipe.json").unlink()
    with pytest.raises(InputError, match=r"recipe\.json: the recipe of the search cannot be read"):
        search(tmp_path)


def test_a_search_is_one_once_all_of_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed as it begins, it leaves nothing that is taken for a search and cannot be gone on with."""

    def killed(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(run, "save_state", killed)
        search(tmp_path)
    assert not (tmp_path / "state.json").exists() and (tmp_path / "recipe.json").exists()
    assert search(tmp_path)["failure"] is None


def test_folder_in_use_or_unusable_is_refused(tmp_path: Path) -> None:
    def inner(*args: Any) -> dict[str, Any]:
        with pytest.raises(InputError, match="another search or training is running in it"):
            search(tmp_path / "run")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", inner)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used"):
        search(tmp_path / "file")


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_supernets_own_accuracy_is_not_told() -> None:
    epoch = {"default": 0.0, "loss": 8.5, "entropy": 1.2, "expected_macs_m": 20.0, "images_seen": 4000}
    assert progress(epoch) == "loss 8.500, expected 20.0 M MACs, 4,000 images"
    assert progress({**epoch, "entropy": 0.0}) == "accuracy 0.0 %, loss 8.500, 4,000 images"
