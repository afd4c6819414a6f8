"""The operator search as it runs: what is never drawn is never touched."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from autostr_nni.runs.layout import LAST
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.supernet.supernet import Supernet
from autostr_nni.system.errors import InputError
from autostr_nni.training import operator_search
from autostr_nni.training.operator_task import OperatorSearchTask
from autostr_nni.training.run_trial import run_proposal


class Watch:
    """Records draws, steps, runs of candidates and what the network and parameters were at the start."""

    def __init__(self, monkeypatch) -> None:
        self.draws: list[tuple[str, list[int]]] = []
        self.runs: list[set[tuple[int, int]]] = []
        self.alphas: list[torch.Tensor] = []
        self.kind = ""
        build, weight, arch = (
            operator_search.build_supernet_recognizer,
            OperatorSearchTask.weight_step,
            OperatorSearchTask.arch_step,
        )
        draw = OperatorSearchTask.draw

        def watched_build(*args: Any) -> Any:
            recognizer, supernet = build(*args)
            self.start = copy.deepcopy(recognizer.state_dict())
            self.names = [block.names for block in supernet.choice_blocks]
            for layer, block in enumerate(supernet.choice_blocks):
                for j, operation in enumerate(block):
                    operation.register_forward_hook(lambda m, a, o, key=(layer, j): self.ran(key))
            return recognizer, supernet

        def watched_weight(task: OperatorSearchTask, batch: Any) -> None:
            self.kind = "weights"
            self.runs.append(set())
            before = [alpha.detach().clone() for alpha in task.arch.alphas]
            weight(task, batch)
            assert all(torch.equal(a, b) for a, b in zip(task.arch.alphas, before, strict=True))
            self.check_gradients(task)
            self.kind = ""

        def watched_arch(task: OperatorSearchTask, batch: Any) -> None:
            self.kind = "architecture"
            task.optimizers()[0].zero_grad(set_to_none=True)
            before = copy.deepcopy(task.recognizer.state_dict())
            arch(task, batch)
            after = task.recognizer.state_dict()
            assert all(torch.equal(after[key], before[key]) for key in before)
            assert all(p.grad is None for p in task.recognizer.parameters())
            self.alphas.append(torch.cat([alpha.detach() for alpha in task.arch.alphas]))
            self.kind = ""

        def watched_draw(task: OperatorSearchTask) -> None:
            draw(task)
            self.draws.append((self.kind, [block.active for block in task.supernet.choice_blocks]))

        monkeypatch.setattr(operator_search, "build_supernet_recognizer", watched_build)
        monkeypatch.setattr(OperatorSearchTask, "weight_step", watched_weight)
        monkeypatch.setattr(OperatorSearchTask, "arch_step", watched_arch)
        monkeypatch.setattr(OperatorSearchTask, "draw", watched_draw)

    def ran(self, key: tuple[int, int]) -> None:
        if self.kind == "weights":
            self.runs[-1].add(key)

    def check_gradients(self, task: OperatorSearchTask) -> None:
        kind, drawn = self.draws[-1]
        assert kind == "weights" and self.runs[-1] == set(enumerate(drawn))
        for layer, block in enumerate(task.supernet.choice_blocks):
            for j, operation in enumerate(block):
                assert all((p.grad is not None) == (j == drawn[layer]) for p in operation.parameters())


def silent(metrics: dict[str, Any], final: bool) -> None:
    pass


def test_what_was_never_drawn_is_bitwise_untouched(tmp_path, monkeypatch, make_recipe, steps):
    watch = Watch(monkeypatch)
    run_proposal(steps["operators"], make_recipe(), tmp_path, silent)
    end = torch.load(tmp_path / LAST, weights_only=True)["state_dict"]
    drawn = {key for kind, draw in watch.draws if kind == "weights" for key in enumerate(draw)}
    untouched = touched = 0
    for key, value in watch.start.items():
        if not key.startswith("backbone.blocks."):
            continue
        layer, name = int(key.split(".")[2]), key.split(".")[3]
        j = watch.names[layer].index(name)
        equal = torch.equal(end[f"recognizer.{key}"], value)
        if (layer, j) in drawn:
            touched += not equal
        else:
            assert equal, key
            untouched += key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    assert untouched > 10 and touched > 10, "this test needs some of each"
    # 3 epochs of 3 batches; after every second one of the last two epochs an architecture step.
    assert [kind for kind, _ in watch.draws] == ["weights"] * 3 + [
        "weights",
        "weights",
        "architecture",
        "weights",
    ] * 2
    assert len(watch.alphas) == 2 and not torch.equal(*watch.alphas)


def test_warming_up_leaves_the_parameters_alone(tmp_path, monkeypatch, make_recipe, steps):
    watch = Watch(monkeypatch)
    recipe = make_recipe({"search.operators.warmup_epochs": 2, "search.operators.epochs": 1})
    run_proposal(steps["operators"], recipe, tmp_path, silent)
    lines = read_metrics(tmp_path)
    assert lines[0]["entropy"] == lines[1]["entropy"] != lines[2]["entropy"]
    assert lines[0]["expected_macs_m"] == lines[1]["expected_macs_m"]
    assert [kind for kind, _ in watch.draws].count("architecture") == 1


def test_the_result_is_an_architecture_of_the_space_with_its_costs(finished, make_recipe, steps):
    folder, _ = finished(steps["operators"])
    space = make_recipe().space()
    result = read_result(folder)
    architecture = Architecture.parse(result["metrics"]["architecture"], space)
    assert architecture.path.text(space.stage_layers) == "ABABB"
    assert result["metrics"]["architecture"].startswith("ABABB:")
    assert architecture == Architecture.from_json((folder / "architecture.json").read_text(), space)
    cost = total(backbone_costs(architecture, space))
    assert result["metrics"]["macs_m"] == cost.macs / 1e6
    assert result["metrics"]["params_m"] == cost.params / 1e6
    for layer, row in enumerate(result["probabilities"], 1):
        assert tuple(row) == space.candidates(architecture.path, layer)
        assert sum(row.values()) == pytest.approx(1, abs=1e-5)
        assert max(row, key=row.get) == architecture.operations[layer - 1]  # the budget is wide here


def test_the_budget_is_kept_by_every_draw_and_by_the_result(tmp_path, monkeypatch, make_recipe, steps):
    # Parameters that hardly move: what is drawn and what is the most probable depend on the seed alone.
    changes = {"search.operators.arch_optimizer": {"lr": 1e-12}, "search.operators.epoch_images": 60}
    wide = run_proposal(steps["operators"], make_recipe(changes), tmp_path / "wide", silent)["macs_m"]
    changes["search.operators.budget_m"] = limit = wide * 0.8
    chosen, choose = [], Supernet.choose

    def watched(supernet: Supernet, indices: Any) -> None:
        names = (block.names[i] for block, i in zip(supernet.choice_blocks, indices, strict=True))
        chosen.append(Architecture(supernet.stride_path, tuple(names), space.stage_layers))
        choose(supernet, indices)

    monkeypatch.setattr(Supernet, "choose", watched)
    recipe = make_recipe(changes)
    space = recipe.space()
    final = run_proposal(steps["operators"], recipe, tmp_path / "narrow", silent)
    macs = [total(backbone_costs(net, space)).macs for net in chosen]
    # 3 epochs of 8 batches, 4 architecture steps in each of the last 2, and a validation per epoch.
    assert len(macs) == 3 * 8 + 2 * 4 + 3 and max(macs) <= limit * 1e6 and len(set(macs)) > 10
    lines = read_metrics(tmp_path / "narrow")
    assert all(line["macs_m"] <= limit for line in [*lines, final])
    assert final["architecture"] == chosen[-1].text  # which the last epoch was scored with
    probabilities = read_result(tmp_path / "narrow")["probabilities"]
    surest = [max(row, key=row.get) for row in probabilities]
    agreeing = sum(a == b for a, b in zip(surest, chosen[-1].operations, strict=True))
    assert 4 <= agreeing < 6


@pytest.mark.parametrize(
    ("default", "room", "among"),
    [("k3e3", 1.0, True), ("k3e3", 0.99, False), ("res3", 99.0, False)],
    ids=["just within the budget", "beyond it", "not in the supernet"],
)
def test_the_net_that_step_1_chose_the_path_with_is_a_finalist(
    tmp_path, make_recipe, steps, default: str, room: float, among: bool
) -> None:
    space = make_recipe().space()
    net = space.default_architecture(StridePath.parse("ABABB", space.stage_layers), default)
    changes = {
        "search.path.default_operation": default,
        "search.operators.finalists": 4,
        "search.operators.budget_m": room * total(backbone_costs(net, space)).macs / 1e6,
        "search.operators.epochs": 1,
    }
    final = run_proposal(steps["operators"], make_recipe(changes), tmp_path, silent)
    nets = final["finalists"].split()
    assert nets[0] == final["architecture"] and len(set(nets)) == 4
    assert (nets[1] == net.text) == among and net.text not in (nets[0], *nets[2:])


def test_a_checkpoint_of_a_search_that_remembered_its_draws_is_gone_on_from(tmp_path, make_recipe, steps):
    """Earlier versions kept the architectures that were drawn."""
    run_proposal(steps["operators"], make_recipe(), tmp_path, silent)
    checkpoint = torch.load(tmp_path / LAST, weights_only=True)
    checkpoint["autostr"]["sampled"] = [[0, 0, 0, 0, 0, 0]]
    torch.save(checkpoint, tmp_path / LAST)
    (tmp_path / "result.json").unlink()
    run_proposal(steps["operators"], make_recipe(), tmp_path, silent)
    assert len(read_metrics(tmp_path)) == 3


def test_the_supernet_may_do_without_bilstm(tmp_path, make_recipe, steps):
    recipe = make_recipe({"search.operators.bilstm": False, "search.operators.epochs": 1})
    run_proposal(steps["operators"], recipe, tmp_path, silent)
    assert not [key for key in torch.load(tmp_path / LAST, weights_only=True)["state_dict"] if "lstm" in key]


def test_threads_of_its_own(make_recipe, tmp_path, monkeypatch) -> None:
    """The search has them, and the trials after it, in the same process, those of before."""
    seen: list[int] = []

    def watched(*_: Any) -> Any:
        seen.append(torch.get_num_threads())
        raise InputError("enough is seen")

    monkeypatch.setattr(operator_search, "build_supernet_recognizer", watched)
    recipe = make_recipe({"search.operators.threads": 2})
    with pytest.raises(InputError, match="enough"):
        run_proposal({"step": "operators", "stride_path": "ABABB"}, recipe, tmp_path, lambda *report: None)
    assert seen == [2] and torch.get_num_threads() == 1
