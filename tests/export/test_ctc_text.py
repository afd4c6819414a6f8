"""An exported net with CTC reads as the net does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.export.formats import FORMATS
from autostr_nni.export.words import rendered_words
from autostr_nni.reading.checkpoint import load_trained


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
    reading = trained.recognizer.read(torch.from_numpy(images), trained.recipe.data.max_length)
    assert texts == [charset.decode(ids) for ids in reading.ids.tolist()]
    assert len(set(texts)) > 20 and set(map(len, texts)) == {0, 1, 2, 3}
