"""The shell loop of docs/comparing.md, and benchmarks/real_words/run.sh, on a few small words and seeds."""

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

from autostr_nni.data.synth.produce import synthesize

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


SHORT = {
    r"count: \d0000": "count: 24",
    r"^  epochs: 8 *$": "  epochs: 2",
    r"epoch_images: \d+": "epoch_images: 16",
    r"short_words: \{.*\}": "short_words: {epochs: 0}",
    r"halving: \{nets: 5": "halving: {rungs: [1, 2], nets: 2",
    r"random: \{count: 5": "random: {count: 2",
}


@pytest.mark.slow("eight searches, one after another")
def test_real_words_over_seeds_and_targets(tmp_path: Path, quiet_environment: dict[str, str]) -> None:
    recipe = (ROOT / "examples/real_words/recipe.yml").read_text(encoding="utf-8")
    for pattern, smaller in SHORT.items():
        recipe, changed = re.subn(pattern, smaller, recipe, flags=re.M)
        assert changed, pattern
    file = tmp_path / "recipe.yml"
    file.write_text(f"{recipe}\nevaluation: {{learnt_above: 0}}\n", encoding="utf-8")
    sets = ("IIIT5K_train", "IIIT5K_3000", "SVT_train", "IC15_train", "SROIE_train", "SROIE_validation")
    for name in sets:
        synthesize(tmp_path / "data" / name, 12, style="mild", system_fonts=False, max_length=8, processes=1)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    more = {"PATH": path, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "RECIPE": str(file)}
    environment = {**quiet_environment, **more, "SEEDS": "0 1", "TARGETS": "scene receipts"}
    command = [str(ROOT / "benchmarks/real_words/run.sh"), str(tmp_path / "out"), str(tmp_path / "data")]
    for again in (False, True):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1200
        )
        assert done.returncode == 0, done.stderr
        assert ("continuing in" in done.stdout) is again and ("started" in done.stdout) is not again
    told = json.loads((tmp_path / "out/comparison/report.json").read_text())
    assert [space["name"] for space in told["spaces"]] == ["scene", "receipts"]
    for space in told["spaces"]:
        (pair,) = space["comparison"]["pairs"]
        assert pair["seeds"] == [0, 1]
        images = [row for figure in pair["figures"] for row in figure["rows"] if figure["unit"] == "end"]
        assert {(row["first_cost"], row["second_cost"]) for row in images} == {(64.0, 64.0)}
    assert len(told["targets"]["pairs"]) == 2 and len(told["targets"]["rows"]) == 8
