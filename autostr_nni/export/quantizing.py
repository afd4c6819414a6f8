"""An ONNX recognizer with the convolutions of its backbone in 8-bit integers, by onnxruntime.

Weights have a scale per output channel, activations one per tensor, which the words of the calibration fix: a
word's integers do not depend on the words beside it. Left in float32 are the stem, which sees the pixels; the
rectifier, where a control point that is off moves every pixel; and the encoder and the decoder with its
classifier: they are few multiplications, and a decoder goes on from what it has rounded.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autostr_nni.export.about import INPUT

#: What is quantized of the backbone's blocks: an activation becomes the range of what is before it.
KINDS = ("Conv", "Clip", "Relu", "Add", "AveragePool", "Slice")
_AT_ONCE = 32  # words of a batch of the calibration


@dataclass(frozen=True)
class Convolutions:
    """How many convolutions a file has, and how many of them are in integers."""

    all: int
    quantized: int


class _Words:
    """The words of a calibration, batch by batch, as onnxruntime asks for them."""

    def __init__(self, images: np.ndarray) -> None:
        starts = range(0, len(images), _AT_ONCE)
        self._batches = iter([images[start : start + _AT_ONCE] for start in starts])

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantize(source: Path, target: Path, images: np.ndarray, about: Mapping[str, str]) -> Convolutions:
    """Write ``target``: ``source``, a recognizer by `write_onnx`, quantized.

    Weights get 7 of the 8 bits: with all of them the sums overflow on x86 processors without VNNI, and a
    file would read otherwise there than here.

    Args:
        images: uint8 ``[N, 3, h, w]`` of words, whose smallest and largest values fix the scales.
        about: metadata of the file.

    Raises:
        RuntimeError: the file's nodes do not have the names by which the backbone is known.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="autostr-int8-") as folder, _silent():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        chosen = [node for node in nodes if node.op_type in KINDS and in_blocks(node.name)]
        convolutions = [node for node in nodes if node.op_type == "Conv"]
        if not any(node.op_type == "Conv" for node in chosen):
            raise RuntimeError(f"no convolution of the backbone among {[n.name for n in convolutions]}")
        quantize_static(
            str(prepared),
            str(target),
            _Words(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(KINDS),
            nodes_to_quantize=[node.name for node in chosen],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        model: Any = onnx.load(target)
        onnx.helper.set_model_props(model, dict(about))
        onnx.save(model, target)
    return Convolutions(len(convolutions), sum(node.op_type == "Conv" for node in chosen))


def in_blocks(name: str) -> bool:
    """Whether a node, by the modules that its name tells, is of one of the backbone's blocks."""
    return "/backbone/blocks" in name


@contextmanager
def _silent() -> Iterator[None]:
    """Leave out onnxruntime's remarks to its own developers."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
