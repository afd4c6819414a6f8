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
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from autostr_nni.report.seeds.paired import paired

RECIPE = Path(__file__).parents[2] / "examples" / "real_words" / "recipe.yml"
AUTOSTR = str(Path(sys.executable).with_name("autostr"))
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
            told = "  ".join(f"{test} {share:.1%}" for test, share in scores.items() if test != "images/s")
            print(f"{name:<32}{told}  {scores['images/s']:.0f} images/s", flush=True)
    for key in args.keys:
        for test in found[PLAIN, args.seeds[0]]:
            pairs = [(found[key, seed][test], found[PLAIN, seed][test]) for seed in args.seeds]
            if test == "images/s":
                print(f"{key}, {test}: {fmean(a / b for a, b in pairs):.2f} times as many")
                continue
            mean, low, high, _ = paired([a - b for a, b in pairs])
            reach = "" if low is None or high is None else f" ({100 * low:+.1f} to {100 * high:+.1f})"
            print(f"{key}, {test}: {100 * mean:+.1f} points{reach}, {len(pairs)} seeds")


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
    out = folder / "keys" / name
    scores = out / "tested.json"
    if not scores.is_file():
        file = folder / f"keys-{name}.recipe.yml"  # beside the sets
        file.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        target = "#scene" if "targets" in recipe["data"] else ""
        subprocess.run([AUTOSTR, "train", net, "--recipe", f"{file}{target}", "--out", str(out)], check=True)
        evaluate = [AUTOSTR, "evaluate", str(out), "--json"]
        scores.write_bytes(subprocess.run(evaluate, check=True, stdout=subprocess.PIPE).stdout)
    rows = json.loads(scores.read_text(encoding="utf-8"))["sets"]
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [epoch for epoch in epochs if "seconds" in epoch][-1]
    speed = last["images_seen"] / last["seconds"]
    return {**{test: row["word_accuracy"] for test, row in rows.items()}, "images/s": speed}


if __name__ == "__main__":
    main()
