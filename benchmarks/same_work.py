"""The same words and the same nets for the quickstarts of two commits: their times compare like for like.

Left alone, two versions train different nets: sums taken in another order or pixels resized by another
library rank the stride paths otherwise, and steps 2 and 3 follow. Here the words are rendered once for both,
and both searches are told the same winners of steps 1 and 2, whatever the trials report. All of the work
stays: ten path trials, an operator search, a training.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WINNER = "ABBAB:k3e1,skip,k5e1,skip,k3e1,skip,k5e1,skip,k5e1,k5e1"

# Appended to a commit's strategy, in the temporary copy of it.
TOLD = """

def _told_the_winners(observe):
    path, architecture = {path!r}, {architecture!r}

    def told(self, id, metrics):
        step = next(trial.parameters["step"] for trial in self.trials if trial.id == id)
        if metrics and step == PATH and not id.endswith(path):
            metrics = {{**metrics, "loss": metrics["loss"] + 1e6}}
        if metrics and step == OPERATORS:
            metrics = {{**metrics, "architecture": architecture}}
        return observe(self, id, metrics)

    return told


TwoStep.observe = _told_the_winners(TwoStep.observe)
"""


def render(site: Path, example: Path, folder: Path) -> Path:
    """Render the words of an example's recipe with the package at `site`; the folder `words`."""
    shutil.copytree(example, folder)
    code = (
        "import sys; from autostr_nni.data.sets.prepare import prepare_data as prepare;"
        "from autostr_nni.recipe import load_recipe; prepare(load_recipe(sys.argv[1]), print)"
    )
    command = [sys.executable, "-c", code, str(folder / "recipe.yml")]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run(command, env=environment, cwd=folder, check=True, stdout=sys.stderr)
    return folder / "words"


def pin(site: Path, example: Path, words: Path) -> None:
    """Let the package at `site` search `example` on rendered `words` with the winners above."""
    strategy = site / "autostr_nni" / "strategies" / "two_step.py"
    told = TOLD.format(path=WINNER.split(":")[0], architecture=WINNER)
    strategy.write_text(strategy.read_text() + told)
    recipe = example / "recipe.yml"
    text, found = re.subn(r"^  synth:.*\n(?:    .*\n)+", "", recipe.read_text(), flags=re.MULTILINE)
    if found != 1:
        raise SystemExit(f"{recipe}: where the sets to render begin and end was not found")
    recipe.write_text(text)
    (example / "words").symlink_to(words, target_is_directory=True)


def with_seed(recipe: Path, seed: int) -> None:
    """Write the recipe's seed."""
    text, found = re.subn(r"^seed: .*$", f"seed: {seed}", recipe.read_text(), flags=re.MULTILINE)
    if found != 1:
        raise SystemExit(f"{recipe}: has no seed to write")
    recipe.write_text(text)
