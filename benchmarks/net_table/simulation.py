"""Searches whose trainings are looked up in the table: the product's own strategy, at no cost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.promise import PathPromise
from autostr_nni.strategies.core import Trial
from autostr_nni.strategies.halving import Halving
from autostr_nni.strategies.ladder import Ladder
from benchmarks.net_table.training import recipe

Row = dict[str, Any]
#: Sixths of the budget: the default rungs, and their places in a row's curve.
LADDER = Ladder((1, 2, 6))
PLACES = {1: 1, 2: 2, 6: -1}


#: Nets of the table that are drawn for a candidate, of which it is the one whose path promises most. A
#: search draws sixteen of its whole space, but these would leave little of the table.
AMONG = 4


class OnTable(Halving):
    """Halving whose candidates are nets of the table, without neighbours of the leaders.

    Args:
        among: nets drawn for each candidate; 1: candidates are drawn at random.
    """

    def __init__(
        self, rows: Sequence[Row], cost: int, rng: random.Random, front: int = 1, among: int = AMONG
    ) -> None:
        space = recipe().space()
        self.rows = {row["architecture"]: row for row in rows}
        self._left = [Architecture.parse(text, space) for text in self.rows]
        self._rng, self._among = rng, among
        super().__init__(space, LADDER, cost, 0, most=10**9, front=front)

    def _candidate(self, known: Sequence[Trial]) -> Architecture | None:
        if not self._left:
            return None
        drawn = self._rng.sample(self._left, min(self._among, len(self._left)))
        losses = [(self._architecture(trial).path, trial.metrics["loss"]) for trial in self._done(known, 0)]
        promise = PathPromise(self._space, [net.path for net in drawn], losses, self._rng)
        chosen = min(drawn, key=lambda net: promise.of(net.path))
        self._left.remove(chosen)
        return chosen

    def _cost(self, trial: Trial) -> float:
        return float(self.row(trial)["macs"])

    def trained(self, trial: Trial) -> dict[str, float]:
        """What the table knows of a trial."""
        point = self.row(trial)["curve"][PLACES[trial.parameters.get("epochs", 6)]]
        return {"loss": point["loss"], "default": point["word_accuracy"]}

    def row(self, trial: Trial) -> Row:
        """The row of a trial's net."""
        return self.rows[self._architecture(trial).text]


def finished(search: OnTable) -> OnTable:
    """The search at its end."""
    while not search.finished:
        search.suggest()
        for proposal in search.pending():
            trial = Trial(proposal.id, proposal.parameters)
            search.observe(proposal.id, search.trained(trial))
    return search


def halving(rows: Sequence[Row], cost: int, rng: random.Random, among: int = AMONG) -> float:
    """Test accuracy of the net that halving chooses at the cost of so many full trainings."""
    search = finished(OnTable(rows, cost, rng, among=among))
    assert search.best is not None
    return float(search.row(Trial(search.best["id"], search.best["parameters"]))["test"])


def random_search(
    rows: Sequence[Row], cost: int, rng: random.Random, among: int = 1, likeliest: bool = False
) -> float:
    """Test accuracy of the net that is best on validation among so many drawn; with ``among``, each on the
    path that is believed in most of so many, which the product's random search does not do.

    Args:
        rows: nets to draw from.
        cost: nets drawn.
        rng: source of randomness.
        among: nets of which each is one.
        likeliest: by the likeliest belief, not by one that is drawn around it.
    """
    left, space = list(rows), recipe().space()
    drawn = []
    for _ in range(cost):
        some = rng.sample(left, min(among, len(left)))
        if among > 1:
            paths = {row["architecture"]: Architecture.parse(row["architecture"], space).path for row in some}
            promise = PathPromise(space, list(paths.values()), (), None if likeliest else rng)
            some.sort(key=lambda row: promise.of(paths[row["architecture"]]))
        left.remove(some[0])
        drawn.append(some[0])
    best = max(drawn, key=lambda row: (row["curve"][-1]["word_accuracy"], -row["curve"][-1]["loss"]))
    return float(best["test"])
