"""How losses of all validation words, and of short ones, rank nets on rungs that saw short words alone.

    python -m benchmarks.real_words.short_loss SEARCH…

SEARCH is a halving search as `run.sh` beside this file leaves it (FOLDER/searches/halving-*/scene). Of every
net that went on, the checkpoint of the rung below reads the validation words; printed is Kendall's tau of its
losses with the loss of short words on the next rung. Nets that did not go on are not in it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from statistics import fmean

from scipy.stats import kendalltau

from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.reading.evaluation import evaluate, open_set
from autostr_nni.runs.layout import BEST, CLIMBED, RESULT
from autostr_nni.system.json_text import read_json

Losses = tuple[float, float]  # of all words, and of short ones


def main() -> None:
    """Read the nets of all searches, and print the tables."""
    if not sys.argv[1:]:
        sys.exit(__doc__)
    steps: dict[tuple[int, int], list[tuple[Losses, Losses]]] = defaultdict(list)
    for trials in (Path(search) / "trials" for search in sys.argv[1:]):
        for trial in sorted(trials.iterdir()):
            before, result = read_json(trial / CLIMBED), read_json(trial / RESULT)
            if before and result:
                images = result["metrics"]["images_seen"]
                first, then = losses(trials / before["from"]), losses(trial)
                steps[before["images_seen"], images].append((first, then))
                print(
                    f"{trials.parent}: {before['from']} to {trial.name}: {said(first)}, then {said(then)}",
                    flush=True,
                )
    for (before, after), nets in sorted(steps.items()):
        short = [then[1] for _, then in nets]
        of_all, of_short = (
            kendalltau([first[place] for first, _ in nets], short).statistic for place in (0, 1)
        )
        told = f"all words {of_all:.2f}, short words {of_short:.2f}"
        print(f"{len(nets)} nets, losses after {before:,} images with those after {after:,}: tau of {told}")


def losses(trial: Path) -> Losses:
    """Mean loss of all validation words, and of those as short as its first epochs show."""
    trained = load_trained(trial / BEST)
    recipe = trained.recipe
    with closing(open_set(recipe, recipe.data.validation)) as words:
        found, _ = evaluate(trained, words)
        short = found.loss_of_short(recipe.training.short_words.max_length, words.charset)
    if short is None:
        sys.exit(f"{trial}: too few validation words are short")
    return fmean(found.losses), short


def said(losses: Losses) -> str:
    return f"all {losses[0]:.2f} short {losses[1]:.2f}"


if __name__ == "__main__":
    main()
