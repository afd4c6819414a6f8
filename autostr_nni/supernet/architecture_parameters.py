"""Architecture parameters: probabilities of operations, the FLOPs regulariser, and draws (Eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autostr_nni.search_spaces.counting import MACS, Price
from autostr_nni.supernet.budget import draw_within


class ArchitectureParameters(nn.Module):
    """One vector of parameters per choice block, and what its candidates cost.

    Args:
        costs: MACs, or what else ``price`` counts, of every candidate of every layer.
        fixed: the same of what is not searched (the stem); part of the expected total, not of Eq. 3's sum.
        init: parameters start uniformly in +-init, drawn from ``generator``.
    """

    def __init__(
        self,
        costs: Sequence[Sequence[int]],
        fixed: int = 0,
        init: float = 1e-3,
        generator: torch.Generator | None = None,
        price: Price = MACS,
    ) -> None:
        super().__init__()
        self.costs = [tuple(layer) for layer in costs]
        self.fixed, self.price = fixed, price
        self.alphas = nn.ParameterList(
            nn.Parameter((torch.rand(len(layer), generator=generator) * 2 - 1) * init) for layer in costs
        )

    def probabilities(self) -> list[Tensor]:
        """Softmax over each layer's parameters, ``[C]`` each."""
        return [torch.softmax(alpha, 0) for alpha in self.alphas]

    def draw(self, generator: torch.Generator, uniform: bool = False, budget: int | None = None) -> list[int]:
        """One candidate per layer, by its probability or, for the warm-up, uniformly.

        With ``budget``, what the whole backbone may cost, the draw is one of those within it, with the
        probabilities that they have among themselves.
        """
        weights = [torch.ones_like(a) if uniform else torch.softmax(a, 0) for a in self.alphas]
        drawn = [int(torch.multinomial(w.detach().cpu(), 1, generator=generator)) for w in weights]
        if budget is None or self.total(drawn) <= budget:
            return drawn

        def choose(chances: Sequence[float]) -> int:
            return int(torch.multinomial(torch.tensor(chances, dtype=torch.float64), 1, generator=generator))

        log_p = [[0.0] * len(layer) for layer in self.costs] if uniform else self.log_probabilities()
        return draw_within(log_p, self.costs, budget - self.fixed, choose, self.price)

    def log_probabilities(self) -> list[list[float]]:
        """Logarithms of `probabilities`, in double precision."""
        return [torch.log_softmax(alpha.detach().cpu().double(), 0).tolist() for alpha in self.alphas]

    def expected_of_blocks(self) -> Tensor:
        """Expected cost of the choice blocks: sum over layers and candidates of cost times probability."""
        terms = [
            (p * torch.tensor(layer, dtype=p.dtype, device=p.device)).sum()
            for p, layer in zip(self.probabilities(), self.costs, strict=True)
        ]
        return torch.stack(terms).sum()

    def regulariser(self, g: float, beta: float) -> Tensor:
        """r of Eq. 3: ``(log(expected cost) / log G) ** beta``; a scalar with gradient to the parameters.

        The sum of Eq. 3 is over the choice blocks; ``g`` is in what costs are counted in
        (the paper: MACs, of 450e6).
        """
        ratio = torch.log(self.expected_of_blocks()) / math.log(g)
        return ratio**beta

    def expected(self) -> float:
        """Expected cost of the whole backbone."""
        return float(self.expected_of_blocks().detach()) + self.fixed

    def entropy(self) -> float:
        """Mean entropy of the layers' probabilities, in nats."""
        values = [-(p * torch.log(p)).sum() for p in self.probabilities()]
        return float(torch.stack(values).mean().detach())

    def most_probable(self) -> list[int]:
        """The argmax architecture: index of the most probable candidate of every layer."""
        return [int(alpha.argmax()) for alpha in self.alphas]

    def log_probability(self, indices: Sequence[int]) -> float:
        """Log probability of drawing this architecture."""
        terms = [torch.log(p[i]) for p, i in zip(self.probabilities(), indices, strict=True)]
        return float(torch.stack(terms).sum().detach())

    def total(self, indices: Sequence[int]) -> int:
        """Cost of the whole backbone with these candidates."""
        return self.fixed + sum(layer[i] for layer, i in zip(self.costs, indices, strict=True))
