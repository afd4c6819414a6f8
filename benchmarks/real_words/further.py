"""The nets that searches on real words found, trained further with one budget for all, and tested.

    python -m benchmarks.real_words.further FOLDER SEARCH… [--recipe FILE]

SEARCH is a folder named STRATEGY-SEED, or that of a target in it, as `run.sh` beside this file leaves them:
FOLDER/searches/*/scene. Nets go into FOLDER/further; called again it goes on where it was stopped. Printed
are word accuracies on every test set of the
recipe (examples/real_words/further.recipe.yml), and for each pair of strategies the mean of the
differences over the seeds that both have, with its 95 % t interval.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from autostr_nni.report.seeds.paired import paired

RECIPE = Path(__file__).parents[2] / "examples" / "real_words" / "further.recipe.yml"
AUTOSTR = str(Path(sys.executable).with_name("autostr"))
Accuracies = Mapping[str, float]


def main() -> None:
    """Train and test what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("searches", type=Path, nargs="+")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    args = parser.parse_args()
    recipe = args.recipe.read_text(encoding="utf-8")
    found: dict[tuple[str, int], Accuracies] = {}
    for search in args.searches:
        strategy, seed = name_of(search).rsplit("-", 1)
        seeded = re.sub(r"^seed: .*", f"seed: {seed}", recipe, flags=re.M)
        accuracies = found[strategy, int(seed)] = tested(search, seeded, args.folder)
        shares = "  ".join(f"{name} {share:.1%}" for name, share in accuracies.items())
        print(f"{name_of(search):<16}{shares}", flush=True)
    strategies = sorted({strategy for strategy, _ in found})
    for first, second in itertools.combinations(strategies, 2):
        seeds = sorted({seed for _, seed in found if {(first, seed), (second, seed)} <= found.keys()})
        for name in found[first, seeds[0]] if seeds else ():
            differences = [found[first, s][name] - found[second, s][name] for s in seeds]
            print(f"{first} - {second}, {name}: {told(differences)}")


def name_of(search: Path) -> str:
    """STRATEGY-SEED, by a search's folder or the one that it lies in."""
    found = next((part for part in (search.name, search.parent.name) if re.fullmatch(r".+-\d+", part)), None)
    if found is None:
        sys.exit(f"{search}: is not called STRATEGY-SEED, nor in such a folder: name one as run.sh leaves it")
    return found


def tested(search: Path, recipe: str, folder: Path) -> Accuracies:
    """Word accuracy of a search's net on each test set, after its further training below ``folder``."""
    # Beside the recipes of the searches: the sets lie there.
    name = name_of(search)
    file = folder / f"further-{name}.recipe.yml"
    net = str(search.resolve())
    training = [net, "--init", net, "--recipe", str(file)]
    return scored(training, file, recipe, folder / "further" / name)


def scored(training: Sequence[str], file: Path, recipe: str, out: Path) -> Accuracies:
    """Word accuracy on each test set of what ``autostr train`` makes of these arguments, once, in ``out``.

    ``recipe`` is what ``file`` is to hold. Ends the program where ``out`` holds another net's.
    """
    scores, by = out / "tested.json", out / "trained_by.json"
    told = {"net": training[0], "recipe": recipe}
    if by.is_file() and json.loads(by.read_text(encoding="utf-8")) != told:
        sys.exit(f"{out}: holds what another net or recipe gave ({by.name}); name another FOLDER")
    file.write_text(recipe, encoding="utf-8")
    if not scores.is_file():
        subprocess.run([AUTOSTR, "train", *training, "--out", str(out)], check=True)
        evaluate = [AUTOSTR, "evaluate", str(out), "--json"]
        scores.write_bytes(subprocess.run(evaluate, check=True, stdout=subprocess.PIPE).stdout)
    by.write_text(json.dumps(told), encoding="utf-8")
    rows = json.loads(scores.read_text(encoding="utf-8"))["sets"]
    return {name: row["word_accuracy"] for name, row in rows.items()}


def told(differences: Sequence[float]) -> str:
    """Mean of differences in accuracy over seeds, in points, with its interval where there are enough."""
    mean, low, high, _ = paired(differences)
    reach = "" if low is None or high is None else f" ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{100 * mean:+.1f} points{reach}, {len(differences)} seeds"


if __name__ == "__main__":
    main()
