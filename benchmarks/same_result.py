"""Whether two commits train alike: the losses of one trial of each step, on the same words and pixels.

    python benchmarks/same_result.py --before 702cd85 [--after HEAD] [--json]

The quickstart's words are rendered once and stored at the net's own size without loss, so that neither commit
resizes; both train with the recipe's seed, one batch an epoch, so that every step's loss is reported. What is
left between them is the order of sums, which training amplifies from step to step. How far that alone takes a
training is shown beside it: the second commit once more with another number of threads. A trial that drew
other words, other initial weights or other operations would be off from the first digit of the first step.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import lmdb
from PIL import Image
from quickstart import shorten, unpack
from same_work import WINNER, pin, render

# In a process of each commit: recipe, folder, parameters; prints the metrics of every epoch.
TRIAL = """
import json, sys
from contextlib import redirect_stdout
from pathlib import Path
from autostr_nni.recipe import load_recipe
from autostr_nni.training.run_trial import run_proposal

epochs = []
report = lambda metrics, final: final or epochs.append(metrics)
with redirect_stdout(sys.stderr):
    run_proposal(json.loads(sys.argv[3]), load_recipe(Path(sys.argv[1])), Path(sys.argv[2]), report)
print(json.dumps(epochs))
"""
LOSSES = ("training_loss", "loss")
STEPS = {"path": 3, "operators": 12, "train": 12}  # `search.path.epochs` stays the quickstart's three
CHANGES = {
    "epoch_images: 320": "epoch_images: 32",
    "epochs: 10": "epochs: 12",
    "warmup_epochs: 1": "warmup_epochs: 2",
    "    epochs: 2": "    epochs: 10",
}


def at_size(words: Path, width: int, height: int) -> None:
    """Store every image of the sets in `words` at that size, as PNG."""
    for place in sorted(path.parent for path in words.glob("*/data.mdb")):
        with lmdb.open(str(place), map_size=1 << 30) as base, base.begin(write=True) as writing:
            images = [(key, value) for key, value in writing.cursor() if key.startswith(b"image-")]
            for key, value in images:
                image = Image.open(io.BytesIO(value)).convert("RGB").resize((width, height))
                stored = io.BytesIO()
                image.save(stored, "PNG")
                writing.put(key, stored.getvalue())


def proposals() -> dict[str, dict[str, str]]:
    """A trial of every step."""
    path, operations = WINNER.split(":")
    named = {f"op_{layer:02d}": name for layer, name in enumerate(operations.split(","), 1)}
    return {
        "path": {"step": "path", "stride_path": path},
        "operators": {"step": "operators", "stride_path": path},
        "train": {"step": "train", "stride_path": path, **named},
    }


def epochs_of(site: Path, recipe: Path, folder: Path, parameters: dict[str, str]) -> list[dict[str, Any]]:
    """What a trial reports of each epoch."""
    command = [sys.executable, "-c", TRIAL, str(recipe), str(folder), json.dumps(parameters)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    # In the trial's folder: from here, Python would take this checkout's package for both.
    folder.mkdir(parents=True)
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"a trial of {site} failed:\n{done.stderr[-2000:]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def short_recipe(recipe: Path) -> None:
    """One batch an epoch."""
    shorten(recipe)
    text = recipe.read_text()
    for old, new in CHANGES.items():
        text = text.replace(old, new)
    recipe.write_text(text)


def other_threads(recipe: Path, copy: Path) -> Path:
    """The recipe with two threads for one and one for two; reading and drawing stay the same."""
    swap = {"1": "2", "2": "1"}
    text = re.sub(r"threads: ([12])", lambda found: f"threads: {swap[found[1]]}", recipe.read_text())
    copy.write_text(text)
    return copy


def compare(before: str, after: str, folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What every step of both reports of each epoch, and of `after` with other threads."""
    recipes: dict[str, tuple[Path, Path]] = {}
    words = None
    for name, commit in (("after", after), ("before", before)):
        site = unpack(commit, folder / name)
        example = site.parent / "examples" / "quickstart"
        short_recipe(example / "recipe.yml")
        if words is None:
            words = render(site, example, folder / "rendered")
            at_size(words, width=64, height=32)
        pin(site, example, words)
        recipes[name] = (site, example / "recipe.yml")
    site, recipe = recipes["after"]
    recipes["threads"] = (site, other_threads(recipe, recipe.with_name("threads.yml")))
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for step, parameters in proposals().items():
        found[step] = {}
        for name, (site, recipe) in recipes.items():
            epochs = epochs_of(site, recipe, folder / f"{name}-{step}", parameters)
            if len(epochs) != STEPS[step]:
                raise SystemExit(f"step {step}, {name}: {len(epochs)} epochs instead of {STEPS[step]}")
            found[step][name] = [{kind: line.get(kind) for kind in LOSSES} for line in epochs]
    return found


def table(found: dict[str, Any], before: str, after: str) -> str:
    """Markdown: the training loss of every step of both, how far apart, and how far other threads take it."""
    lines = [
        f"| step, batch | {before} | {after} | apart | {after}, other threads: apart |",
        "|" + " --- |" * 5,
    ]
    for step, sides in found.items():
        for batch in range(STEPS[step]):
            a, b, c = (sides[name][batch]["training_loss"] for name in ("before", "after", "threads"))
            lines.append(
                f"| {step}, {batch + 1} | {a:.7f} | {b:.7f} | {abs(a - b) / b:.0e} | {abs(c - b) / b:.0e} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", default="702cd85", help="commit to compare with")
    parser.add_argument("--after", default="HEAD", help="commit to measure")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autostr-same-") as place:
        found = compare(args.before, args.after, Path(place))
    print(json.dumps(found, indent=1) if args.json else table(found, args.before, args.after))


if __name__ == "__main__":
    main()
