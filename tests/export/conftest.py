"""Small nets that have learnt a few pictures by heart, with sets of these."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from autostr_nni.data.charset import Charset
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.models.recognizer import Recognizer, build_recognizer, input_size
from autostr_nni.reading.checkpoint import Trained, save_trained
from autostr_nni.recipe import load_recipe

TEXTS = ("a1", "bb", "c", "d2e", "99", "xyz", "k", "7q")
SIZES = {"encoder_layers": 1, "hidden": 16, "decoder": 32, "attention": 16, "embedding": 8}


class Known(NamedTuple):
    """A checkpoint, and a set of words as it knows them."""

    checkpoint: str
    words: Path


@pytest.fixture(scope="session")
def net_with(
    tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Known]:
    """``net_with("ctc", steps=60)``: a net of that translator, trained for so many steps."""

    def make(kind: str, steps: int = 0, **model: Any) -> Known:
        folder = tmp_path_factory.mktemp(kind)
        data = {"charset": "lowercase", "max_length": 3}
        tiny_search(folder, data=data, model={"translator": {**SIZES, "kind": kind}, **model})
        recipe = load_recipe(folder / "recipe.yml")
        space = recipe.space()
        architecture = space.default_architecture(space.typical_paths()[1], "k5e3")
        torch.manual_seed(0)
        charset = Charset.named("lowercase")
        net = build_recognizer(architecture, space, recipe.model, charset.classes)
        rng = np.random.default_rng(0)
        coarse = rng.integers(40, 216, (len(TEXTS), 3, 4, 6))
        height, width = input_size(recipe.model)
        pictures = coarse.repeat(height // 4, 2).repeat(-(-width // 6), 3)[..., :width]
        images = pictures.repeat(8, 0) + rng.integers(-30, 31, (8 * len(TEXTS), 3, height, width))
        texts = [text for text in TEXTS for _ in range(8)]
        learn(net, torch.from_numpy(images.astype(np.uint8)), texts, charset, steps)
        save_trained(folder / "best.ckpt", Trained(net.eval(), recipe, architecture, space, {}))
        pngs = [png(image) for image in images.astype(np.uint8)]
        write_lmdb(folder / "words", zip(pngs, texts, strict=True))
        return Known(str(folder / "best.ckpt"), folder / "words")

    return make


def learn(net: Recognizer, images: torch.Tensor, texts: list[str], charset: Charset, steps: int) -> None:
    """Teach a net words by heart."""
    targets = torch.full((len(texts), 4), -100)
    for row, text in enumerate(texts):
        ids = charset.encode(text)
        targets[row, : len(ids)] = torch.tensor(ids)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(steps):
        some = torch.arange(step % 2, len(texts), 2)
        optimizer.zero_grad()
        net.train().loss(images[some], targets[some]).backward()
        optimizer.step()


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, "PNG")
    return buffer.getvalue()
