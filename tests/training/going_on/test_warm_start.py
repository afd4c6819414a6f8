"""`training.init` and `search.init`: which trials start from which, and what comes before them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.weight import changes
from autostr_nni.runs.layout import BEST
from autostr_nni.runs.records import read_metrics
from autostr_nni.training.run_trial import run_proposal
from tests.training.recipe_keys.watch import watched
from tests.training.stopping import Killed, Log, assert_same_end, timeless

RUNG = {"step": "rung", "epochs": 1}


@pytest.fixture
def best(finished, steps) -> Path:
    return finished(steps["train"])[0] / BEST


@pytest.mark.parametrize(
    ("step", "key", "more"),
    [
        ("path", "search.init", {}),
        ("operators", "search.init", {}),
        ("supernet", "search.init", {}),
        ("train", "training.init", {}),
        ("rung", "training.init", {}),
        ("rung", "search.init", {"search.proxy.translator": "ctc"}),
    ],
)
def test_a_step_starts_from_its_key(
    best, make_recipe, steps, tmp_path, capsys: pytest.CaptureFixture[str], step: str, key: str, more: dict
) -> None:
    """Told on the log; the other key is of no weight to it."""
    stem = load_trained(best).recognizer.backbone.stem.conv.weight
    proposal = {**steps["train"], **RUNG} if step == "rung" else steps[step]
    small = {"training.epochs": 1, "search.one_shot.epochs": 1, "training.milestones": [], **more}
    small |= {"search.path.epochs": 1, "search.operators.epochs": 1, "search.operators.warmup_epochs": 0}
    other = "training.init" if key == "search.init" else "search.init"
    for used, starts in ((key, True), (other, False)):
        seen = watched(make_recipe({**small, used: str(best)}), proposal, tmp_path / used)
        assert torch.equal(seen.stem, stem) == starts
        assert (f"weights of {best}: rectifier, stem, BiLSTM" in capsys.readouterr().out) == starts


def path_trial(make_recipe, best: Path, epochs: int, folder: Path, steps) -> Path:
    recipe = make_recipe({"search.init": str(best)})
    run_proposal({**steps["path"], "epochs": epochs}, recipe, folder, Log())
    return folder


def test_a_path_that_climbs_goes_on_from_its_own_checkpoint(
    best, make_recipe, steps, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    path_trial(make_recipe, best, 1, tmp_path / "search" / "low", steps)
    assert "weights of" in capsys.readouterr().out
    climbed = path_trial(make_recipe, best, 2, tmp_path / "search" / "high", steps)
    told = capsys.readouterr().out
    assert "going on after epoch 1" in told and "weights of" not in told
    straight = path_trial(make_recipe, best, 2, tmp_path / "alone", steps)
    assert timeless(read_metrics(climbed)) == timeless(read_metrics(straight))


def test_stopped_it_does_not_start_again(
    best, make_recipe, steps, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make_recipe({"training.init": str(best)})
    run_proposal(steps["train"], recipe, tmp_path / "whole", Log())
    with pytest.raises(Killed):
        run_proposal(steps["train"], recipe, tmp_path / "stopped", Log(stop_at=1))
    capsys.readouterr()
    run_proposal(steps["train"], recipe, tmp_path / "stopped", Log())
    assert "weights of" not in capsys.readouterr().out
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_the_recipe_knows_the_content_and_not_the_place(best, make_recipe, finished, steps, tmp_path) -> None:
    copy = tmp_path / "copy.ckpt"
    copy.write_bytes(best.read_bytes())

    def with_init(file: Path) -> Recipe:
        return make_recipe({"training.init": str(file), "search.init": str(file)})

    first, moved = with_init(best), with_init(copy)
    assert first.digest() == moved.digest() != make_recipe().digest()
    assert changes(first.model_dump(mode="json"), moved.model_dump(mode="json")) == []
    content = torch.load(copy, weights_only=True)
    content["metrics"] = "{}"
    torch.save(content, copy)
    other = with_init(copy)
    assert other.digest() != first.digest()
    keys = [change.key for change in changes(other.model_dump(mode="json"), first.model_dump(mode="json"))]
    assert keys == ["search.init.sha256", "training.init.sha256"]
    keys = [
        change.key for change in changes(other.model_dump(mode="json"), make_recipe().model_dump(mode="json"))
    ]
    assert keys == ["search.init.sha256", "training.init.sha256"]
    copy.unlink()  # a recipe that was kept can be told without its file
    assert Recipe.model_validate(other.model_dump(mode="json")) == other
