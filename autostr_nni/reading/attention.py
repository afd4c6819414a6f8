"""What a recognizer sees while it reads an image: the rectified image, and where it looked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from autostr_nni.data.charset import Charset
from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.models.recognizer import normalise
from autostr_nni.models.rectifier import Rectifier
from autostr_nni.models.traceable import UnrolledReader
from autostr_nni.reading.checkpoint import Trained
from autostr_nni.reading.read_files import load_pixels


@dataclass(frozen=True)
class Sight:
    """One image, read greedily; n characters, T steps of the sequence."""

    text: str
    confidence: float
    image: np.ndarray  #: uint8 [h, w, 3], what goes in
    rectified: np.ndarray  #: uint8 [H, W, 3], what the backbone sees
    points: np.ndarray | None  #: [points, 2], control points (x, y) in the image, 0 to 1; None: no rectifier
    attention: np.ndarray  #: [n, T], sums to 1 over T
    probabilities: np.ndarray  #: [n], of each character

    def __post_init__(self) -> None:
        assert len(self.attention) == len(self.probabilities) == len(self.text)


@torch.no_grad()
def look(trained: Trained, file: Path) -> Sight | None:
    """Read an image file and keep what was seen; None for a file that is no readable image."""
    pixels = load_pixels(file, trained.recipe.model)
    if pixels is None:
        return None
    recognizer = trained.recognizer
    images = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    images = images.to(recognizer.device)
    inside = normalise(images)
    points = None
    if isinstance(recognizer.rectifier, Rectifier):
        points = recognizer.rectifier.control_points(inside)[0].cpu().numpy()
    rectified = (recognizer.rectifier(inside)[0].permute(1, 2, 0) * 127.5 + 127.5).round().clamp(0, 255)
    reading = UnrolledReader(recognizer, trained.longest)(images)
    text = "".join(Charset.named(trained.recipe.data.charset).letters(reading.ids[0].tolist()))
    length = len(text)
    logits, attention = reading.logits[0], reading.attention[0, :length].float()
    if isinstance(recognizer.decoder, CTCDecoder):  # its logits are by step of the sequence
        logits = logits[attention.argmax(-1)]
    return Sight(
        text=text,
        confidence=float(reading.confidence[0]),
        image=pixels,
        rectified=rectified.to(torch.uint8).cpu().numpy(),
        points=points,
        attention=attention.cpu().numpy(),
        probabilities=logits[:length].softmax(-1).amax(-1).cpu().numpy(),
    )
