"""`training.compile`, and devices of the operator search: what trials do, and that nets stay the same."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.runs.layout import LAST
from autostr_nni.system.errors import InputError
from autostr_nni.training import compiling, run_trial
from autostr_nni.training.run_trial import run_proposal
from autostr_nni.training.tasks import ReadingTask


def silent(metrics: dict[str, Any], final: bool) -> None:
    pass


@pytest.mark.slow("compiles C++")
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
def test_a_compiled_net_is_the_same_net(tmp_path: Path, make_recipe: Any, steps: Any, capsys: Any) -> None:
    """Names of the weights, and their values but for rounding; only whole batches run compiled."""
    states = []
    for compile in (False, True):
        recipe = make_recipe({"training.compile": compile, "training.epochs": 1})
        run_proposal(steps["train"], recipe, tmp_path / str(compile), silent)
        states.append(torch.load(tmp_path / str(compile) / LAST, weights_only=True)["state_dict"])
    assert "the first step compiles the backbone" in capsys.readouterr().out
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_without_a_compiler_a_net_trains_as_it_is(
    tmp_path: Path, make_recipe: Any, steps: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: Any, **options: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", none)
    for step in ("path", "operators"):  # a supernet changes at every step, and is never compiled
        recipe = make_recipe({"training.compile": True, "search.path.epochs": 1})
        run_proposal(steps[step], recipe, tmp_path / step, silent)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("training.compile")]
    assert told == [
        "training.compile is left out: torch finds no compiler that works (RuntimeError: No working C++ "
        "compiler found); it needs a C++ compiler"
    ]


def test_what_is_not_a_whole_batch_runs_as_it_is(
    tmp_path: Path, make_recipe: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stances: list[int] = []
    step = ReadingTask.weight_step
    monkeypatch.setattr(compiling, "no_compiler", lambda device: None)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: None)
    monkeypatch.setattr(
        torch.compiler, "set_stance", lambda stance: stances.append(0) or compiling.nullcontext()
    )
    seen = []

    def watched(task: Any, batch: Any) -> None:
        seen.append((len(batch.images), len(stances)))
        step(task, batch)

    monkeypatch.setattr(ReadingTask, "weight_step", watched)
    recipe = make_recipe({"training.compile": True, "search.path.epochs": 1})
    run_proposal(steps["path"], recipe, tmp_path, silent)
    assert seen == [(8, 0), (8, 0), (4, 1)]  # 20 words in batches of 8
    assert len(stances) > 1  # and evaluation


def test_the_operator_search_has_devices_of_its_own(
    tmp_path: Path, make_recipe: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def stop(
        work: Any, training: Any, report: Any, batch_size: Any = None, key: str = "training.devices"
    ) -> Any:
        asked[step] = training.devices, key
        raise KeyboardInterrupt

    monkeypatch.setattr(run_trial, "on_devices", stop)
    for step in ("path", "operators"):
        with pytest.raises(KeyboardInterrupt):
            run_proposal(steps[step], make_recipe({"search.operators.devices": 2}), tmp_path / step, silent)
    assert asked == {"path": (1, "training.devices"), "operators": (2, "search.operators.devices")}


def test_devices_of_the_operator_search_that_cannot_be(make_recipe: Any) -> None:
    with pytest.raises(
        InputError, match=r"operators\.devices: 9 cannot share a batch of training\.batch_size: 8"
    ):
        make_recipe({"search.operators.devices": 9})
    with pytest.raises(InputError, match=r"operators\.devices: training\.device cuda:1 is one GPU"):
        make_recipe({"search.operators.devices": 2, "training.device": "cuda:1"})
