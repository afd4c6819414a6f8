"""An exported net with CTC reads as the net does."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.data.sets.usable import EVALUATED_LENGTH
from autostr_nni.export.formats import FORMATS
from autostr_nni.export.words import rendered_words
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.reading.checkpoint import load_trained, save_trained
from autostr_nni.reading.evaluation import evaluate, open_test_set
from autostr_nni.reading.read_files import read_files
from tests.export.conftest import png


@pytest.mark.slow("trains a net and reads a thousand words")
def test_a_thousand_words_read_alike_in_onnx(
    net_with: Callable[..., tuple[str, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    file, (checkpoint, _) = tmp_path / "net.onnx", net_with("ctc", 60)
    assert main(["export", checkpoint, str(file), "--words", "1000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {row["words"] for row in told["comparisons"]} == {1000}
    trained = load_trained(checkpoint)
    images, charset = rendered_words(trained.recipe, 1000, seed=9), Charset.named("lowercase")
    run = FORMATS[".onnx"].load(file)
    texts = [charset.decode(ids.tolist()) for part in np.split(images, 20) for ids in run(part)[0]]
    reading = trained.recognizer.read(torch.from_numpy(images), trained.longest)
    assert texts == [charset.decode(ids) for ids in reading.ids.tolist()]
    assert len(set(texts)) > 20 and set(map(len, texts)) >= {0, 1, 2, 3}


def test_words_longer_than_those_of_the_training_are_read_as_in_an_evaluation(
    net_with: Callable[..., tuple[str, Path]], tmp_path: Path
) -> None:
    """A net of a recipe for up to three characters that tells some of more."""
    checkpoint, words = net_with("ctc", 0)
    trained = load_trained(checkpoint)
    with closing(open_test_set(trained.recipe, words)) as dataset:
        images = dataset.batch(range(len(dataset))).images
        tell_apart(trained.recognizer, images)
        save_trained(tmp_path / "net.ckpt", trained)
        evaluated = [text for text, _ in evaluate(trained, dataset)[1].pairs]
    assert max(map(len, evaluated)) > trained.recipe.data.max_length == 3

    images = images.numpy()
    files = [tmp_path / f"{number}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(png(image))
    assert [found[0] for _, found in read_files(trained, files) if found] == evaluated

    assert main(["export", str(tmp_path / "net.ckpt"), str(tmp_path / "net.pt")]) == 0
    ids = FORMATS[".pt"].load(tmp_path / "net.pt")(images)[0]
    assert ids.shape == (len(images), EVALUATED_LENGTH + 1)
    assert [Charset.named("lowercase").decode(row) for row in ids.tolist()] == evaluated


@torch.no_grad()
def tell_apart(recognizer: Recognizer, images: torch.Tensor) -> None:
    """Give a net a classifier that tells other characters at other places of an image."""
    features = recognizer.features(images).flatten(0, 1)
    classifier = recognizer.decoder.classify
    torch.nn.init.normal_(classifier.weight)
    classifier.bias.copy_(-classifier.weight @ features.mean(0))
