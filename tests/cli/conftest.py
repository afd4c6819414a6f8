"""Words that a net of 8 channels learns in seconds, and such a net."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from autostr_nni.cli.main import main
from autostr_nni.data.sets.lmdb_write import write_lmdb

SHADES = {"1": (0, 150), "22": (105, 255)}  # a word's picture is of one shade; the mid ones may be either
ARCHITECTURE = "ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1"


def shade(word: str, rng: random.Random) -> bytes:
    """The picture of a word."""
    buffer = io.BytesIO()
    Image.new("RGB", (rng.randrange(20, 60), 20), (rng.randint(*SHADES[word]),) * 3).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the sets train, validation, test and mixed; the last has samples that are of no use."""
    folder = tmp_path_factory.mktemp("shades")
    rng = random.Random(0)
    for name, count in (("train", 64), ("validation", 20), ("test", 30)):
        words = rng.choices(list(SHADES), k=count)
        write_lmdb(folder / name, [(shade(word, rng), word) for word in words])
    good = [(shade(word, rng), word) for word in SHADES]
    useless = [(b"no image", "1"), (b"neither", "22"), (good[0][0], ""), (good[0][0], "abc")]
    write_lmdb(folder / "mixed", [*good, *useless, (good[0][0], "123")])
    return folder


@pytest.fixture(scope="session")
def shade_recipe(tiny_search: Callable[..., Path], shades: Path) -> Callable[..., str]:
    """Writes the recipe of the shades into a folder, and returns its path."""

    def write(folder: Path, train: str = "train") -> str:
        data = {name: [str(shades / name)] for name in (train, "validation")}
        data["train"] = data.pop(train)
        training = {"epochs": 3, "epoch_images": 96, "optimizer": {"name": "adam", "lr": 0.02}}
        data = {**data, "test": {"shades": str(shades / "test")}}
        tiny_search(folder, data=data, training=training, search={"random": {"count": 2}})
        return str(folder / "recipe.yml")

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, shade_recipe: Callable[..., str]) -> Path:
    """The folder of a net that was trained to read shades."""
    folder = tmp_path_factory.mktemp("trained")
    out = str(folder / "net")
    assert main(["train", ARCHITECTURE, "--recipe", shade_recipe(folder), "--out", out, "--json"]) == 0
    return folder / "net"
