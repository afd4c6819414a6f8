"""A whole search without NNI that trains tiny nets: two paths, an operator search, the net found."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import recipe_from
from autostr_nni.strategies import build

RECIPE: dict[str, Any] = {
    "data": {
        "train": ["train"],
        "validation": ["validation"],
        "charset": "digits",
        "max_length": 3,
        "workers": 1,
    },
    "model": {
        "image": [32, 32],
        "stem_width": 8,
        "stage_widths": [8] * 5,
        "stage_layers": [2, 1, 1, 1, 1],
        "rectifier": {"enabled": False},
    },
    "training": {"batch_size": 32, "epochs": 1, "epoch_images": 320, "precision": "bf16-mixed"},
    "evaluation": {"learnt_above": 0},
    "search": {
        "path": {"epochs": 1, "epoch_images": 160, "paths": ["AABBB", "ABABB"], "default_operation": "k3e1"},
        "operators": {"warmup_epochs": 1, "epochs": 1, "epoch_images": 160, "devices": 1},
    },
}


def searched(folder: Path) -> str:
    """The net that a search in ``folder`` finds on pictures of numbers that are drawn for it."""
    random = np.random.default_rng(0)
    for name, count in (("train", 400), ("validation", 100)):
        write_lmdb(folder / name, [drawn(str(random.integers(1000))) for _ in range(count)])
    recipe = recipe_from(RECIPE, folder)
    lines: list[str] = []
    found = run_search(build("two-step", recipe), recipe, folder / "search", log=lines.append)
    if not found["best"]:
        raise RuntimeError(f"the search found no net: {found['failure']}")
    return str(found["best"]["architecture"])


def drawn(text: str) -> tuple[bytes, str]:
    """A PNG of the text, and the text."""
    image = Image.new("RGB", (64, 24), "white")
    ImageDraw.Draw(image).text((4, 6), text, fill="black")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue(), text
