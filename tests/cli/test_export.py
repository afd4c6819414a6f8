"""`autostr export`: files that give PyTorch's words, or none at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.export import formats
from autostr_nni.export.words import rendered_words
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.reading.checkpoint import Trained, load_trained, save_trained
from autostr_nni.recipe import load_recipe, recipe_from
from autostr_nni.search_spaces import named
from autostr_nni.system.errors import InputError

NEEDS = {".onnx": ("onnx", "onnxruntime"), ".pt2": (), ".pt": ()}


RECTIFIER = {
    "enabled": True,
    "image": [32, 48],
    "localization": [8, 16],
    "points": 6,
    "channels": [4, 4],
    "features": 8,
}


@pytest.fixture(scope="module")
def checkpoint(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random small net with a rectifier that bends, whose words are of several lengths."""
    folder = tmp_path_factory.mktemp("export")
    tiny_search(folder, data={"charset": "lowercase", "max_length": 3}, model={"rectifier": RECTIFIER})
    recipe = load_recipe(folder / "recipe.yml")
    space = recipe.space()
    path = space.typical_paths()[1]
    return str(save(folder / "best.ckpt", recipe, space, space.default_architecture(path, "k3e1")))


def save(place: Path, recipe, space, architecture) -> Path:
    torch.manual_seed(0)
    classes = Charset.named(recipe.data.charset).classes
    net = build_recognizer(architecture, space, recipe.model, classes).eval()
    with torch.no_grad():
        net.rectifier.last.weight.normal_(0, 0.05)
        net.decoder.classify.weight.mul_(6)
        net.decoder.classify.bias[-1] = 1.0
    save_trained(place, Trained(net, recipe, architecture, space, {}))
    return place


def need(suffix: str) -> None:
    for package in NEEDS[suffix]:
        pytest.importorskip(package)


