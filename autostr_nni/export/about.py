"""What an exported file tells of itself. Light: no torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autostr_nni import __version__

if TYPE_CHECKING:
    from autostr_nni.reading.checkpoint import Trained
    from autostr_nni.recipe import ModelSection

PARTS = ("recognizer", "encoder")
#: Name of the file inside a .pt2 or .pt archive that holds the metadata as JSON; ONNX has its own place.
EXTRA_FILE = "autostr.json"
INPUT = "images"
OUTPUTS = {"recognizer": ("ids", "confidence", "logits"), "encoder": ("features",)}


def pixels_told(model: ModelSection) -> str:
    """How a program has to make the images that the file takes."""
    from autostr_nni.data.decoding.images import FILL, TALL

    turned = ""
    if model.vertical == "rotate":
        turned = f"turned by 90 degrees against the clock where at least {TALL} times as tall as wide, "
    if model.resize == "stretch":
        return f"uint8 RGB, turned as its EXIF says, {turned}resized to image_height x image_width, 0 to 255"
    return (
        f"uint8 RGB, turned as its EXIF says, {turned}resized to image_height with the aspect kept, to "
        f"image_width where that is wider, the columns to the right filled with {FILL}, 0 to 255"
    )


def about(trained: Trained, part: str) -> dict[str, str]:
    """Metadata, text by key: all that a program needs beside the file itself."""
    from autostr_nni.data.charset import Charset
    from autostr_nni.models.recognizer import input_size

    charset = Charset.named(trained.recipe.data.charset)
    height, width = input_size(trained.recipe.model)
    return {
        "producer": f"autostr_nni {__version__}",
        "part": part,
        "charset": charset.characters,
        "fold_case": json.dumps(charset.fold_case),
        "end": str(charset.eos),
        "max_length": str(trained.longest),
        "image_height": str(height),
        "image_width": str(width),
        "pixels": pixels_told(trained.recipe.model),
        "resize": trained.recipe.model.resize,
        "vertical": trained.recipe.model.vertical,
        "architecture": trained.architecture.text,
    }
