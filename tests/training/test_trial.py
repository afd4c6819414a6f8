"""Trials of every step: what they report, leave behind, refuse and survive."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.reading.evaluation import evaluate, open_set
from autostr_nni.runs.layout import BEST, LAST, PULSE
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.system.errors import InputError
from autostr_nni.training import one_net
from autostr_nni.training.callbacks import epoch_end
from autostr_nni.training.callbacks.epoch_end import best_epoch
from autostr_nni.training.run_trial import run_proposal, train_architecture
from autostr_nni.training.tasks import LossNotFinite

NUMBERS = ("default", "loss", "macs_m", "params_m", "images_seen", "seconds", "expected_macs_m", "entropy")


def silent(metrics: dict[str, Any], final: bool) -> None:
    pass


def timeless(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_every_report_has_the_same_numbers(finished, proposal):
    folder, reports = finished(proposal)
    keys = set(reports[0][0])
    assert set(NUMBERS) <= keys
    for metrics, final in reports:
        assert set(metrics) - keys == (
            {"architecture"} if final and proposal["step"] == "operators" else set()
        )
        assert all(math.isfinite(metrics[name]) for name in NUMBERS)
        assert 0 <= metrics["default"] <= 1
        json.dumps(metrics)
    assert [metrics for metrics, final in reports if not final] == read_metrics(folder)
    assert read_result(folder)["metrics"] == reports[-1][0]
    assert read_result(folder)["parameters"] == proposal


def test_costs_are_those_of_the_architecture(finished, make_recipe, steps):
    space = make_recipe().space()
    architecture = Architecture.from_parameters(steps["train"], space)
    cost = total(backbone_costs(architecture, space))
    metrics = read_result(finished(steps["train"])[0])["metrics"]
    assert metrics["macs_m"] == metrics["expected_macs_m"] == cost.macs / 1e6
    assert metrics["params_m"] == cost.params / 1e6 and metrics["entropy"] == 0


def test_the_path_step_trains_the_default_operation(finished, make_recipe, steps):
    folder, _ = finished(steps["path"])
    space = make_recipe().space()
    architecture = Architecture.from_json((folder / "architecture.json").read_text(), space)
    assert set(architecture.operations) == {"res3"} and architecture.path.text(space.stage_layers) == "AABBB"
    assert read_result(folder)["metrics"] == read_metrics(folder)[-1]
    assert not (folder / BEST).exists()


def test_the_train_step_reports_its_best_epoch_and_the_test_sets(finished, steps):
    folder, _ = finished(steps["train"])
    result = read_result(folder)
    assert result["metrics"] == best_epoch(read_metrics(folder))
    assert result["architecture"].startswith("ABABB:k3e1,skip,")
    assert list(result["test"]) == ["plain"]
    assert result["test"]["plain"]["words"] == 6
    assert {"word_accuracy", "one_minus_ned", "case_sensitive_accuracy", "loss"} <= set(
        result["test"]["plain"]
    )


def test_same_seed_same_figures_another_seed_others(tmp_path, finished, make_recipe, steps):
    # Every step twice with one seed: the tests of continued trials compare those.
    lines = timeless(read_metrics(finished(steps["path"])[0]))
    for seed, equal in ((1, True), (2, False)):
        run_proposal(steps["path"], make_recipe({"seed": seed}), tmp_path / str(seed), silent)
        assert (timeless(read_metrics(tmp_path / str(seed))) == lines) is equal


def test_a_finished_trial_is_not_trained_again(monkeypatch, finished, make_recipe, proposal):
    folder, before = finished(proposal)
    monkeypatch.setattr(one_net, "fit", None)
    monkeypatch.setattr(one_net, "open_set", None)
    reports: list[Any] = []
    metrics = run_proposal(proposal, make_recipe(), folder, lambda *report: reports.append(report))
    assert reports == [(metrics, True)] == before[-1:]


def test_best_checkpoint_is_the_best_epoch(tmp_path, monkeypatch, make_recipe, steps):
    monkeypatch.setattr(epoch_end, "merit", lambda metrics: (-abs(metrics["epoch"] - 1), 0))
    weights: dict[int, dict[str, torch.Tensor]] = {}

    def report(metrics: dict[str, Any], final: bool) -> None:
        if not final:
            state = torch.load(tmp_path / LAST, weights_only=True)["state_dict"]
            weights[metrics["epoch"]] = {
                key.removeprefix("recognizer."): value for key, value in state.items()
            }

    final = run_proposal(steps["train"], make_recipe(), tmp_path, report)
    assert final["epoch"] == 1 and sorted(weights) == [0, 1, 2]
    best = load_trained(tmp_path / BEST)
    assert best.metrics["epoch"] == 1
    for key, value in best.recognizer.state_dict().items():
        assert torch.equal(value, weights[1][key])
    assert not torch.equal(weights[1]["decoder.classify.weight"], weights[2]["decoder.classify.weight"])


def test_better_is_more_accurate_then_of_less_loss():
    lines = [
        {"epoch": epoch, "default": accuracy, "loss": loss}
        for epoch, (accuracy, loss) in enumerate([(0.5, 1.0), (0.7, 3.0), (0.7, 2.0), (0.7, 2.0), (0.6, 0.1)])
    ]
    assert best_epoch(lines)["epoch"] == 2
    assert best_epoch([]) is None


def test_patience_ends_training(tmp_path, make_recipe, steps):
    recipe = make_recipe(
        {"training.epochs": 9, "training.patience": 2, "training.optimizer": {"name": "adam", "lr": 1e-12}}
    )
    run_proposal(steps["train"], recipe, tmp_path, silent)
    lines = read_metrics(tmp_path)
    assert len(lines) < 9
    assert lines[-1]["epoch"] - best_epoch(lines)["epoch"] == 2


@pytest.mark.parametrize("step", ["operators", "train"])
def test_a_loss_that_is_not_finite_ends_the_trial(tmp_path, make_recipe, steps, step):
    changes = {"training.optimizer": {"lr": 1e38}, "search.operators.optimizer": {"lr": 1e38}}
    changes["search.operators.warmup_epochs"] = 0
    with pytest.raises(LossNotFinite, match="learning rate"):
        run_proposal(steps[step], make_recipe(changes), tmp_path, silent)
    assert read_result(tmp_path) == {}


def test_undecodable_images_are_counted_and_never_replaced(tmp_path, make_recipe, make_words, steps):
    broken = [*make_words(7, 5), (b"no image", "12"), (b"", "3")]
    write_lmdb(tmp_path / "broken", broken)
    names = {"plain": "test", "broken": str(tmp_path / "broken")}
    recipe = make_recipe({"data.train": [str(tmp_path / "broken")], "data.test": names, "training.epochs": 1})
    metrics = run_proposal(steps["train"], recipe, tmp_path / "trial", silent)
    assert metrics["images_seen"] == 7
    test = read_result(tmp_path / "trial")["test"]
    assert test["broken"]["skipped"] == {"undecodable": 2} and test["broken"]["words"] == 7
    assert test["plain"]["skipped"] == {} and test["plain"]["words"] == 6
    assert test["all"]["words"] == 13 and test["all"]["skipped"] == {"undecodable": 2}
    pooled = (test["plain"]["loss"] * 6 + test["broken"]["loss"] * 7) / 13
    assert test["all"]["loss"] == pytest.approx(pooled)


def test_words_in_other_letters_count(tmp_path, make_recipe, make_words, steps, capsys):
    letters = str.maketrans("0123", "абвг")
    words = [(image, text.translate(letters)) for image, text in make_words(9, 5)]
    write_lmdb(tmp_path / "words", [*words, words[0], (words[0][0], "12")])
    folder = [str(tmp_path / "words")]
    changes = {
        "data.charset": "абвг012",
        "data.train": folder,
        "data.validation": folder,
        "search.path.epochs": 1,
    }
    assert run_proposal(steps["path"], make_recipe(changes), tmp_path / "a", silent)["words"] == 11
    assert "0-9a-z" not in capsys.readouterr().out


def test_words_that_do_not_count_are_told(tmp_path, make_recipe, make_words, steps, capsys):
    (first, _), *rest = make_words(6, 5)
    write_lmdb(tmp_path / "words", [(first, "?!"), *rest])
    folder = [str(tmp_path / "words")]
    changes = {"data.charset": "printable", "data.train": folder, "data.validation": folder}
    assert run_proposal(steps["path"], make_recipe(changes), tmp_path / "a", silent)["words"] == 5
    told = "1 of the 6 words read for validation have no character that is compared: word accuracy leaves"
    assert capsys.readouterr().out.count(told) == 1


def test_evaluation_does_not_depend_on_the_batch_size(finished, make_recipe, steps, sets):
    folder, _ = finished(steps["train"])
    best = load_trained(folder / BEST)
    results = []
    for size in (1, 4, 10):
        best.recipe = make_recipe({"evaluation.batch_size": size})
        evaluation, reader = evaluate(best, open_set(best.recipe, [sets / "validation"]))
        results.append((evaluation.scores, reader.pairs))
        assert evaluation.loss == pytest.approx(best.metrics["loss"], rel=1e-4)
        assert evaluation.scores.word_accuracy == best.metrics["default"]
    assert results[0] == results[1] == results[2]


def test_a_last_batch_of_one_word_is_trained_on(tmp_path, make_recipe, steps):
    recipe = make_recipe({"search.path.epochs": 1, "search.path.epoch_images": 9})
    assert run_proposal(steps["path"], recipe, tmp_path, silent)["images_seen"] == 9


@pytest.mark.parametrize("step", ["path", "operators"])
def test_half_precision_and_beam_search_run(tmp_path, make_recipe, steps, step):
    recipe = make_recipe(
        {
            "training.precision": "bf16-mixed",
            "evaluation": {"decoding": "beam", "beam": 2},
            "search.path.epochs": 1,
            "search.operators.warmup_epochs": 0,
            "search.operators.epochs": 1,
        }
    )
    assert math.isfinite(run_proposal(steps[step], recipe, tmp_path, silent)["loss"])


def test_epochs_are_cut_to_their_images(tmp_path, make_recipe, steps):
    recipe = make_recipe({"search.path.epoch_images": 8, "search.path.epochs": 4})
    run_proposal(steps["path"], recipe, tmp_path, silent)
    assert [line["images_seen"] for line in read_metrics(tmp_path)] == [8, 16, 24, 32]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": "dance"}, "'dance' is no step"),
        ({"stride_path": "AAAAA"}, "AAAAA"),
        ({"op_03": "k9e9e9"}, "k9e9e9"),
        ({"op_01": "skip"}, "layer 1"),
    ],
)
def test_a_proposal_outside_the_space_is_refused(tmp_path, make_recipe, steps, change, words):
    with pytest.raises(InputError, match=words):
        run_proposal({**steps["train"], **change}, make_recipe(), tmp_path, silent)
    assert read_result(tmp_path) == {}


def test_a_gpu_that_is_not_there_is_an_error_in_words(tmp_path, make_recipe, steps):
    with pytest.raises(InputError, match=r"training\.device: this machine has no cuda:77"):
        run_proposal(steps["path"], make_recipe({"training.device": "cuda:77"}), tmp_path, silent)


def test_training_alone_continues_towards_more_epochs(tmp_path, make_recipe, steps):
    recipe = make_recipe({"training.epochs": 2})
    space = recipe.space()
    architecture = Architecture.from_parameters(steps["train"], space)
    train_architecture(architecture, space, recipe, tmp_path, silent)
    longer = make_recipe({"training.epochs": 4})
    train_architecture(architecture, space, longer, tmp_path, silent)
    assert [line["epoch"] for line in read_metrics(tmp_path)] == [0, 1, 2, 3]
    other = space.default_architecture(architecture.path, "k3e1")
    with pytest.raises(InputError, match="another architecture"):
        train_architecture(other, space, recipe, tmp_path, silent)


def test_folders_hold_nothing_but_what_is_promised(finished, proposal):
    own = {
        "path": {"architecture.json", "word_losses.json"},
        "operators": {"architecture.json", "probabilities.jsonl"},
        "supernet": set(),  # its weights are those of the checkpoint
        "train": {"architecture.json", BEST},
    }[proposal["step"]]
    folder: Path = finished(proposal)[0]
    found = {path.name for path in folder.iterdir()} - {PULSE}  # a slow machine writes it within an epoch
    assert found == {"metrics.jsonl", LAST, "result.json"} | own
