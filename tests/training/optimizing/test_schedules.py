"""Rates by the step, averages of weights, gradients of several batches and float16: each goes on exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.recipe.training import TrainingSection
from autostr_nni.runs.layout import BEST, LAST
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.supernet import architecture_step
from autostr_nni.system.errors import InputError
from autostr_nni.training import net_task, tasks, validating
from autostr_nni.training.optimizing.averages import moving_average
from autostr_nni.training.optimizing.rates import Rates
from autostr_nni.training.run_trial import run_proposal, train_architecture
from tests.training.stopping import Killed, Log, assert_same_end, saving_within_epochs

SHORT: dict[str, Any] = {
    "training.epoch_images": 36,
    "training.epochs": 2,
    "search.path.epoch_images": 36,
    "search.path.epochs": 2,
}
CASES: dict[str, dict[str, Any]] = {
    "all": {
        "training.schedule": "cosine",
        "training.warmup_epochs": 0.5,
        "training.ema": 0.9,
        "training.accumulate": 2,
    },
    "one-cycle": {"training.schedule": "one-cycle", "training.optimizer": {"name": "adam", "lr": 0.01}},
    "half": {"training.precision": "16-mixed", "training.accumulate": 2},
}


def section(**values: Any) -> TrainingSection:
    return TrainingSection.model_validate({"optimizer": {"lr": 2.0}, **values})


def torchs(make: Any, steps: int) -> list[float]:
    """The rates of a scheduler of torch's, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def test_rates_are_those_of_torch() -> None:
    cosine = Rates(section(schedule="cosine"), 6, 7)
    expected = torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, 42), 42)
    assert [cosine(step) for step in range(42)] == pytest.approx(expected)
    cycle = Rates(section(schedule="one-cycle"), 6, 7)
    expected = torchs(lambda o: lr_scheduler.OneCycleLR(o, 2.0, 42, cycle_momentum=False), 42)
    assert [cycle(step) for step in range(42)] == pytest.approx(expected)
    warm = Rates(section(schedule="cosine", warmup_epochs=1.5), 6, 8)
    rise = torchs(lambda o: lr_scheduler.LinearLR(o, 1 / 12, 1.0, 11), 12)
    fall = torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, 36), 36)
    assert [warm(step) for step in range(48)] == pytest.approx(rise + fall)
    stairs = Rates(section(milestones=[2], warmup_epochs=1), 4, 3)
    assert [round(stairs(step), 6) for step in range(0, 12, 2)] == [0.666667, 2.0, 2.0, 0.2, 0.2, 0.2]
    assert Rates(section(milestones=[2]), 4, 3, milestones=False)(11) == 2.0


@pytest.mark.parametrize(
    "name",
    ["half", *(pytest.param(name, marks=pytest.mark.slow("trains thrice")) for name in ("all", "one-cycle"))],
)
@pytest.mark.parametrize("step", ["path", "train", "operators"])
def test_stopped_within_an_epoch(tmp_path: Path, monkeypatch, make_recipe, steps, step, name) -> None:
    if step == "operators" and name != "half":
        pytest.skip("has an optimizer of its own")
    recipe = make_recipe({**SHORT, "search.operators.epoch_images": 36, **CASES[name]})
    run_proposal(steps[step], recipe, tmp_path / "whole", Log())
    with monkeypatch.context() as patch:
        saves = saving_within_epochs(
            patch, every=1 if "training.accumulate" in CASES[name] else 2, stop_after=2
        )
        with pytest.raises(Killed):
            run_proposal(steps[step], recipe, tmp_path / "stopped", Log())
    assert saves == ([1, 2] if step == "operators" else [2, 4])  # never between the batches of a step
    run_proposal(steps[step], recipe, tmp_path / "stopped", Log())
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")
    if name == "half":
        states = [torch.load(tmp_path / f / LAST, weights_only=True) for f in ("stopped", "whole")]
        assert states[0]["MixedPrecision"] == states[1]["MixedPrecision"]
        assert states[0]["MixedPrecision"]["scale"] > 1


