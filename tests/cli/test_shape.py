"""Padding, turned words and other sequences: trained, evaluated, read and exported by the same pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autostr_nni.cli.main import main
from autostr_nni.data.decoding.images import FILL
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.export import formats
from autostr_nni.export.words import rendered_words, words_of_set
from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.reading.evaluation import open_test_set
from autostr_nni.reading.read_files import load_pixels
from tests.cli.test_export import NEEDS, facts_of

MODEL = {
    "image": [24, 40],
    "sequence": [1, 5],
    "strides": [[2, 2], [2, 1], [3, 2]],
    "resize": "pad",
    "vertical": "rotate",
    "rectifier": {"enabled": False},
}


@pytest.fixture(scope="module")
def net(tiny_search: Callable[..., Path], shades: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shape")
    data = {"train": [str(shades / "train")], "validation": [str(shades / "validation")]}
    tiny_search(folder, data=data, model=MODEL, training={"epochs": 1}, search={"path": {"paths": ["AABL."]}})
    arguments = ["train", "AABL.:k3e1,k3e1,k3e1,k3e1,k3e1,k3e1", "--recipe", str(folder / "recipe.yml")]
    assert main([*arguments, "--out", str(folder / "net")]) == 0
    return folder / "net" / "best.ckpt"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow word, a wide one and one that stands upright, as files and as the set `set`."""
    folder = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    samples = []
    for place, size in enumerate(((20, 18), (12, 60), (60, 22))):
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
        samples.append(((folder / f"{place}.png").read_bytes(), "1"))
    write_lmdb(folder / "set", samples)
    return folder


def test_all_see_the_same_pixels(net: Path, words: Path) -> None:
    trained = load_trained(net)
    assert trained.recognizer.backbone.out_channels and trained.space.out_width == 5
    expected = [load_pixels(words / f"{place}.png", trained.recipe.model) for place in range(3)]
    assert expected[0] is not None and (expected[0][:, 22:] == FILL).all()
    assert expected[2] is not None and not (expected[2] == FILL).all((0, 2)).any()  # it lies down
    dataset = open_test_set(trained.recipe, words / "set")
    batch = dataset.batch(range(3)).images.permute(0, 2, 3, 1).numpy()
    dataset.close()
    exported = words_of_set(trained.recipe, words / "set", 3).transpose(0, 2, 3, 1)
    assert np.array_equal(batch, np.stack(expected)) and np.array_equal(exported, batch)  # type: ignore[arg-type]
    assert rendered_words(trained.recipe, 3).shape == (3, 3, 24, 40)


@pytest.mark.parametrize(
    "suffix", [".onnx", pytest.param(".pt2", marks=pytest.mark.slow("torch compiles it")), ".pt"]
)
def test_the_file_reads_what_read_reads(
    net: Path, words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    for package in NEEDS[suffix]:
        pytest.importorskip(package)
    file = tmp_path / f"net{suffix}"
    assert main(["export", str(net), str(file), "--check", str(words / "set")]) == 0
    facts = facts_of(file)
    assert (facts["resize"], facts["vertical"]) == ("pad", "rotate")
    assert "turned by 90 degrees against the clock where at least 1.5 times as tall" in facts["pixels"]
    assert (
        f"with the aspect kept, to image_width where that is wider, the columns to the right filled with "
        f"{FILL}, 0 to 255" in facts["pixels"]
    )
    capsys.readouterr()
    assert main(["read", str(net), str(words), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    images = words_of_set(load_trained(net).recipe, words / "set", 3)
    confidences = formats.FORMATS[suffix].load(file)(images)[1]
    assert [row["confidence"] for row in told] == pytest.approx(confidences.tolist(), abs=1e-4)


def test_it_is_evaluated(net: Path, words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(net), str(words / "set"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sets"]["set"]["words"] == 3
