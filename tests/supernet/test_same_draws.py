"""Searches that count MACs find what they found before a search could count anything else: the same draws."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS
from autostr_nni.strategies import build
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.budget import draw_within
from autostr_nni.supernet.derivation import derive
from autostr_nni.supernet.evolution import Ranked, next_net
from autostr_nni.supernet.fair_draws import FairDraws

BUDGET_M = 180.0


def recipe(**search: Any) -> Recipe:
    operators = {"operators": {"budget_m": BUDGET_M}}
    content = {"data": {"train": ["a"], "validation": ["b"]}, "seed": 3, "search": {**operators, **search}}
    return recipe_from(content, Path("/"))


def nets(strategy: Any, space: Any) -> list[str]:
    """The nets of a search whose losses are made up, in their order."""
    while not strategy.finished:
        for proposal in strategy.suggest():
            net = Architecture.from_parameters(proposal.parameters, space)
            loss = sum(name.startswith("k5") for name in net.operations) + len(net.text) / 100
            strategy.observe(proposal.id, {"loss": loss, "default": 0.5})
    return [Architecture.from_parameters(trial.parameters, space).text for trial in strategy.trials]


def drawn_by(name: str, **search: Any) -> list[str]:
    made = recipe(**search)
    return nets(build(name, made), made.space())


def supernet_draws() -> list[str]:
    draws = FairDraws(recipe().space(), 3, round(BUDGET_M * 1e6), 10, 40)
    return [draws.at(step).text for step in range(60)]


def ranked() -> list[str]:
    space, found = recipe().space(), []
    while len(found) < 40:
        net = next_net(space, found, 3, (60_000_000, round(BUDGET_M * 1e6)), 15)
        assert net is not None
        found.append(Ranked(net, float(len(net.text))))
    return [one.net.text for one in found]


def derived() -> list[str]:
    space = recipe().space()
    path = space.typical_paths()[1]
    macs = [list(layer.values()) for layer in MACS.table(path, space)]
    rng, found = random.Random(3), []
    for _ in range(20):
        arch = ArchitectureParameters(macs, MACS.fixed(space))
        with torch.no_grad():
            for alpha, layer in zip(arch.alphas, macs, strict=True):
                alpha.copy_(torch.tensor([rng.gauss(0, 2) + 2 * m / max(layer) for m in layer]))
        found.append(derive(arch, round(BUDGET_M * 1e6)))
        room = round(BUDGET_M * 1e6) - MACS.fixed(space)
        found.append(
            draw_within(
                arch.log_probabilities(),
                macs,
                room,
                lambda weights: rng.choices(range(len(weights)), [round(weight, 6) for weight in weights])[0],
            )
        )
    return [str(indices) for indices in found]


def digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


BAND = {"count": 12, "min_m": 90, "largest": True}
KNOWN = {
    "random": (lambda: drawn_by("random", random=BAND), "0ad2df0f6e4cc80b"),
    "typical": (lambda: drawn_by("random", random={**BAND, "paths": "typical"}), "5d4d900b1e0be82e"),
    "halving": (
        lambda: drawn_by("halving", halving={"nets": 12, "min_m": 60}),
        "e63531af42708ea3",
    ),  # of halving whose full trainings come last
    "one-shot": (supernet_draws, "682e83547dc0b7ee"),
    "ranking": (ranked, "dca0c125f1991979"),
    "operators": (derived, "d85ab37015dfab2b"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_draws_are_those_of_earlier_versions(name: str) -> None:
    draw, known = KNOWN[name]
    assert digest(draw()) == known


def test_the_regulariser_is_that_of_earlier_versions() -> None:
    space = recipe().space()
    macs = [list(layer.values()) for layer in MACS.table(space.typical_paths()[1], space)]
    arch = ArchitectureParameters(macs, MACS.fixed(space), init=0.0)
    assert arch.regulariser(450e6, 0.6).item() == pytest.approx(0.97825026512146, rel=1e-6)
