"""The whole recognizer: rectifier, backbone, feature translator; its loss and its reading."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from autostr_nni.models.backbone import Backbone
from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.models.rectifier import Rectifier
from autostr_nni.models.translator import AttentionDecoder, Reading, SequenceEncoder
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace

#: Numbers in the stem's output of as many images as a CPU reads at once: more leave its cache.
AT_ONCE = 2**21


def normalise(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 images ``[B, 3, H, W]`` to floats in [-1, 1], channels last in memory (about 2x faster)."""
    if images.dtype == torch.uint8:
        images = images.to(dtype).sub_(127.5).div_(127.5)
    return images.contiguous(memory_format=torch.channels_last)


class Recognizer(nn.Module):
    """Reads words: images ``[B, 3, h, w]`` (uint8, or floats in [-1, 1]) to characters.

    Args:
        backbone: ``[B, 3, H, W]`` to ``[B, T, C]``; needs ``out_channels``.
        classes: characters and EOS (with CTC: the blank): 95 in the paper.
        model: sizes of rectifier and translator.
        encoder: False leaves the BiLSTM layers out.
    """

    def __init__(self, backbone: nn.Module, classes: int, model: ModelSection, encoder: bool = True) -> None:
        super().__init__()
        r, t = model.rectifier, model.translator
        self.rectifier: nn.Module = nn.Identity()
        if r.enabled:
            self.rectifier = Rectifier(model.image, r.localization, r.points, r.channels, r.features)
        self.backbone = backbone
        self.part = max(8, AT_ONCE // (model.image[0] * model.image[1] * model.stem_width))
        channels = int(backbone.out_channels)  # type: ignore[arg-type]
        self.encoder = SequenceEncoder(channels, t.hidden, t.encoder_layers if encoder else 0)
        width = self.encoder.out_features
        self.decoder: AttentionDecoder | CTCDecoder
        if t.kind == "ctc":
            self.decoder = CTCDecoder(width, classes)
        else:
            self.decoder = AttentionDecoder(width, classes, t.decoder, t.attention, t.embedding)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.decoder.classify.weight.device

    def features(self, images: Tensor) -> Tensor:
        """The encoded feature sequence ``[B, T, features]``."""
        pixels = normalise(images, self.decoder.classify.weight.dtype)
        sequence: Tensor = self.encoder(self.backbone(self.rectifier(pixels)))
        return sequence

    def split(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images as they are read: on a CPU a few at a time, up to 1.4 times as fast, else together."""
        at_once = self.part if images.device.type == "cpu" else len(images)
        return images.tensor_split(max(1, math.ceil(len(images) / max(1, at_once))))

    @torch.no_grad()
    def features_by_parts(self, images: Tensor) -> Tensor:
        """`features` without a graph, of as many images at a time as `split` says."""
        if images.device.type != "cpu":
            return self.features(images)
        return torch.cat([self.features(part) for part in self.split(images)])

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """Logits ``[B, L, classes]`` with targets ``[B, L]`` given; with CTC ``[B, T, classes]``."""
        logits: Tensor = self.decoder(self.features(images), targets)
        return logits

    def loss(self, images: Tensor, targets: Tensor) -> Tensor:
        """The recognition loss of a batch: a scalar, mean over words of the translator's loss."""
        return self.decoder.loss(self(images, targets), targets)

    @torch.no_grad()
    def read(self, images: Tensor, max_length: int, beam: int = 1) -> Reading:
        """Decode greedily, or with a beam of more than 1 (attention alone has one)."""
        features = self.features_by_parts(images)
        if beam > 1 and isinstance(self.decoder, AttentionDecoder):
            return self.decoder.beam(features, max_length, beam)
        return self.decoder.greedy(features, max_length)


def build_recognizer(
    architecture: Architecture, space: SearchSpace, model: ModelSection, classes: int, encoder: bool = True
) -> Recognizer:
    """The recognizer of one architecture. Weights come from torch's global generator: seed it before."""
    return Recognizer(Backbone(architecture, space), classes, model, encoder)


def input_size(model: ModelSection) -> tuple[int, int]:
    """Height and width that images must have before the recognizer: the rectifier's, or the backbone's."""
    return model.rectifier.image if model.rectifier.enabled else model.image
