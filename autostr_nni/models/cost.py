"""MACs and parameters of a whole recognizer, part by part.

thop walks the modules; its own counts of normalisation, activation and pooling, and of the element-wise work
of recurrent layers, are replaced, so that what remains is the products of convolutions and matrices.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import thop
import torch
from torch import Tensor, nn

from autostr_nni.models.recognizer import Recognizer, input_size
from autostr_nni.models.rectifier import ThinPlateSpline
from autostr_nni.models.translator import AttentionDecoder
from autostr_nni.recipe.model import ModelSection

PARTS = ("rectifier", "backbone", "encoder", "decoder")


@dataclass(frozen=True)
class PartCost:
    """MACs for one image (the decoder's for one word) and learnable parameters of a part."""

    name: str
    macs: int
    params: int


def _add(module: nn.Module, macs: int) -> None:
    module.total_ops += torch.DoubleTensor([macs])  # type: ignore[operator]


def _nothing(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
    _add(module, 0)


def _convolution(module: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> None:
    _add(module, output.numel() * module.in_channels // module.groups * module.weight[0, 0].numel())


def _linear(module: nn.Linear, inputs: tuple[Tensor], output: Tensor) -> None:
    _add(module, output.numel() * module.in_features)


def _lstm(module: nn.LSTM, inputs: tuple[Tensor, ...], output: Any) -> None:
    batch, steps = inputs[0].shape[:2]
    weights = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
    _add(module, batch * steps * weights)


def _gru_cell(module: nn.GRUCell, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    _add(module, len(inputs[0]) * (module.weight_ih.numel() + module.weight_hh.numel()))


def _spline(module: ThinPlateSpline, inputs: tuple[Tensor], output: Tensor) -> None:
    _add(module, len(inputs[0]) * 2 * module.matrix.numel())


RULES = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.LSTM: _lstm,
    nn.GRUCell: _gru_cell,
    ThinPlateSpline: _spline,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6), _nothing),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.Identity, nn.Flatten, nn.Embedding), _nothing),
}


def recognizer_costs(recognizer: Recognizer, model: ModelSection, characters: int = 8) -> list[PartCost]:
    """Cost of rectifier, backbone, encoder and decoder, for a word of so many characters and its end.

    The same as torch's own count of multiplications, which cannot see into the LSTM's fast CPU kernel.
    """
    recognizer = copy.deepcopy(recognizer).cpu().eval()  # thop leaves its counters in what it counts
    if isinstance(recognizer.decoder, AttentionDecoder):  # modules are counted
        recognizer.decoder.forward = recognizer.decoder.plain  # type: ignore[method-assign]
    images = torch.zeros(1, 3, *input_size(model), dtype=torch.uint8)
    targets = torch.zeros(1, characters + 1, dtype=torch.long)
    rules = {type(module): rule for module in recognizer.modules() if (rule := _rule_of(module))}
    counted: dict[str, tuple[float, ...]] = thop.profile(
        recognizer, (images, targets), custom_ops=rules, verbose=False, ret_layer_info=True
    )[2]
    with torch.no_grad():
        features = recognizer.features(images)
    # The weighted sum of features is a function, not a module: once per character.
    attends = isinstance(recognizer.decoder, AttentionDecoder)
    unseen = {"decoder": targets.shape[1] * features[0].numel()} if attends else {}
    return [
        PartCost(
            name,
            round(float(counted[name][0])) + unseen.get(name, 0),
            sum(p.numel() for p in getattr(recognizer, name).parameters()),
        )
        for name in PARTS
    ]


def _rule_of(module: nn.Module) -> Any:
    """The rule of a module's nearest known class: thop looks at exact types only."""
    return next((RULES[kind] for kind in type(module).__mro__ if kind in RULES), None)
