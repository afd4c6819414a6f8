"""A net for reading alone: its BatchNorms are folded into the convolutions before them."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Net = TypeVar("Net", bound=nn.Module)


def folded(whole: Net) -> Net:
    """A copy in evaluation mode that computes the same with one pass over the features less per convolution.

    With fixed statistics a BatchNorm is a factor and an offset per channel, which the convolution's weights
    take in. The net itself, a recognizer or a part of one, stays as it is; its copy cannot be trained.
    """
    net = copy.deepcopy(whole).eval()
    for part in list(net.modules()):
        if not isinstance(part, nn.Sequential):
            continue
        for (place, conv), (after, norm) in pairwise(list(part.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, place, fuse_conv_bn_eval(conv, norm))
                setattr(part, after, nn.Identity())
    for part in net.modules():
        if isinstance(part, nn.RNNBase):
            part.flatten_parameters()  # cuDNN wants the weights in one block, which a copy has not
    return net
