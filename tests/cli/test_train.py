"""`autostr train`: from a text to a trained net, further, again, and from another's weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.cli.main import main
from autostr_nni.runs.layout import LOCK
from autostr_nni.system.locks import hold

ARCHITECTURE = "ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1"
OTHER = "ABABB:k3e1,k5e3,k3e1,k3e1,k3e1,k3e1"


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a training, without their times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one sentence in which the command refuses."""
    capsys.readouterr()
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("autostr: error: ") and error.count("\n") == 1
    return error


def test_a_net_is_trained_and_scored(trained: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    assert result["architecture"] == ARCHITECTURE
    assert result["metrics"]["default"] > 0.6  # dark from bright
    assert result["test"]["shades"]["words"] == 30 and result["test"]["shades"]["word_accuracy"] > 0.6
    assert [line["epoch"] for line in lines_of(trained)] == [0, 1, 2]
    assert [line["images_seen"] for line in lines_of(trained)] == [96, 192, 288]


def test_run_again_it_goes_on(
    trained: Path, shade_recipe: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = shade_recipe(tmp_path)
    command = ["train", ARCHITECTURE, "--recipe", recipe, "--out", str(tmp_path / "net")]
    assert main([*command, "--epochs", "1"]) == 0
    assert lines_of(tmp_path / "net") == lines_of(trained)[:1]
    assert "epoch   1 " in capsys.readouterr().out
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "epoch   1 " not in shown and "epoch   2 " in shown and "epoch   3 " in shown
    assert "best epoch" in shown and "shades" in shown and f"checkpoint: {tmp_path / 'net'}" in shown
    assert lines_of(tmp_path / "net") == lines_of(trained)
    mine, straight = (json.loads((f / "result.json").read_text()) for f in (tmp_path / "net", trained))
    assert mine["test"] == straight["test"]
    # Once more there is nothing to do, and the same is told.
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["test"] == straight["test"] and told["folder"] == str(tmp_path / "net")
    assert lines_of(tmp_path / "net") == lines_of(trained)


def test_a_folder_of_another_architecture_is_refused(
    trained: Path, shade_recipe: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lines_of(trained)
    command = ["train", OTHER, "--recipe", shade_recipe(tmp_path), "--out", str(trained)]
    assert "another architecture; give another folder" in refused(capsys, *command)
    assert lines_of(trained) == before


def test_a_folder_that_another_trains_in_is_refused(
    shade_recipe: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net").mkdir()
    command = ["train", ARCHITECTURE, "--recipe", shade_recipe(tmp_path), "--out", str(tmp_path / "net")]
    with hold(tmp_path / "net" / LOCK):
        assert "another search or training is running in it" in refused(capsys, *command)


def test_weights_to_start_from(
    trained: Path, shade_recipe: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = shade_recipe(tmp_path)
    out = ["--recipe", recipe, "--out", str(tmp_path / "net")]
    best = str(trained / "best.ckpt")
    # A checkpoint names its own architecture, as a trial's architecture.json does.
    assert main(["train", best, *out, "--init", best, "--epochs", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["architecture"] == ARCHITECTURE
    assert lines_of(tmp_path / "net")[0]["training_loss"] < lines_of(trained)[0]["training_loss"] * 0.7

    again = ["--recipe", recipe, "--out", str(tmp_path / "again")]
    assert main(["train", OTHER, *again, "--init", best, "--epochs", "1"]) == 0
    told = capsys.readouterr().out
    assert f"weights of {best}: stem, BiLSTM, translator, layers 1, 3 to 6" in told
    assert "begins afresh: layer 2 (skip there)" in told
    assert main(["train", OTHER, *again, "--init", best, "--epochs", "1"]) == 0  # has ended
    assert "again goes on with its own weights; --init counts for a new folder" in capsys.readouterr().err
    missing = refused(
        capsys, "train", str(trained / "architecture.json"), *again, "--init", "/none/best.ckpt"
    )
    assert "/none/best.ckpt: no such checkpoint" in missing


def test_what_was_left_out_is_told(
    shade_recipe: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = shade_recipe(tmp_path, train="mixed")
    out = str(tmp_path / "net")
    assert main(["train", ARCHITECTURE, "--recipe", recipe, "--out", out, "--epochs", "1"]) == 0
    told = "".join(capsys.readouterr())
    assert "4 of 7 words" in told
    for cause in ("1 empty label", "1 no known character", "1 too long", "undecodable"):
        assert cause in told


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (["--epochs", "0"], "--epochs: 0 is too few"),
        (["--recipe", "warm.yml", "--epochs", "1"], "--epochs 1: recipe: training.warmup_epochs"),
        (["--recipe", "none.yml"], "none.yml"),
        (["--out", "file/net"], "file/net"),
    ],
)
def test_wrong_options(
    shade_recipe: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    part: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    command = ["train", ARCHITECTURE, "--recipe", shade_recipe(tmp_path), "--out", "net"]
    recipe = yaml.safe_load(Path(command[3]).read_text())
    recipe["training"] |= {"warmup_epochs": 1, "epochs": 2}
    (tmp_path / "warm.yml").write_text(yaml.safe_dump(recipe))
    assert part in refused(capsys, *command, *change)
    assert not (tmp_path / "net").exists()


def test_another_search_space_is_refused(
    trained: Path, shade_recipe: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Path(shade_recipe(tmp_path))
    recipe.write_text(recipe.read_text().replace("stem_width: 8", "stem_width: 16"))
    out = ["--recipe", str(recipe), "--out", str(tmp_path / "net")]
    assert "another space" in refused(capsys, "train", str(trained / "best.ckpt"), *out)
    told = refused(capsys, "train", str(trained / "architecture.json"), *out)
    assert "another space" in told and "stem_width" in told
    shutil.copy(trained / "metrics.jsonl", tmp_path / "fake.ckpt")
    assert "not a readable checkpoint" in refused(capsys, "train", str(tmp_path / "fake.ckpt"), *out)


ANOTHER = {
    "permuted charset": ("data.charset", "9876543210", "data.charset is '9876543210' and was 'digits'"),
    "larger charset": ("data.charset", "lowercase", "data.charset is 'lowercase' and was 'digits'"),
    "optimizer": (
        "training.optimizer",
        {"name": "adadelta"},
        "training.optimizer.eps is 1e-06 and was 1e-08 when it began (and 2 more)",
    ),
    "rate": ("training.optimizer.lr", 0.01, "training.optimizer.lr is 0.01 and was 0.02"),
    "size": ("model.translator.hidden", 16, "model.translator.hidden is 16 and was 8"),
    "width": ("model.stem_width", 16, "model.stem_width is 16 and was 8"),
    "rectifier": ("model.rectifier.enabled", True, "model.rectifier.enabled is True and was False"),
    "seed": ("seed", 6, "seed is 6 and was 5"),
    "batch": ("training.batch_size", 4, "training.batch_size is 4 and was 8"),
}


def set_key(recipe: Path, key: str, value: Any) -> None:
    content = yaml.safe_load(recipe.read_text())
    *sections, last = key.split(".")
    place = content
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    recipe.write_text(yaml.safe_dump(content))


@pytest.fixture
def begun(trained: Path, shade_recipe: Callable[..., str], tmp_path: Path) -> list[str]:
    """The command that goes on with a copy of the training in `net`."""
    shutil.copytree(trained, tmp_path / "net")
    return ["train", ARCHITECTURE, "--recipe", shade_recipe(tmp_path), "--out", str(tmp_path / "net")]


@pytest.mark.parametrize("change", ANOTHER)
@pytest.mark.parametrize("kept", ["its record", "its best net alone"])
def test_another_recipe_is_refused_by_key(
    begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, kept: str
) -> None:
    key, value, part = ANOTHER[change]
    set_key(tmp_path / "recipe.yml", key, value)
    if kept != "its record":
        (tmp_path / "net" / "recipe.json").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "net").iterdir()}
    told = refused(capsys, *begun, "--epochs", "4")
    assert "net: holds a training by another recipe: " in told and part in told
    assert {path.name: path.read_bytes() for path in (tmp_path / "net").iterdir()} == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("data.workers", 1), ("evaluation.batch_size", 7), ("search.path.epochs", 9), ("data.test", {})],
)
def test_what_cannot_change_a_training_may_differ(
    begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, value: Any
) -> None:
    set_key(tmp_path / "recipe.yml", key, value)
    assert main([*begun, "--epochs", "4"]) == 0
    assert [line["epoch"] for line in lines_of(tmp_path / "net")] == [0, 1, 2, 3]


def test_fewer_epochs_are_done(begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tmp_path / "net" / "recipe.json").read_text(), lines_of(tmp_path / "net")
    assert main([*begun, "--epochs", "1"]) == 0
    shown = capsys.readouterr().out
    assert "3 epochs are done already, 1 asked for: no more is trained" in shown and "best epoch" in shown
    assert ((tmp_path / "net" / "recipe.json").read_text(), lines_of(tmp_path / "net")) == before
    assert main([*begun, "--epochs", "4"]) == 0 and len(lines_of(tmp_path / "net")) == 4
    (tmp_path / "net" / "best.ckpt").unlink()
    assert "has had 4 epochs, and its best.ckpt is gone" in refused(capsys, *begun, "--epochs", "2")


def test_a_recipe_mended_before_the_first_epoch_is_taken(
    shade_recipe: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = shade_recipe(tmp_path)
    command = ["train", ARCHITECTURE, "--recipe", recipe, "--out", str(tmp_path / "net"), "--epochs", "1"]
    good = Path(recipe).read_text()
    set_key(Path(recipe), "data.charset", "xyz")
    assert "no known character" in refused(capsys, *command)
    Path(recipe).write_text(good)
    assert main(command) == 0


def test_a_trial_without_a_recipe_is_not_gone_on_with(
    begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("recipe.json", "best.ckpt"):
        (tmp_path / "net" / name).unlink()
    assert "holds a training without its recipe (recipe.json)" in refused(capsys, *begun)


def test_weights_of_other_classes(
    begun: list[str], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The permuted charset starts as well as the same one; new characters are told."""
    losses = {}
    for charset in ("digits", "9876543210", "0123456789-"):
        set_key(tmp_path / "recipe.yml", "data.charset", charset)
        out = ["--out", str(tmp_path / charset), "--init", str(trained / "best.ckpt"), "--epochs", "1"]
        assert main(["train", ARCHITECTURE, "--recipe", str(tmp_path / "recipe.yml"), *out]) == 0
        losses[charset] = lines_of(tmp_path / charset)[0]["training_loss"]
        told = capsys.readouterr().out
        assert ("1 characters that it does not know start afresh ('-')" in told) == (charset[-1] == "-")
    assert losses["9876543210"] == pytest.approx(losses["digits"], rel=1e-3)
    assert losses["0123456789-"] < lines_of(trained)[0]["training_loss"]
