"""What one other busy core costs: an epoch of the quickstart's kind, and the whole quickstart.

    python benchmarks/threads/busy_core.py [--runs 2] [--threads unset 1 2] [--quickstart] [--json]

By default an epoch with `training.threads` unset; `--threads unset 1 2` measures all three, `--quickstart`
also the search that `make quickstart` runs. Idle and busy take turns. The busy core is a process that counts
for ever. Run it where nothing else runs: 2 runs of an epoch take a minute, the quickstart twice about 5. Exit
status 1 where a ratio is above what is asked: 1.3 for an epoch with threads unset, 1.6 for the quickstart.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "quickstart"
ASKED = {"epoch, threads unset": 1.3, "quickstart": 1.6}
EPOCHS = 3  # of which the first, with its start, is not counted

# In a process of its own, as a trial is: recipe, folder.
TRIAL = """
import sys
from autostr_nni.system.threads import wait_asleep
wait_asleep()
from pathlib import Path
from autostr_nni.recipe import load_recipe
from autostr_nni.training.run_trial import run_proposal
recipe = load_recipe(Path(sys.argv[1]))
path = recipe.space().typical_paths()[1].text(recipe.space().stage_layers)
run_proposal({"step": "path", "stride_path": path}, recipe, Path(sys.argv[2]), lambda metrics, final: None)
"""


@contextlib.contextmanager
def another(busy: bool) -> Iterator[None]:
    """Within, a process keeps a core busy, if it is to."""
    if not busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            time.sleep(0.5)
            yield
        finally:
            process.kill()


def prepared(folder: Path) -> Path:
    """A copy of the quickstart with its words rendered, and path trials of a few epochs; its recipe."""
    from autostr_nni.data.sets.prepare import prepare_data
    from autostr_nni.recipe import load_recipe

    shutil.copytree(EXAMPLE, folder)
    recipe = folder / "recipe.yml"
    content = yaml.safe_load(recipe.read_text())
    content.setdefault("search", {})["path"] = {"epochs": EPOCHS, "epoch_images": 3000}
    recipe.write_text(yaml.safe_dump(content))
    prepare_data(load_recipe(recipe), lambda line: print(line, file=sys.stderr))
    return recipe


def epoch(recipe: Path, threads: str, folder: Path, busy: bool) -> float:
    """Seconds of an epoch."""
    content = yaml.safe_load(recipe.read_text())
    content.setdefault("training", {})["threads"] = None if threads == "unset" else int(threads)
    written = recipe.with_name(f"threads-{threads}.yml")
    written.write_text(yaml.safe_dump(content))
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    with another(busy):
        subprocess.run(
            [sys.executable, "-c", TRIAL, str(written), str(folder)],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
    ends = [json.loads(line)["seconds"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return float(ends[-1] - ends[0]) / (len(ends) - 1)


def quickstart(folder: Path, busy: bool) -> float:
    """Seconds of the whole search, rendering included."""
    shutil.copytree(EXAMPLE, folder)
    command = [sys.executable, "-m", "autostr_nni.cli.main", "search", str(folder / "halving.yml")]
    environment = {**os.environ, "NNI_CONFIG_DIR": str(folder / "nni")}
    environment.pop("OMP_NUM_THREADS", None)
    begun = time.monotonic()
    with another(busy):
        done = subprocess.run(
            [*command, "--out", str(folder / "searches")], env=environment, capture_output=True, text=True
        )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2, help="of each epoch, idle and busy")
    parser.add_argument("--threads", nargs="+", default=["unset"], metavar="N")
    parser.add_argument("--quickstart", action="store_true", help="once idle and once busy")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    seconds: dict[str, dict[str, list[float]]] = {}

    def note(what: str, busy: bool, taken: float) -> None:
        state = "busy" if busy else "idle"
        seconds.setdefault(what, {"idle": [], "busy": []})[state].append(round(taken, 2))
        print(f"{what}, {state}: {taken:.2f} s", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="autostr-busy-") as place:
        folder = Path(place)
        recipe = prepared(folder / "prepared")
        for run in range(args.runs):
            for threads in args.threads:
                for busy in (False, True):
                    trial = folder / f"trial-{run}-{threads}-{busy}"
                    note(f"epoch, threads {threads}", busy, epoch(recipe, threads, trial, busy))
        if args.quickstart:
            for busy in (False, True):
                note("quickstart", busy, quickstart(folder / f"quickstart-{busy}", busy))
    ratios = {
        what: statistics.median(row["busy"]) / statistics.median(row["idle"]) for what, row in seconds.items()
    }
    found: dict[str, Any] = {"cores": os.cpu_count(), "seconds": seconds, "ratios": ratios}
    print(json.dumps(found, indent=1) if args.json else table(seconds, ratios))
    return int(any(ratios[what] > asked for what, asked in ASKED.items() if what in ratios))


def table(seconds: dict[str, dict[str, list[float]]], ratios: dict[str, float]) -> str:
    lines = ["| | idle, s | beside a busy core, s | ratio | asked |", "| --- | --- | --- | --- | --- |"]
    for what, row in seconds.items():
        idle, busy = (", ".join(f"{value:.1f}" for value in row[state]) for state in ("idle", "busy"))
        asked = f"at most {ASKED[what]}" if what in ASKED else ""
        lines.append(f"| {what} | {idle} | {busy} | {ratios[what]:.2f} | {asked} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
