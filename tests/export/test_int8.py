"""`autostr export --int8`: integers in the backbone alone, as many words as in float32, or no file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.export import formats, int8
from autostr_nni.export.quantizing import Convolutions
from autostr_nni.export.write import NotEqual, texts_at
from autostr_nni.reading.checkpoint import load_trained

CHARSET = Charset.named("lowercase")
RECTIFIER = {
    "enabled": True,
    "image": [32, 48],
    "localization": [8, 16],
    "points": 6,
    "channels": [4, 4],
    "features": 8,
}


@pytest.fixture(autouse=True)
def _short_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "TIMED", {1: 1, 32: 1})


@pytest.fixture(scope="module")
def net(net_with: Callable[..., Any]) -> Any:
    return net_with("ctc")


def export(net: Any, file: Path, *options: object) -> int:
    return main(["export", net.checkpoint, str(file), "--int8", *map(str, options)])


@pytest.mark.slow("trains nets of both translators, and quantizes them")
@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("attention", {"rectifier": RECTIFIER}),
        ("ctc", {"projection_skip": True, "stage_layers": [1, 1, 1, 1, 2]}),
    ],
)
def test_what_is_written(
    net_with: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    model: dict[str, Any],
) -> None:
    pytest.importorskip("onnxruntime")
    net, file = net_with(kind, 120, **model), tmp_path / "net.onnx"
    options = ("--calibrate", net.words, "--check", net.words, "--max-drop", 5)
    assert export(net, file, *options, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(tmp_path.iterdir()) == [file]
    assert told["float32"]["word_accuracy"] > 0.9 and told["drop"] <= 5
    assert told["calibration"] == {"set": str(net.words), "words": 64, "undecodable": 0}
    assert [row["batch"] for row in told["latency"]] == [1, 32] and told["threads"] == 1
    check_nodes(file, told, load_trained(net.checkpoint).recognizer)
    check_reading(net.words, file, told)
    assert export(net, file, *options) == 0
    said = capsys.readouterr().out
    assert "recognizer as ONNX in int8" in said and re.search(r"^word accuracy +\d", said, re.M)


def check_nodes(file: Path, told: Mapping[str, Any], recognizer: torch.nn.Module) -> None:
    """Every convolution of a block takes and gives integers, and nothing else of the net does."""
    import onnx

    model = onnx.load(file)
    nodes = model.graph.node
    integers = {output for node in nodes if node.op_type == "DequantizeLinear" for output in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    quantized = [node for node in convolutions if set(node.input[:2]) <= integers]
    blocks = [m for m in recognizer.backbone.blocks.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(quantized) == len(blocks) == told["convolutions"]["quantized"]
    assert len(convolutions) == told["convolutions"]["all"] > len(quantized)
    scales = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    per_channel = [next(n for n in nodes if node.input[1] in n.output).input[1] for node in quantized]
    assert all(len(scales[name]) == 1 for name in per_channel)
    others = [n for n in nodes if n.op_type in ("LSTM", "Gemm", "MatMul", "GridSample", "MaxPool")]
    assert others and not [n.name for n in others if set(n.input) & integers and n.op_type != "LSTM"]
    assert not [n for n in nodes if n.op_type == "BatchNormalization" and "backbone" in n.name]
    assert {p.key: p.value for p in model.metadata_props} == told["about"]
    assert told["about"]["precision"] == "int8" and told["bytes"] == file.stat().st_size


def check_reading(words: Path, file: Path, told: Mapping[str, Any]) -> None:
    """A program that has the file alone reads as many words as was told, alone as in batches."""
    facts = told["about"]
    size = int(facts["image_height"]), int(facts["image_width"])
    dataset = WordDataset(words, CHARSET, 3, size)
    batch = dataset.batch(range(len(dataset)))
    dataset.close()
    images = np.ascontiguousarray(batch.images.numpy())
    run = formats.load_onnx(file)
    texts = texts_at(CHARSET, run, images, 1)
    assert texts == texts_at(CHARSET, run, images, 5) == texts_at(CHARSET, run, images, 64)
    right = sum(text == truth for text, truth in zip(texts, batch.texts, strict=True))
    assert told["int8"]["correct"] == right > 50


@pytest.fixture
def faked(net: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``faked(3)``: float32 reads every word, and int8 all but three of them."""
    truths: dict[bytes, str] = {}
    dataset = WordDataset(net.words, CHARSET, 3, (32, 32))
    batch = dataset.batch(range(len(dataset)))
    dataset.close()
    for image, text in zip(batch.images.numpy(), batch.texts, strict=True):
        truths[image.tobytes()] = text

    def reading(wrong: int) -> formats.Run:
        bad = list(truths)[:wrong]

        def run(images: np.ndarray) -> list[np.ndarray]:
            texts = [("z" if image.tobytes() in bad else truths[image.tobytes()]) for image in images]
            ids = [[*CHARSET.encode(text), 36, 36, 36][:4] for text in texts]
            return [np.array(ids)]

        return run

    def fake(wrong: int, before: int = 0) -> None:
        def quantize(
            source: Path, target: Path, images: np.ndarray, about: Mapping[str, str]
        ) -> Convolutions:
            assert images.shape == (64, 3, 32, 32) and about["precision"] == "int8"
            target.write_bytes(source.read_bytes()[:7])
            return Convolutions(9, 8)

        def load(path: Path) -> formats.Run:
            return reading(before if path.name == "float32.onnx" else wrong)

        monkeypatch.setattr(int8, "export", lambda trained, file, images: file.write_bytes(b"0123456789"))
        monkeypatch.setattr(int8, "quantize", quantize)
        monkeypatch.setattr(int8, "load_onnx", load)
        monkeypatch.setattr(formats, "find_spec", lambda name: object())

    return fake


