"""A net that tells words by CTC in every command that takes a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.reading.checkpoint import Trained, save_trained
from autostr_nni.recipe import load_recipe


@pytest.fixture(scope="module")
def folder(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`best.ckpt` of a random small net whose words are of several lengths."""
    folder = tmp_path_factory.mktemp("ctc")
    translator = {"kind": "ctc", "encoder_layers": 1, "hidden": 8}
    tiny_search(folder, data={"charset": "lowercase", "max_length": 3}, model={"translator": translator})
    recipe = load_recipe(folder / "recipe.yml")
    space = recipe.space()
    architecture = space.default_architecture(space.typical_paths()[1], "k3e1")
    torch.manual_seed(0)
    classes = Charset.named(recipe.data.charset).classes
    net = build_recognizer(architecture, space, recipe.model, classes).eval()
    with torch.no_grad():
        net.decoder.classify.weight.mul_(30)
    save_trained(folder / "best.ckpt", Trained(net, recipe, architecture, space, {}))
    return folder


@pytest.mark.parametrize(
    "suffix", [".onnx", pytest.param(".pt2", marks=pytest.mark.slow("torch compiles it")), ".pt"]
)
def test_exported_files_read_as_pytorch_does(folder: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnxruntime")
    file = tmp_path / f"net{suffix}"
    assert main(["export", str(folder / "best.ckpt"), str(file), "--words", "200"]) == 0
    assert file.stat().st_size > 10_000


def test_evaluate_read_and_show(
    folder: Path, shades: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(folder / "best.ckpt")
    assert main(["evaluate", checkpoint, str(shades / "test"), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["sets"]["test"]
    assert row["words"] > 0 and row["loss"] > 0
    with LmdbReader(shades / "test") as reader:
        (tmp_path / "word.png").write_bytes(reader.image(1) or b"")
    show = tmp_path / "seen"
    assert main(["read", checkpoint, str(tmp_path / "word.png"), "--show", str(show), "--json"]) == 0
    read = json.loads(capsys.readouterr().out.splitlines()[0])
    assert 0 < read["confidence"] <= 1
    assert len(list(show.iterdir())) == 1


def test_a_beam_is_refused(folder: Path, shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "word.png").write_bytes(b"")
    for command, what in (("evaluate", shades / "test"), ("read", folder / "word.png")):
        assert main([command, str(folder / "best.ckpt"), str(what), "--beam", "5"]) == 2
        assert "leave --beam out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"data": {"max_length": 9}}, "lower data.max_length from 9"),
        ({"evaluation": {"decoding": "beam"}}, "leave evaluation.decoding: beam out"),
    ],
)
@pytest.mark.parametrize("key", ["model.translator.kind", "search.proxy.translator"])
def test_recipes_that_ctc_cannot_do(tiny_search, tmp_path, capsys, key, change, told) -> None:
    ctc = {"model": {"translator": {"kind": "ctc"}}}
    if key.startswith("search"):
        ctc = {"search": {"proxy": {"translator": "ctc"}}}
    tiny_search(tmp_path, **ctc, **change)
    assert main(["space", "--recipe", str(tmp_path / "recipe.yml")]) == 2
    error = capsys.readouterr().err
    assert key in error and told in error
