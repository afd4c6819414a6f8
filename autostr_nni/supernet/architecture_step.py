"""The gradient of the architecture parameters (paper Eq. 4 and 5), on our own supernet step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.supernet import Supernet


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Weights take no gradient and BatchNorm's running statistics stay as they are.

    BatchNorm still normalises by the batch in training mode, as it does in the weight steps around.
    """
    weights = [p for p in network.parameters() if p.requires_grad]
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for weight in weights:
        weight.requires_grad_(False)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
        for norm in norms:
            norm.track_running_stats = True


def choice_gradient(products: Tensor, probabilities: Tensor) -> Tensor:
    """Eq. 5: ``sum_j products_j p_j (delta_ij - p_i)`` for every i; all vectors ``[C]``."""
    weighted = products * probabilities
    return weighted - probabilities * weighted.sum()


def architecture_step(
    network: nn.Module,
    supernet: Supernet,
    parameters: ArchitectureParameters,
    loss: Callable[[], Tensor],
    g: float,
    beta: float,
    backward: Callable[[Tensor], None] = torch.Tensor.backward,
    summed: Callable[[Tensor], Tensor] | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Leave the gradient of ``r(alpha) * L_rec`` (Eq. 4) in the architecture parameters.

    The supernet's active operations must be drawn before: draw, forward, backward, in this order. One
    operation per block is in the graph; the product rule gives ``r * dL_rec/dalpha`` (Eq. 5) plus
    ``L_rec * dr/dalpha`` (exact). Weights get no gradient and no statistics change.

    Args:
        network: the whole recognizer around ``supernet``.
        loss: runs the network on a batch of D_val and returns L_rec, a scalar.
        summed: where several processes have parts of the batch and each part's share of L_rec, the sum of a
            tensor over them. All then have the gradient of the whole batch.
        scale: what ``backward`` multiplies the loss by, for float16. The gradient is left so many times as
            large, as those of weights are.

    Returns:
        L_rec, detached.
    """
    with frozen(network):
        supernet.probe(True)
        try:
            recognition = loss()
            backward(recognition)
            products = [block.products for block in supernet.choice_blocks]
        finally:
            supernet.probe(False)
    recognition = recognition.detach()
    if summed is not None:
        recognition, products = _joint(recognition, products, summed)
    regulariser = parameters.regulariser(g, beta)
    slopes = torch.autograd.grad(regulariser, list(parameters.alphas))
    with torch.no_grad():
        layers = zip(parameters.alphas, products, parameters.probabilities(), slopes, strict=True)
        for alpha, product, p, slope in layers:
            assert product is not None, "the loss did not run the supernet"
            eq5 = choice_gradient(product.to(p), p)
            alpha.grad = regulariser.detach() * eq5 + recognition.to(p) * slope * scale
    return recognition


def _joint(
    recognition: Tensor, products: list[Tensor | None], summed: Callable[[Tensor], Tensor]
) -> tuple[Tensor, list[Tensor | None]]:
    """L_rec and Eq. 5's products of the joint batch: both are sums over its words. One message."""
    there = [product for product in products if product is not None]
    total = summed(torch.cat([recognition.reshape(1).to(there[0]), *there]))
    return total[0], list(torch.split(total[1:], [len(product) for product in there]))