@pytest.mark.parametrize(
    ("suffix", "part"),
    [
        (".onnx", "recognizer"),
        (".onnx", "encoder"),
        pytest.param(".pt2", "recognizer", marks=pytest.mark.slow("torch compiles it")),
        (".pt", "recognizer"),
    ],
)
def test_files_give_what_pytorch_gives(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, part: str
) -> None:
    need(suffix)
    file = tmp_path / f"model{suffix}"
    assert main(["export", checkpoint, str(file), "--part", part, "--words", "70", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bytes"] == file.stat().st_size and told["part"] == part
    assert [row["batch"] for row in told["comparisons"]] == [1, 7, 64]
    for row in told["comparisons"]:
        assert row["words"] == 70 and row["largest_difference"] <= 1e-4
        assert row["words_per_second"] > 0 and row["torch_words_per_second"] > 0
    assert list(tmp_path.iterdir()) == [file]  # nothing else is left

    # The file alone is enough: a program reads words with what stands in it.
    run, facts = formats.FORMATS[suffix].load(file), facts_of(file)
    assert facts == told["about"] and facts["charset"] == Charset.named("lowercase").characters
    trained = load_trained(checkpoint)
    images = rendered_words(trained.recipe, 5, seed=3)
    assert images.shape[2:] == (int(facts["image_height"]), int(facts["image_width"]))
    outputs = run(images)
    if part == "encoder":
        with torch.no_grad():
            expected = trained.recognizer.features(torch.from_numpy(images))
        np.testing.assert_allclose(outputs[0], expected.numpy(), atol=1e-4)
        return
    ids, confidence, logits = outputs
    end = int(facts["end"])
    assert logits.shape == (5, int(facts["max_length"]) + 1, end + 1)
    texts = ["".join(facts["charset"][i] for i in row[: [*row, end].index(end)]) for row in ids.tolist()]
    reading = trained.recognizer.read(torch.from_numpy(images), 3)
    charset = Charset.named("lowercase")
    assert texts == [charset.decode(row) for row in reading.ids.tolist()]
    np.testing.assert_allclose(confidence, reading.confidence.numpy(), atol=1e-5)


def facts_of(file: Path) -> dict[str, str]:
    """The metadata, as another program would read it."""
    if file.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return dict(session.get_modelmeta().custom_metadata_map)
    extra = {"autostr.json": ""}
    if file.suffix == ".pt2":
        torch.export.load(file, extra_files=extra)
    else:
        torch.jit.load(str(file), _extra_files=extra)
    facts: dict[str, str] = json.loads(extra["autostr.json"])
    return facts


@pytest.mark.slow("traces a net of full size")
def test_the_papers_net_with_rectifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need(".onnx")
    recipe = recipe_from(
        {
            "data": {"train": ["none"], "validation": ["none"], "max_length": 6},
            "training": {"threads": 1},
        },
        tmp_path,
    )
    architecture, _ = named.lookup("autostr-iiit5k")
    checkpoint = save(tmp_path / "best.ckpt", recipe, recipe.space(), architecture)
    file = tmp_path / "model.onnx"
    assert main(["export", str(checkpoint), str(file), "--words", "2"]) == 0
    told = capsys.readouterr().out
    assert "recognizer as ONNX" in told and "images 64x256, 94 characters" in told
    assert file.stat().st_size > 30e6


def test_checked_on_real_words(
    trained: Path, shades: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(trained / "best.ckpt"), str(tmp_path / "m.pt")]
    assert main([*command, "--check", str(shades / "mixed"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["words"] for row in told["comparisons"]} == {2}  # those that can be used
    assert main([*command, "--check", str(tmp_path / "none")]) == 2
    assert "none does not exist" in capsys.readouterr().err


def test_another_result_leaves_no_file(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = formats.FORMATS[".pt"]

    def wrong(ids_by: int, logits_by: float) -> Callable[[Path], formats.Run]:
        def load(path: Path) -> formats.Run:
            run = right.load(path)

            def changed(images: np.ndarray) -> list[np.ndarray]:
                ids, confidence, logits = run(images)
                return [(ids + ids_by) % 37, confidence, logits + logits_by]

            return changed

        return load

    file = tmp_path / "model.pt"
    file.write_text("an earlier file")
    changes = ((0, 1e-3, "differs from PyTorch by 0.001"), (1, 0.0, "in PyTorch"), (0, np.nan, "by nan"))
    for ids_by, logits_by, sentence in changes:
        broken = formats.Format(right.name, (), right.write, wrong(ids_by, logits_by))
        monkeypatch.setitem(formats.FORMATS, ".pt", broken)
        assert main(["export", checkpoint, str(file), "--words", "8"]) == 1
        error = capsys.readouterr().err
        assert "is not written, the check failed" in error and sentence in error and error.count("\n") == 1
        assert file.read_text() == "an earlier file" and list(tmp_path.iterdir()) == [file]

    def stops(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setitem(formats.FORMATS, ".pt", formats.Format("TorchScript", (), stops, right.load))
    assert main(["export", checkpoint, str(file)]) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_refused(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*argv: str) -> str:
        assert main(["export", *argv]) == 2
        error = capsys.readouterr().err
        assert error.startswith("autostr: error: ") and error.count("\n") == 1
        return error

    assert "one of .onnx (ONNX), .pt2 (torch.export), .pt (TorchScript)" in refused(checkpoint, "m.tflite")
    assert "does not exist: make the folder" in refused(checkpoint, str(tmp_path / "no" / "m.pt"))
    (tmp_path / "folder.pt").mkdir()
    assert "is a folder" in refused(checkpoint, str(tmp_path / "folder.pt"))
    assert "--words: 0 is too few" in refused(checkpoint, str(tmp_path / "m.pt"), "--words", "0")
    assert "no such checkpoint" in refused(str(tmp_path / "no.ckpt"), str(tmp_path / "m.pt"))
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    told = refused(checkpoint, str(tmp_path / "m.onnx"))
    assert "export to ONNX needs onnx and onnxruntime" in told
    assert "-m pip install 'onnx>=1.16' 'onnxruntime>=1.18'" in told


def test_a_charset_that_no_font_draws(tmp_path: Path) -> None:
    recipe = recipe_from(
        {"data": {"train": ["none"], "validation": ["none"], "charset": "\ue123\ue124"}}, tmp_path
    )
    with pytest.raises(InputError, match="no font here draws .* --check"):
        rendered_words(recipe, 3)


def test_modules_are_left_as_they_were(checkpoint: str, tmp_path: Path) -> None:
    """Exporting does not change the net that was loaded."""
    from autostr_nni.export.write import export

    trained = load_trained(checkpoint)
    before = {name: value.clone() for name, value in trained.recognizer.state_dict().items()}
    export(trained, tmp_path / "m.pt", rendered_words(trained.recipe, 3))
    assert isinstance(trained.recognizer, nn.Module) and not trained.recognizer.training
    for name, value in trained.recognizer.state_dict().items():
        assert torch.equal(value, before[name])
