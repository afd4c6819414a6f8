"""The two-step search of the quickstart, end to end: two commits side by side, item by item.

    python benchmarks/quickstart.py --before 702cd85 [--after HEAD] [--runs 7] [--same] [--short] [--json]

Runs alternate, each in a fresh copy of that commit's `examples/quickstart`, rendering included. A commit is
put into a temporary folder and found through PYTHONPATH; the installed packages serve both. Times are read
from the command's output, NNI's database and the trials' metrics. `--short` is for trying this out.

With `--same` both train the same nets on the same words (`same_work.py`), and every pair of runs has a seed
of its own, so that what comes out is compared as well as how long it takes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from same_work import pin, render, with_seed

ROOT = Path(__file__).resolve().parents[1]
PARTS = {"autostr_nni": "", "search_spaces": "autostr_nni", "strategies": "autostr_nni"}
ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
SHORT = {"count: 20000": "count: 2000", "epoch_images: 4000": "epoch_images: 320", "8000": "320"}
SHORT |= {"epoch_images: 3000": "epoch_images: 320", "epoch_images: 5300": "epoch_images: 320"}
ITEMS = (
    "render words",
    "start NNI",
    "step 1: trials start and end",
    "step 1: training",
    "step 1: waits",
    "step 2: trial starts and ends",
    "step 2: training",
    "step 3: trial starts and ends",
    "step 3: training",
    "steps wait for one another",
    "stop, summary",
)


def unpack(commit: str, folder: Path) -> Path:
    """The package of a commit, joined as it is installed, for PYTHONPATH; and its examples beside."""
    for part, place in PARTS.items():
        _extract(commit, part, folder / "site" / place)
    _extract(commit, "examples/quickstart", folder)
    return folder / "site"


def _extract(commit: str, path: str, folder: Path) -> None:
    packed = subprocess.run(["git", "archive", commit, path], cwd=ROOT, capture_output=True, check=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        # The package has links to the other parts, which are put in their places as folders.
        # Python before 3.11.4 has no filters, and takes no such argument.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder, [m for m in archive.getmembers() if not m.issym()])


def shorten(recipe: Path) -> None:
    """A tenth of the images and of the words."""
    text = recipe.read_text()
    for old, new in SHORT.items():
        text = text.replace(old, new)
    recipe.write_text(text)


def run_once(site: Path, example: Path, folder: Path, seed: int | None) -> dict[str, Any]:
    """One quickstart: seconds in all and by item, and what it found."""
    shutil.copytree(example, folder, symlinks=True)
    if seed is not None:
        with_seed(folder / "recipe.yml", seed)
    environment = {**os.environ, "PYTHONPATH": str(site), "NNI_CONFIG_DIR": str(folder / "nni")}
    command = [sys.executable, "-m", "autostr_nni.cli.main", "search", str(folder / "two_step.yml")]
    started = time.time()
    page = 0.0
    with subprocess.Popen(
        [*command, "--json", "--out", str(folder / "searches")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=folder,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        rendered = started
        for line in process.stderr:
            if line.startswith("rendered"):
                rendered = time.time()
            elif line.startswith("page:"):
                page = time.time()
        found = json.loads(process.stdout.read() or "{}")
    ended = time.time()
    if not page or not found.get("best"):  # one cut short may have learnt nothing, and is timed all the same
        raise SystemExit(f"the search failed: {found.get('failure')}")
    items = account(Path(found["folder"]), started, rendered, ended)
    return {"seconds": ended - started, "items": items, "result": result_of(found)}


def account(search: Path, started: float, rendered: float, ended: float) -> dict[str, float]:
    """Seconds of each item; they add up to the whole."""
    trials = times_of(search)
    items = dict.fromkeys(ITEMS, 0.0)
    items["render words"] = rendered - started
    last = rendered
    for number, step in enumerate(("path", "operators", "train"), start=1):
        mine = sorted((t for t in trials if t["step"] == step), key=lambda t: t["start"])
        begin, end = mine[0]["start"], max(t["end"] for t in mine)
        if number == 1:
            items["start NNI"] = begin - last
        else:
            items["steps wait for one another"] += begin - last
        last = end
        # Trials run side by side: the step's time is divided as the sum of its slots' is.
        work = sum(t["training"] for t in mine)
        edges = sum(t["end"] - t["start"] for t in mine) - work
        slots = 2 if len(mine) > 1 else 1
        trial = "trials start and end" if number == 1 else "trial starts and ends"
        items[f"step {number}: training"] = work / slots
        items[f"step {number}: {trial}"] = edges / slots
        if number == 1:
            items["step 1: waits"] = end - begin - (work + edges) / slots
    items["stop, summary"] = ended - last
    return items


def times_of(search: Path) -> list[dict[str, Any]]:
    """Start, end and training time of every trial, in seconds since the epoch."""
    trials: dict[str, dict[str, Any]] = {}
    with sqlite3.connect(f"{(search / 'db' / 'nni.sqlite').as_uri()}?mode=ro", uri=True) as base:
        events = base.execute(
            "SELECT trialJobId, event, timestamp, data, message FROM TrialJobEvent ORDER BY rowid"
        )
        for trial, event, at, data, _ in events:
            mine = trials.setdefault(trial, {})
            if data and "step" not in mine:
                mine["step"] = json.loads(data)["parameters"]["step"]
            if event == "RUNNING" or "start" not in mine:
                mine["start"] = at / 1000
            if event in ENDED:
                mine["end"] = at / 1000
    for trial, mine in trials.items():
        place = next(search.glob(f"environments/*/trials/{trial}"))
        lines = (place / "metrics.jsonl").read_text().splitlines()
        mine["training"] = json.loads(lines[-1])["seconds"]
        # NNI may be stopped before it has written the last trial's end down.
        mine.setdefault("end", (place / "result.json").stat().st_mtime)
    return list(trials.values())


def result_of(found: dict[str, Any]) -> dict[str, Any]:
    """What must not differ between the two."""
    best = found["best"]
    losses = {row["stride_path"]: row["loss"] for row in found["paths"]}
    tests = {name: scores["word_accuracy"] for name, scores in (best.get("test") or {}).items()}
    return {
        "losses": losses,
        "found": found["found"],
        "trained": best["architecture"],
        "validation": best["word_accuracy"],
        "test": tests,
    }


def table(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Medians of both, in Markdown."""
    names = list(runs)
    lines = [f"| seconds | {' | '.join(names)} |", "| --- | " + " | ".join("---" for _ in names) + " |"]

    def middle(values: list[float]) -> str:
        return f"{statistics.median(values):.1f}"

    for item in ITEMS:
        lines.append(f"| {item} | {' | '.join(middle([r['items'][item] for r in runs[n]]) for n in names)} |")
    whole = {name: statistics.median(run["seconds"] for run in runs[name]) for name in names}
    lines.append(f"| **whole** | {' | '.join(f'**{whole[name]:.1f}**' for name in names)} |")
    every = "; ".join(f"{n}: {', '.join(format(r['seconds'], '.1f') for r in runs[n])}" for n in names)
    pairs = [b["seconds"] / a["seconds"] for b, a in zip(runs[names[0]], runs[names[-1]], strict=True)]
    lines += ["", f"Every run: {every}. Ratio of the medians {whole[names[0]] / whole[names[-1]]:.2f}."]
    lines.append(f"Ratio of every pair: {', '.join(f'{pair:.2f}' for pair in pairs)}.")
    for name in names:
        results = [run["result"] for run in runs[name]]
        for seed, result in enumerate(results if len({json.dumps(r) for r in results}) > 1 else results[:1]):
            lines.append(f"Result {seed + 1} of {name}: {json.dumps(result)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", default="702cd85", help="commit to compare with")
    parser.add_argument("--after", default="HEAD", help="commit to measure")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--same", action="store_true", help="the same words and nets for both")
    parser.add_argument("--short", action="store_true", help="a tenth of the images, a tenth of the words")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {args.before: [], args.after: []}
    with tempfile.TemporaryDirectory(prefix="autostr-quickstart-") as place:
        folder = Path(place)
        sites = {commit: unpack(commit, folder / f"code-{i}") for i, commit in enumerate(runs)}
        examples = {commit: site.parent / "examples" / "quickstart" for commit, site in sites.items()}
        if args.short:
            for example in examples.values():
                shorten(example / "recipe.yml")
        if args.same:
            words = render(sites[args.after], examples[args.after], folder / "rendered")
            for commit, site in sites.items():
                pin(site, examples[commit], words)
        for number in range(args.runs):
            for commit, site in sites.items():
                seed = number if args.same else None
                run = run_once(site, examples[commit], folder / f"run-{number}-{commit}", seed)
                runs[commit].append(run)
                print(f"run {number + 1} of {commit}: {run['seconds']:.1f} s", file=sys.stderr, flush=True)
    print(json.dumps(runs, indent=1) if args.json else table(runs))


if __name__ == "__main__":
    main()
