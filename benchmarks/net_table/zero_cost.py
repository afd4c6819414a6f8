"""Zero-cost proxies of the nets of the table: figures of one batch before any training.

Both after Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS" (ICLR 2021), where they are defined for
classifiers. Nets begin with the weights that their training began with.
"""

from __future__ import annotations

import math
from functools import cache

import torch

from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.search_spaces.architecture import Architecture
from benchmarks.net_table.training import recipe, words

BATCH = 64  # images of the training set, the same for all nets


def _net(architecture: str, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    options, space = recipe(), recipe().space()
    classes = words("train")[3].charset.classes
    return build_recognizer(Architecture.parse(architecture, space), space, options.model, classes)


@cache
def gradient_norm(architecture: str, seed: int) -> float:
    """Log of the norm of the loss's gradient in all weights, in training mode."""
    images, targets, *_ = words("train")
    net = _net(architecture, seed).train()
    net.loss(images[:BATCH], targets[:BATCH]).backward()
    return math.log(sum(float(weight.grad.square().sum()) for weight in net.parameters()) ** 0.5)


@cache
def synaptic_flow(architecture: str, seed: int) -> float:
    """Log of SynFlow of the backbone: weights times their gradients, weights positive, an image of ones.

    BatchNorm in evaluation mode, where its first statistics leave values as they are.
    """
    net = _net(architecture, seed).eval().double()
    backbone = net.backbone
    with torch.no_grad():
        for weight in backbone.parameters():
            weight.abs_()
    images, *_ = words("train")
    out = backbone(torch.ones(1, *images.shape[1:], dtype=torch.float64))
    out.sum().backward()
    flow = sum(float((weight * weight.grad).detach().sum()) for weight in backbone.parameters())
    return math.log(flow)
