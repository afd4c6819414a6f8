"""The shell loop of docs/comparing.md, as it stands but for three seeds, on a few small words."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SMALLER = {
    r"count: 20000": "count: 32",
    r"count: 1000": "count: 16",
    r"^  epochs: 6$": "  epochs: 3",
    r"epoch_images: \d+": "epoch_images: 16",
    r"milestones: \[5\]": "milestones: []",
    r"random: \{count: 3\}": "random: {count: 1, largest: true}",
    r"halving: \{nets: 3\}": "halving: {nets: 1}",
}


@pytest.mark.slow("six searches, one after another")
def test_the_loop_compares_seeds(tmp_path: Path, quiet_environment: dict[str, str]) -> None:
    page = (ROOT / "docs/comparing.md").read_text(encoding="utf-8")
    (loop,) = re.findall(r"<!-- seeds -->\n```bash\n(.*?)```", page, re.S)
    quickstart = tmp_path / "examples/quickstart"
    shutil.copytree(ROOT / "examples/quickstart", quickstart, ignore=shutil.ignore_patterns("words", "runs"))
    recipe = (quickstart / "recipe.yml").read_text(encoding="utf-8")
    for pattern, smaller in SMALLER.items():
        recipe, changed = re.subn(pattern, smaller, recipe, flags=re.M)
        assert changed, pattern
    (quickstart / "recipe.yml").write_text(f"{recipe}\nevaluation: {{learnt_above: 0}}\n", encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", loop.replace("0 1 2 3 4", "0 1 2")],
        cwd=tmp_path,
        env={**quiet_environment, "PATH": path, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()
    assert last[-1] == "runs/comparison/report.html" and "at equal images: " in last[-3]
    told = json.loads((tmp_path / "runs/comparison/report.json").read_text())
    (space,) = told["spaces"]
    groups = [(group["label"], group["seeds"]) for group in space["comparison"]["groups"]]
    assert groups == [(name, [0, 1, 2]) for name in ("halving", "random", "the largest net")]
    assert [pair["seeds"] for pair in space["comparison"]["pairs"]] == [[0, 1, 2]] * 3
    assert not any("different settings" in note for note in told["notes"])  # the seed is no other setting
    rows = list(csv.DictReader((tmp_path / "runs/comparison/data/pairs.csv").open()))
    assert {(row["strategy"], row["seed"]) for row in rows} >= {("halving", "0"), ("random", "2")}
    assert (tmp_path / "runs/comparison/figures/seeds-images.svg").is_file()
