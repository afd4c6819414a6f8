"""A search whose nets start from another one: looked at before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from autostr_nni.cli.main import main
from autostr_nni.cli.make_ready import check_start
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.nni.experiment.file import load_experiment
from autostr_nni.reading.checkpoint import Trained, save_trained
from autostr_nni.recipe import load_recipe


@pytest.fixture(scope="module")
def trained(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a net, as a training leaves it."""
    folder = tmp_path_factory.mktemp("net")
    recipe = load_recipe(tiny_search(folder).parent / "recipe.yml")
    space = recipe.space()
    net = space.default_architecture(recipe.search_paths()[0], "k3e1")
    recognizer = build_recognizer(net, space, recipe.model, classes=11)
    save_trained(folder / "best.ckpt", Trained(recognizer, recipe, net, space, {}))
    torch.save({"state_dict": recognizer.state_dict()}, folder / "last.ckpt")
    return folder


def searching(experiment: Path, tuner: str) -> Path:
    content = yaml.safe_load(experiment.read_text())
    content["tuner"]["className"] = f"autostr_nni.nni.tuner.{tuner}"
    experiment.write_text(yaml.safe_dump(content))
    return experiment


def test_an_init_that_fits_nothing_starts_nothing(
    tiny_search: Callable[..., Path], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = {"stem_width": 12, "stage_widths": [12] * 5, "translator": {"hidden": 10, "kind": "ctc"}}
    best = str(trained / "best.ckpt")
    for section in ("search", "training"):
        experiment = tiny_search(tmp_path / section, model=model, **{section: {"init": best}})
        out = tmp_path / section / "out"
        assert main(["search", str(experiment), "--in-process", "--out", str(out)]) == 2
        told = capsys.readouterr().err
        assert f"recipe.yml: {section}.init: nothing of {best} fits: " in told and told.count("\n") == 1
        assert not out.exists()


def test_a_file_that_is_no_net_starts_nothing(
    tiny_search: Callable[..., Path], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A whole archive, as torch writes them, of something else."""
    last = str(trained / "last.ckpt")
    experiment = tiny_search(tmp_path, training={"init": last})
    assert main(["search", str(experiment), "--in-process", "--out", str(tmp_path / "out")]) == 2
    assert (
        f"training.init: {last}: holds no recognizer of autostr; give the best.ckpt"
        in capsys.readouterr().err
    )


def test_what_a_search_makes_no_use_of_is_told(
    tiny_search: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    init = {"init": str(trained / "best.ckpt")}
    told: dict[str, list[str]] = {}
    for tuner in ("TwoStepTuner", "HalvingTuner", "OneShotTuner", "RandomTuner"):
        experiment = searching(tiny_search(tmp_path / tuner, search=init, training=init), tuner)
        check_start(load_experiment(experiment), told.setdefault(tuner, []).append)
    assert told["TwoStepTuner"] == []
    for tuner, name in (("HalvingTuner", "halving"), ("RandomTuner", "random")):
        (note,) = told[tuner]
        assert note.startswith(f"note: a {name} search has no path trials and no supernet, so search.init is")
    assert told["OneShotTuner"] == [
        "note: the nets of a one-shot search start from its supernet, and not from training.init"
    ]
    proxy = {**init, "proxy": {"translator": "ctc"}}
    experiment = searching(tiny_search(tmp_path / "proxy", search=proxy, training=init), "HalvingTuner")
    check_start(load_experiment(experiment), told.setdefault("proxy", []).append)
    assert told["proxy"] == []
