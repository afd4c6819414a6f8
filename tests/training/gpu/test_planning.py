"""What a trial does before its first step: it says so, and a GPU plans a supernet's operations meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.runs import doing
from autostr_nni.runs.doing import BEGINS, OPENS, PLANS, doing_in
from autostr_nni.runs.layout import PULSE
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError
from autostr_nni.training import planning
from autostr_nni.training.distributed.group import ALONE
from autostr_nni.training.operator_task import build_supernet_recognizer
from autostr_nni.training.planning import opened_while_planning, plan_candidates
from autostr_nni.training.run_trial import run_proposal
from autostr_nni.training.tasks import ReadingTask


def silent(metrics: dict[str, Any], final: bool) -> None:
    pass


@pytest.mark.parametrize("kind", ["path", "operators"])
def test_what_a_trial_is_busy_with_is_told_until_it_trains(
    tmp_path: Path, make_recipe: Any, steps: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, seen = [], []
    step = ReadingTask.weight_step

    def watched(task: Any, batch: Any) -> None:
        seen.append(doing_in(tmp_path))
        step(task, batch)

    monkeypatch.setattr(ReadingTask, "weight_step", watched)
    note = doing.tell_doing
    for name in ("one_net", "operator_search", "callbacks.within_epoch", "one_shot.supernet_training"):
        monkeypatch.setattr(
            f"autostr_nni.training.{name}.tell_doing", lambda *given: told.append(given[1]) or note(*given)
        )
    run_proposal(steps[kind], make_recipe({"search.path.epochs": 1}), tmp_path, silent)
    assert told == [OPENS, BEGINS, None]
    assert seen[0] == BEGINS and set(seen[1:]) == {""}


def supernet(recipe: Any) -> tuple[Any, Any]:
    space = recipe.space()
    return build_supernet_recognizer(StridePath.parse("ABABB", space.stage_layers), space, recipe, 5)


@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_every_candidate_is_planned_and_nothing_changes(make_recipe: Any, precision: str) -> None:
    recipe = make_recipe({"training.precision": precision})
    torch.manual_seed(0)
    recognizer, net = supernet(recipe)
    before = {name: value.clone() for name, value in recognizer.state_dict().items()}
    random, ran = torch.get_rng_state(), []

    def watch(module: Any, given: Any, out: torch.Tensor) -> None:
        ran.append(out.shape[0])
        out.register_hook(lambda gradient: ran.append(-gradient.shape[0]))

    operations = [operation for block in net.choice_blocks for operation in block]
    for operation in operations:  # hooks are copied with the net
        operation.register_forward_hook(watch)
    count = plan_candidates(recognizer, recipe, 6, torch.device("cpu"))
    assert count == len(operations) and set(ran) == {6, -6}
    assert len(ran) >= 2 * count
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in recognizer.state_dict().items())
    assert all(p.grad is None for p in recognizer.parameters())


def test_on_a_gpu_sets_are_opened_meanwhile(
    make_recipe: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    planned, opened = threading.Event(), threading.Event()

    def plan(recognizer: Any, recipe: Any, batch: int, device: torch.device) -> int:
        assert threading.current_thread() is threading.main_thread()
        assert (batch, device.type) == (8, "cuda")
        planned.set()
        assert opened.wait(10)  # beside each other
        return 28

    def open_sets() -> str:
        assert planned.wait(10)
        opened.set()
        return "the sets"

    monkeypatch.setattr(planning, "plan_candidates", plan)
    monkeypatch.setattr(planning, "torch_device", lambda training: torch.device("cuda"))
    assert opened_while_planning(open_sets, None, make_recipe(), ALONE) == "the sets"
    assert "the GPU has planned 28 candidate operations in " in capsys.readouterr().out


def test_sets_that_cannot_be_opened_are_told_as_ever(
    make_recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_sets() -> None:
        raise InputError("no usable word")

    monkeypatch.setattr(planning, "plan_candidates", lambda *_: 1)
    monkeypatch.setattr(planning, "torch_device", lambda training: torch.device("cuda"))
    with pytest.raises(InputError, match="no usable word"):
        opened_while_planning(open_sets, None, make_recipe(), ALONE)


def test_a_folder_that_cannot_be_written_to_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    doing.tell_doing(tmp_path / "file" / "below", PLANS)
    doing.tell_doing(tmp_path, PLANS)
    assert doing_in(tmp_path) == PLANS and (tmp_path / PULSE).exists()
    assert doing_in(tmp_path / "nowhere") == ""
