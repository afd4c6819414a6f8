"""What keys of the recipe bring on real words: one net, trained alone without and with each of them.

    python -m benchmarks.real_words.keys FOLDER NET KEY=VALUE… [--seeds 0 1 2] [--recipe FILE]

FOLDER has the sets in real/, as `run.sh` beside this file leaves it; a KEY is written with dots, such as
training.augment=light. Nets go into FOLDER/keys; called again it goes on where it was stopped. Printed are
word accuracies on every test set and the images trained in a second, and for each key the mean of the
differences over the seeds with its 95 % t interval. Seconds tell of speed only where the machine does nothing
else.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from benchmarks.real_words.further import scored, told

RECIPE = Path(__file__).parents[2] / "examples" / "real_words" / "recipe.yml"
PLAIN = "as it is"


def main() -> None:
    """Train and test what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("net")
    parser.add_argument("keys", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    args = parser.parse_args()
    recipe = yaml.safe_load(args.recipe.read_text(encoding="utf-8"))
    found: dict[tuple[str, int], dict[str, float]] = {}
    for seed in args.seeds:
        for key in (PLAIN, *args.keys):
            made = changed({**recipe, "seed": seed}, key)
            name = f"{re.sub('[^a-z0-9.]+', '-', key).strip('-')}-{seed}"
            scores = found[key, seed] = trained(args.net, made, args.folder, name)
            shares = "  ".join(f"{test} {share:.1%}" for test, share in scores.items() if test != "images/s")
            print(f"{name:<32}{shares}  {scores['images/s']:.0f} images/s", flush=True)
    for key in args.keys:
        for test in found[PLAIN, args.seeds[0]]:
            pairs = [(found[key, seed][test], found[PLAIN, seed][test]) for seed in args.seeds]
            if test == "images/s":
                print(f"{key}, {test}: {fmean(a / b for a, b in pairs):.2f} times as many")
                continue
            print(f"{key}, {test}: {told([a - b for a, b in pairs])}")


def changed(recipe: dict[str, Any], key: str) -> dict[str, Any]:
    """The recipe with one KEY=VALUE."""
    if key == PLAIN:
        return recipe
    where, _, value = key.partition("=")
    *outer, last = where.split(".")
    made: dict[str, Any] = json.loads(json.dumps(recipe))
    room = made
    for name in outer:
        room = room.setdefault(name, {})
    room[last] = yaml.safe_load(value)
    return made


def trained(net: str, recipe: dict[str, Any], folder: Path, name: str) -> dict[str, float]:
    """Word accuracy on each test set of a net trained by a recipe, and the images that it saw in a second."""
    out, file = folder / "keys" / name, folder / f"keys-{name}.recipe.yml"  # beside the sets
    target = "#scene" if "targets" in recipe["data"] else ""
    accuracies = scored(
        [net, "--recipe", f"{file}{target}"], file, yaml.safe_dump(recipe, sort_keys=False), out
    )
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [epoch for epoch in epochs if "seconds" in epoch][-1]
    return {**accuracies, "images/s": last["images_seen"] / last["seconds"]}


if __name__ == "__main__":
    main()
