"""TensorBoard logs: only where asked, by epoch, and where NNI's button looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autostr_nni.recipe.checks import extras
from autostr_nni.runs.records import read_metrics
from autostr_nni.system.errors import InputError
from autostr_nni.training import tensorboard
from autostr_nni.training.run_trial import run_proposal


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard would draw."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns):  # names count 9, 10
        found = EventAccumulator(str(file)).Reload()
        for tag in found.Tags()["scalars"]:
            events.setdefault(tag, []).extend((event.step, event.value) for event in found.Scalars(tag))
    return events


def silent(metrics: dict[str, Any], final: bool) -> None:
    """A report that goes nowhere."""


def test_every_epoch_is_logged(make_recipe, steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    root = tmp_path / "experiment"
    folder = root / "environments" / "local-env" / "trials" / "AbCdE"
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(folder))
    # The button was pressed before the trial had begun.
    place = root / "trials" / "AbCdE" / "output" / "tensorboard"
    place.mkdir(parents=True)
    recipe = make_recipe({"training.tensorboard": True, "search.path.epochs": 2})
    run_proposal(steps["path"], recipe, folder, silent)
    lines = read_metrics(folder)
    found = scalars(place)
    assert place.is_symlink() and place.resolve() == (folder / "tensorboard").resolve()
    for tag, key in (("validation/loss", "loss"), ("validation/word_accuracy", "default")):
        assert [step for step, _ in found[tag]] == [line["images_seen"] for line in lines] == [20, 40]
        assert [value for _, value in found[tag]] == pytest.approx([line[key] for line in lines], rel=1e-5)
    run_proposal(steps["path"], recipe, folder, silent)  # finished: nothing is added
    assert scalars(place) == found


@pytest.mark.parametrize(
    ("figures", "tags"),
    [
        ({"metric": "cer", "cer": 0.1, "default": 0.9}, {"validation/one_minus_cer": 0.9}),
        (
            {"metric": "one_minus_ned", "one_minus_ned": 0.8, "default": 0.8},
            {"validation/one_minus_ned": 0.8},
        ),
    ],
)
def test_every_figure_by_its_name_and_once(
    tmp_path: Path, figures: dict[str, Any], tags: dict[str, float]
) -> None:
    pytest.importorskip("tensorboard")
    tensorboard.write(tmp_path, {**figures, "images_seen": 100})
    found = scalars(tmp_path)
    assert {tag: [(100, pytest.approx(value))] for tag, value in tags.items()} == found


def test_only_where_asked(make_recipe, finished, steps) -> None:
    folder, _ = finished(steps["path"])
    assert folder.is_dir() and not (folder / tensorboard.FOLDER).exists()
    assert make_recipe().digest() == make_recipe({"training.tensorboard": True}).digest()


def test_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"training.tensorboard: .*-m pip install 'tensorboard>=2.14'`"):
        tensorboard.logged(silent, tmp_path)


def test_outside_nni_there_is_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.delenv("NNI_OUTPUT_DIR", raising=False)
    tensorboard.logged(silent, tmp_path / "a" / "b" / "c" / "d")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
