"""Fronts of searches simulated on the table: their hypervolumes over MACs, halving beside random search.

    python -m benchmarks.net_table.front [--rows FILE] [--seeds 1000] [--size 3]

Prints Markdown. Nets are chosen by accuracy on validation words, and the fronts are judged on test words. A
hypervolume is the mean of the best accuracy over all budgets of MACs, from the cheapest net of the table to
the dearest.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev

from autostr_nni.strategies.front import handed_over, hypervolume
from autostr_nni.strategies.steps import TRAIN
from benchmarks.net_table import rows as table
from benchmarks.net_table.analysis import final
from benchmarks.net_table.simulation import OnTable, Row, finished

LEARNT_ABOVE = 0.05
COSTS = (5, 10)

Search = Callable[[Sequence[Row], int, random.Random], list[Row]]


def halving(front: int) -> Search:
    """Halving that is asked for so many nets: all nets that it trains to the end."""

    def search(rows: Sequence[Row], cost: int, rng: random.Random) -> list[Row]:
        found = finished(OnTable(rows, cost, rng, front))
        return [found.row(trial) for trial in found.trials if trial.parameters["step"] == TRAIN]

    return search


def random_search(rows: Sequence[Row], cost: int, rng: random.Random) -> list[Row]:
    """So many nets of the table."""
    return rng.sample(list(rows), cost)


def chosen(nets: Sequence[Row], size: int) -> list[Row]:
    """The front that a user would be handed."""
    known = [(net["macs"], {"default": final(net)}) for net in nets]
    return [nets[place] for place in handed_over(known, size, LEARNT_ABOVE)]


def tested(nets: Sequence[Row], low: float, high: float) -> float:
    """The hypervolume of nets on test words, in per cent."""
    return 100 * hypervolume([(net["macs"], net["test"]) for net in nets], low, high)


def lines(nets: Sequence[Row], seeds: int, size: int) -> list[str]:
    """A line per search and cost."""
    low, high = min(net["macs"] for net in nets), max(net["macs"] for net in nets)
    searches: dict[str, Search] = {
        "random": random_search,
        "halving": halving(1),
        f"halving, front of {size}": halving(size),
    }
    told = [
        f"| search | cost in nets | nets trained | of them handed over (of {size}) | hypervolume "
        "| beside random | best net |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cost in COSTS:
        base: list[float] = []
        for name, search in searches.items():
            found = [search(nets, cost, random.Random(seed)) for seed in range(seeds)]
            fronts = [chosen(trained, size) for trained in found]
            volumes = [tested(front, low, high) for front in fronts]
            base = base or volumes
            best = [100 * front[-1]["test"] if front else 0.0 for front in fronts]
            told.append(
                f"| {name} | {cost} | {mean(map(len, found)):.1f} | {mean(map(len, fronts)):.1f} | "
                f"{mean(volumes):.1f} | {beside(volumes, base)} | {mean(best):.1f} |"
            )
    return told


def beside(volumes: Sequence[float], base: Sequence[float]) -> str:
    """The mean difference with its 95 % interval over seeds, and the share of seeds that are ahead."""
    if volumes == base:
        return ""
    differences = [mine - other for mine, other in zip(volumes, base, strict=True)]
    error = 1.96 * stdev(differences) / len(differences) ** 0.5
    ahead = mean(100.0 * (difference > 0) for difference in differences)
    return f"{mean(differences):+.1f} ± {error:.1f}, ahead in {ahead:.0f} %"


def main() -> int:
    """Print it all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.net_table.front")
    parser.add_argument("--rows", type=Path, default=table.TABLE)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--size", type=int, default=3, help="nets of a front (3)")
    args = parser.parse_args()
    nets = [row for row in table.load(args.rows) if row["group"] == "random" and row["seed"] == 0]
    if len(nets) < 20:
        print(f"{args.rows}: {len(nets)} random nets are too few, train more", file=sys.stderr)
        return 1
    print(
        "\n".join([f"{len(nets)} random nets, {args.seeds} seeds", "", *lines(nets, args.seeds, args.size)])
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