def test_a_path_that_climbs_keeps_to_the_rates_of_its_whole_training(
    tmp_path: Path, make_recipe, steps
) -> None:
    """Promoted or trained at once, its end is the same."""
    recipe = make_recipe({**SHORT, "search.path.epochs": 2, "training.schedule": "cosine"})
    low, high = ({**steps["path"], "epochs": epochs} for epochs in (1, 2))
    run_proposal(low, recipe, tmp_path / "climbed" / "low", Log())
    run_proposal(high, recipe, tmp_path / "climbed" / "high", Log())
    run_proposal(high, recipe, tmp_path / "alone" / "high", Log())
    assert (tmp_path / "climbed/high/climbed.json").is_file()
    ends = [torch.load(tmp_path / f / "high" / LAST, weights_only=True) for f in ("climbed", "alone")]
    for name, weight in ends[0]["state_dict"].items():
        assert torch.equal(weight, ends[1]["state_dict"][name]), name


def test_averaged_weights_are_those_evaluated_and_saved(
    tmp_path: Path, monkeypatch, make_recipe, steps
) -> None:
    read: set[int] = set()
    made: list[Any] = []
    add, init = validating.Reader.add, net_task.RecognitionTask.__init__
    monkeypatch.setattr(validating.Reader, "add", lambda r, b: (read.add(id(r.recognizer)), add(r, b))[1])
    monkeypatch.setattr(net_task.RecognitionTask, "__init__", lambda t, *a: (init(t, *a), made.append(t))[0])
    recipe = make_recipe({**SHORT, "training.epochs": 1, "training.ema": 0.9, "data.test": {}})
    run_proposal(steps["train"], recipe, tmp_path, Log())
    (task,) = made
    assert read == {id(task.averaged.module)}
    state = torch.load(tmp_path / LAST, weights_only=True)["state_dict"]
    for name, weight in load_trained(tmp_path / BEST).recognizer.state_dict().items():
        assert torch.equal(weight, state[f"averaged.module.{name}"]), name
    own = state["recognizer.backbone.stem.conv.weight"]
    assert not torch.equal(state["averaged.module.backbone.stem.conv.weight"], own)


def test_a_moving_average() -> None:
    net = torch.nn.BatchNorm1d(1)
    averaged, expected = moving_average(net, 0.5), 0.0
    for step, value in enumerate((4.0, 8.0, 2.0, 6.0)):
        torch.nn.init.constant_(net.weight, value)
        net.running_mean.fill_(value)  # type: ignore[union-attr]
        averaged.update_parameters(net)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = value if step == 0 else decay * expected + (1 - decay) * value
        assert float(averaged.module.weight) == pytest.approx(expected)
        assert float(averaged.module.running_mean) == pytest.approx(expected)


def test_a_step_has_the_mean_gradient_of_its_batches(tmp_path: Path, monkeypatch, make_recipe, steps) -> None:
    parts: list[torch.Tensor] = []
    found: list[tuple[int, float]] = []
    loss_of, move = tasks.ReadingTask.loss_of, net_task.RecognitionTask.move_weights

    def watched_loss(task: Any, batch: Any) -> torch.Tensor:
        loss = loss_of(task, batch)
        weight = task.recognizer.decoder.classify.weight
        parts.append(torch.autograd.grad(loss, weight, retain_graph=True)[0])
        return loss

    def watched_move(task: Any) -> None:
        gradient = task.recognizer.decoder.classify.weight.grad
        expected = torch.stack(parts).mean(0)
        found.append((len(parts), float((gradient - expected).abs().max() / expected.abs().max())))
        parts.clear()
        move(task)

    monkeypatch.setattr(tasks.ReadingTask, "loss_of", watched_loss)
    monkeypatch.setattr(net_task.RecognitionTask, "move_weights", watched_move)
    run_proposal(steps["train"], make_recipe({**SHORT, "training.accumulate": 2}), tmp_path, Log())
    assert [batches for batches, _ in found] == [2, 2, 1] * 2  # 36 images in batches of 8
    assert max(error for _, error in found) < 1e-5
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 6


