"""BatchNorm statistics of one net of a supernet, taken afresh: those of nets that take turns are no net's."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from autostr_nni.models.recognizer import Recognizer


@torch.no_grad()
def recalibrate(recognizer: Recognizer, batches: Iterable[Tensor]) -> int:
    """Give every BatchNorm that the images pass the mean of the batches' statistics.

    Args:
        recognizer: around the net that is active; left in evaluation mode.
        batches: images ``[B, 3, h, w]`` of D_tra.

    Returns:
        The number of images.
    """
    norms = [module for module in recognizer.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    images = 0
    for norm in norms:
        norm.reset_running_stats()
    recognizer.train()
    try:
        for place, batch in enumerate(batches):
            for norm in norms:
                norm.momentum = 1 / (place + 1)
            recognizer.features(batch.to(recognizer.device))
            images += len(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        recognizer.eval()
    return images