def test_refused_above_the_drop_that_is_allowed(
    net: Any, faked: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.onnx"
    options = ("--calibrate", net.words, "--check", net.words)
    faked(16)
    file.write_text("an earlier file")
    assert export(net, file, *options) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{file} is not written" in error
    assert f"in int8 it reads 75.00 % of the 64 words of {net.words}, in float32 100.00 %" in error
    assert "25.00 points less and --max-drop is 1" in error
    assert file.read_text() == "an earlier file" and list(tmp_path.iterdir()) == [file]
    assert export(net, file, *options, "--max-drop", 24.9) == 1
    capsys.readouterr()
    assert export(net, file, *options, "--max-drop", 25, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["float32"]["correct"], told["int8"]["correct"], told["drop"]) == (64, 48, 25)
    assert (told["float32_bytes"], told["bytes"]) == (10, 7) and file.read_bytes() == b"0123456"


def test_refused_where_float32_reads_nothing(
    net: Any, faked: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No loss could be seen."""
    faked(64, 64)
    options = ("--calibrate", net.words, "--check", net.words)
    assert export(net, tmp_path / "net.onnx", *options) == 1
    error = capsys.readouterr().err
    assert "in float32 it reads none of the words of" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
    assert export(net, tmp_path / "net.onnx", *options, "--max-drop", 100) == 0


def test_what_is_printed(
    net: Any, faked: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both precisions side by side; without --check the words that chose the net."""
    faked(0)
    trained = load_trained(net.checkpoint)
    (own,) = trained.recipe.data.validation
    assert export(net, tmp_path / "net.onnx", "--calibrate", net.words, "--check", net.words) == 0
    said = capsys.readouterr().out
    assert "8 of its 9 convolutions are in int8, calibrated on 64 words of" in said
    assert re.search(r"timed with onnxruntime on \d+ CPU threads?:", said)
    rows = dict(re.findall(r"^(\w.*?)   +(\S.*)$", said, re.M))
    assert rows["word accuracy"].split() == ["100.00", "%", "100.00", "%"]
    assert {"words read right", "ms, 1 word", "ms, 32 words", "MB"} <= rows.keys()
    words = int8.checked_words(trained.recipe, None)
    words.close()
    assert words.folders == [own.set.resolve()]


def test_a_word_that_is_read_otherwise_in_a_batch(net: Any) -> None:
    recipe = load_trained(net.checkpoint).recipe
    images = np.zeros((9, 3, 32, 32), np.uint8)

    def run(images: np.ndarray) -> list[np.ndarray]:
        ids = np.full((len(images), 4), 36)
        ids[:, 0] = 1 if len(images) == 7 else 2
        return [ids]

    with pytest.raises(NotEqual, match="word 1 reads '1' at batch 7, '2' alone"):
        int8.check_alone(recipe, run, images)
    int8.check_alone(recipe, lambda images: [np.full((len(images), 4), 36)], images)


def test_options_that_do_not_go_together(
    net: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "net.onnx"

    def refused(*argv: object) -> str:
        assert main(["export", net.checkpoint, *map(str, argv)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("autostr: error: ") and error.count("\n") == 1
        return error

    calibrate = ("--calibrate", net.words)
    assert "--int8 needs --calibrate LMDB" in refused(file, "--int8")
    assert "--calibrate goes with --int8" in refused(file, *calibrate)
    assert "--max-drop goes with --int8" in refused(file, "--max-drop", 2)
    assert "is not ONNX" in refused(tmp_path / "net.pt", "--int8", *calibrate)
    assert "leave --front out" in refused(file, "--int8", *calibrate, "--front")
    assert "leave --part out" in refused(file, "--int8", *calibrate, "--part", "encoder")
    assert "--max-drop: -1 is not between" in refused(file, "--int8", *calibrate, "--max-drop=-1")
    assert "--max-drop: nan is not between" in refused(file, "--int8", *calibrate, "--max-drop", "nan")
    assert f"{tmp_path / 'none'} does not exist" in refused(file, "--int8", "--calibrate", tmp_path / "none")
    gone = refused(file, "--int8", *calibrate, "--check", tmp_path / "none")
    assert f"{tmp_path / 'none'} does not exist" in gone
    assert list(tmp_path.iterdir()) == []