def test_a_rung_is_the_beginning_of_a_whole_training(tmp_path: Path, make_recipe, steps) -> None:
    recipe = make_recipe({**SHORT, "training.epochs": 4, "training.schedule": "cosine"})
    run_proposal({**steps["train"], "step": "rung", "epochs": 2}, recipe, tmp_path / "rung", Log())
    rate = torch.load(tmp_path / "rung" / LAST, weights_only=True)["optimizer_states"][0]["param_groups"][0][
        "lr"
    ]
    assert rate == Rates(recipe.training, 4, 5)(9)


def test_epochs_of_a_planned_rate_stay(tmp_path: Path, make_recipe, steps) -> None:
    for schedule, grows in (("milestones", True), ("cosine", False)):
        recipes = [
            make_recipe({**SHORT, "training.epochs": epochs, "training.schedule": schedule})
            for epochs in (1, 2)
        ]
        space = recipes[0].space()
        architecture = Architecture.from_parameters(steps["train"], space)
        train_architecture(architecture, space, recipes[0], tmp_path / schedule, Log())
        if grows:
            train_architecture(architecture, space, recipes[1], tmp_path / schedule, Log())
        else:
            with pytest.raises(InputError, match="training.epochs is 2 and was 1 when it began"):
                train_architecture(architecture, space, recipes[1], tmp_path / schedule, Log())


def test_half_precision_is_what_runs(tmp_path: Path, monkeypatch, make_recipe, steps) -> None:
    kinds: set[torch.dtype] = set()
    loss = tasks.ReadingTask.shared_loss

    def watched(task: Any, batch: Any) -> torch.Tensor:
        kinds.add(task.recognizer.backbone(torch.zeros(2, 3, 32, 16)).dtype)
        return loss(task, batch)

    monkeypatch.setattr(tasks.ReadingTask, "shared_loss", watched)
    run_proposal(steps["path"], make_recipe({**SHORT, **CASES["half"]}), tmp_path, Log())
    assert kinds == {torch.float16}


def test_architecture_parameters_are_moved_alike_at_any_scale(
    tmp_path: Path, monkeypatch, make_recipe, steps
):
    """In float16 all of their gradient is scaled: also the part that no backward pass gives."""
    step, grads = architecture_step.architecture_step, {}

    def scaled(scale: float) -> Any:
        def run(network: Any, supernet: Any, arch: Any, loss: Any, **options: Any) -> torch.Tensor:
            options |= {"scale": scale, "backward": lambda value: (value * scale).backward()}
            found = step(network, supernet, arch, loss, **options)
            grads.setdefault(scale, torch.cat([alpha.grad / scale for alpha in arch.alphas]))
            for alpha in arch.alphas:
                alpha.grad /= scale
            return found

        return run

    for scale in (1.0, 64.0):
        monkeypatch.setattr("autostr_nni.training.operator_task.architecture_step", scaled(scale))
        run_proposal(steps["operators"], make_recipe(), tmp_path / str(scale), Log())
    assert torch.allclose(grads[1.0], grads[64.0], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"warmup_epochs": 3.0, "epochs": 3}, "warmup_epochs: 3 leaves nothing of training.epochs: 3"),
        ({"schedule": "one-cycle", "warmup_epochs": 1.0}, "one-cycle has a rise of its own"),
        ({"schedule": "cosin"}, "nearest is 'cosine'"),
        ({"ema": 1.0}, "training.ema must be less than 1"),
        ({"accumulate": 0}, "training.accumulate must be at least 1"),
        ({"precision": "16"}, "training.precision must be"),
    ],
)
def test_wrong_values(make_recipe, values: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        make_recipe({f"training.{key}": value for key, value in values.items()})
    assert told in str(error.value)
