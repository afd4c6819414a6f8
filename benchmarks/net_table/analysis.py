"""What the table tells: the seeds' noise, how early figures rank nets, and searches simulated on it.

    python -m benchmarks.net_table.analysis [--rows FILE] [--seeds 1000]

Prints Markdown. Nets are chosen by accuracy on validation words, and choices are judged on test words.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.promise import map_sizes
from benchmarks.net_table import latency
from benchmarks.net_table import rows as table
from benchmarks.net_table.simulation import AMONG, halving, random_search
from benchmarks.net_table.training import recipe
from benchmarks.net_table.zero_cost import gradient_norm, synaptic_flow

Row = dict[str, Any]
SHARES = ("1/9", "1/6", "1/3", "2/3", "1")
DRAWS = 1000


def final(row: Row) -> float:
    """Word accuracy on validation at the end."""
    return float(row["curve"][-1]["word_accuracy"])


def kept(row: Row, axis: int) -> float:
    """How long maps stay large: log2 of their rows (axis 0) or columns (1), summed over the layers."""
    space = recipe().space()
    path = Architecture.parse(row["architecture"], space).path
    return map_sizes(path, space.height, space.width)[axis]


#: Figures that are there before the end, each so that larger should be better.
EARLY: dict[str, Callable[[Row], float]] = {
    **{
        f"validation loss at {share}": lambda row, n=n: -row["curve"][n]["loss"]
        for n, share in enumerate(SHARES[:-1])
    },
    **{
        f"training loss at {share}": lambda row, n=n: -row["curve"][n]["training_loss"]
        for n, share in enumerate(SHARES[:-1])
    },
    "MACs": lambda row: row["macs"],
    "parameters": lambda row: row["params"],
    "rows of the maps": lambda row: kept(row, 0),
    "columns of the maps": lambda row: kept(row, 1),
    "gradient norm before training": lambda row: gradient_norm(row["architecture"], row["seed"]),
    "SynFlow before training": lambda row: synaptic_flow(row["architecture"], row["seed"]),
}


def tau(nets: Sequence[Row], early: Callable[[Row], float]) -> tuple[float, float, float]:
    """Kendall's tau with the final accuracy, and its 95 % interval over nets drawn with replacement."""
    values = np.array([(early(row), final(row)) for row in nets])
    rng = np.random.default_rng(0)
    drawn = [values[rng.integers(0, len(values), len(values))] for _ in range(DRAWS)]
    found = [kendalltau(d[:, 0], d[:, 1]).statistic for d in drawn]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(kendalltau(values[:, 0], values[:, 1]).statistic), float(low), float(high)


def noise(rows: Sequence[Row]) -> str:
    """How far seeds of one net lie apart beside how far nets do, and how one seed ranks nets for another."""
    by_net: dict[str, dict[int, float]] = {}
    for row in rows:
        by_net.setdefault(row["architecture"], {})[row["seed"]] = 100 * final(row)
    repeated = [found for found in by_net.values() if len(found) > 1]
    if len(repeated) < 2:
        return "No net has several seeds yet."
    within = mean(stdev(found.values()) ** 2 for found in repeated) ** 0.5
    between = stdev(mean(found.values()) for found in repeated)
    taus = []
    for one, other in combinations(sorted({seed for found in repeated for seed in found}), 2):
        pairs = [(found[one], found[other]) for found in repeated if one in found and other in found]
        if len(pairs) > 1:
            taus.append(f"{kendalltau(*zip(*pairs, strict=True)).statistic:.2f} (seeds {one} and {other})")
    return (
        f"Standard deviation over the seeds of a net {within:.1f} points, over nets' means {between:.1f}"
        f" ({len(repeated)} nets of several seeds). Kendall's tau between seeds: {', '.join(taus)}."
    )


def rankings(nets: Sequence[Row], ms: Mapping[str, float]) -> list[str]:
    """A line per early figure: tau over all nets, and within the top fifth by final accuracy.

    Args:
        nets: their rows.
        ms: milliseconds by net; where not all were measured, there is no line of latency.
    """
    early_figures = dict(EARLY)
    if all(row["architecture"] in ms for row in nets):
        early_figures["latency"] = lambda row: ms[row["architecture"]]
    top = sorted(nets, key=final, reverse=True)[: max(3, len(nets) // 5)]
    lines = ["| known early | tau over all | tau in the top fifth |", "| --- | --- | --- |"]
    for name, early in early_figures.items():
        cells = (f"{t:.2f} ({low:.2f} to {high:.2f})" for t, low, high in (tau(nets, early), tau(top, early)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


SEARCHES: dict[str, Callable[[Sequence[Row], int, random.Random], float]] = {
    "random": random_search,
    "random, paths believed in": partial(random_search, among=AMONG),
    "halving, any candidates": partial(halving, among=1),
    "halving": halving,
}


def searches(nets: Sequence[Row], seeds: int) -> list[str]:
    """Simulated searches at the cost of so many full trainings: test accuracy of the net that is chosen."""
    best = max(row["test"] for row in nets)
    lines = [
        f"The best random net reads {100 * best:.1f} % of the test words.",
        "",
        "| search | cost in nets | median, % | mean, % | 5 to 95 % |",
        "| --- | --- | --- | --- | --- |",
    ]
    for cost in (3, 5, 10):
        for name, search in SEARCHES.items():
            found = sorted(100 * search(nets, cost, random.Random(seed)) for seed in range(seeds))
            low, high = found[len(found) // 20], found[-1 - len(found) // 20]
            cells = f"{median(found):.1f} | {mean(found):.1f} | {low:.1f} to {high:.1f}"
            lines.append(f"| {name} | {cost} | {cells} |")
    return lines


def one_path(nets: Sequence[Row], seeds: int) -> list[str]:
    """One net trained, on the path that is believed in most of so many nets': its test accuracy."""
    lines = [
        "| nets of which it is one | belief drawn, mean, % | likeliest belief, mean, % |",
        "| --- | --- | --- |",
    ]
    for among in (1, 8, 64):
        found = [
            mean(random_search(nets, 1, random.Random(seed), among, likeliest) for seed in range(seeds))
            for likeliest in (False, True)
        ]
        lines.append(f"| {among} | {100 * found[0]:.1f} | {100 * found[1]:.1f} |")
    return lines


def main() -> int:
    """Print it all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.net_table.analysis")
    parser.add_argument("--rows", type=Path, default=table.TABLE)
    parser.add_argument("--seeds", type=int, default=1000)
    args = parser.parse_args()
    rows = table.load(args.rows)
    nets = [row for row in rows if row["group"] == "random" and row["seed"] == 0]
    if len(nets) < 20:
        print(f"{args.rows}: {len(nets)} random nets are too few, train more", file=sys.stderr)
        return 1
    prepare_data(recipe(), processes=2)  # words for the zero-cost proxies
    print(f"{len(rows)} rows, {len(nets)} random nets\n\n{noise(rows)}\n")
    tables = rankings(nets, latency.load()), searches(nets, args.seeds), one_path(nets, args.seeds)
    print("\n\n".join("\n".join(lines) for lines in tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
