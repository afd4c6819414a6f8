"""Seconds from a command to the first training step: of a trial by itself, of one forked warm, of a search.

    python benchmarks/start.py [--runs 7] [--searches 3] [--folder DIR] [--json]

On the quickstart (`--folder`: a copy of it; a temporary one without). One process at a time. *cold* is a
trial's command as `nnictl create` starts it; *warm* the same under `autostr search`, once the process that
keeps imports warm is ready. A search is timed until its first trial has its net, just before the first step,
through NNI and in this process, and is then interrupted. Medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = Path(__file__).stem
SEARCHES = {"through NNI": (), "through NNI, trials cold": (), "in this process": ("--in-process",)}
# What the imports of a trial consist of: each on top of those before it.
IMPORTS = {
    "nni": "import of nni",
    "torch": "import of torch",
    "pytorch_lightning": "import of Lightning",
    "autostr_nni.training.run_trial": "import of the rest",
}


def probe(recipe_path: Path, started: float) -> None:
    """A trial until its first step is done; prints seconds by part. `started`: its command's `monotonic`."""
    from autostr_nni.search_spaces.stride_path import StridePath

    marks = [("process", started, time.monotonic())]

    def mark(name: str) -> None:
        marks.append((name, marks[-1][2], time.monotonic()))

    from autostr_nni.recipe import load_recipe

    recipe = load_recipe(recipe_path)
    mark("recipe")
    for module, name in IMPORTS.items():
        __import__(module)
        mark(name)
    from autostr_nni.search_spaces import nni_space
    from autostr_nni.training import one_net, run_trial
    from autostr_nni.training.net_task import RecognitionTask

    spent: dict[str, float] = {}

    def timed(name: str, function: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            begin = time.monotonic()
            try:
                return function(*args, **options)
            finally:
                spent[name] = spent.get(name, 0.0) + time.monotonic() - begin

        return call

    def first(task: Any, *args: Any, **options: Any) -> None:
        step(task, *args, **options)
        spent["first step"] = spent.pop("step")
        total = time.monotonic() - started
        parts = {name: end - begin for name, begin, end in marks} | spent
        parts["Lightning's preparations and other"] = total - sum(parts.values())
        sys.__stdout__.write(json.dumps({**parts, "in all": total}) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
        os._exit(0)

    step = timed("step", RecognitionTask.training_step)
    RecognitionTask.training_step = first  # type: ignore[method-assign,assignment]
    one_net.open_set = timed("open data", one_net.open_set)  # type: ignore[attr-defined]
    nni_space.frozen_net = timed("build net", nni_space.frozen_net)  # type: ignore[attr-defined]
    path = StridePath.parse("ABABB", recipe.space().stage_layers).text(recipe.space().stage_layers)
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        parameters = {"step": "path", "stride_path": path}
        run_trial.run_proposal(parameters, recipe, Path(folder), lambda metrics, final: None)


@contextlib.contextmanager
def warm_process(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """The process that keeps imports warm, ready, with this file in the trial's place."""
    code = f"from autostr_nni.warm import child, server; child.MODULE = {NAME!r}; server.leave(server.main())"
    (folder / "serve.py").write_text(code)
    log = folder / "warm.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, str(folder / "serve.py"), str(folder / "warm")],
            stdin=subprocess.PIPE,
            stderr=stream,
            env=environment,
        )
    try:
        while "ready" not in log.read_text():
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.05)
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def time_trial(recipe: Path, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).resolve()), "--probe", str(recipe), repr(time.monotonic())]
    done = subprocess.run(command, env=environment, cwd=recipe.parent, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout))


def time_search(folder: Path, out: Path, options: tuple[str, ...], cold: bool) -> float:
    """Seconds from the command until a trial has written its architecture down: its net is built."""
    command = [sys.executable, "-m", "autostr_nni.cli.main", "search", str(folder / "two_step.yml")]
    environment = {**os.environ, "NNI_CONFIG_DIR": str(out / "nni")} | ({"AUTOSTR_COLD": "1"} if cold else {})
    began = time.time()
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        [*command, *options, "--out", str(out)], env=environment, cwd=folder, **streams
    ) as search:
        while not (built := [p.stat().st_mtime for p in out.rglob("architecture.json")]):
            if search.poll() is not None:
                sys.exit(search.stderr.read().decode() if search.stderr else 1)
            time.sleep(0.05)
        search.send_signal(signal.SIGTERM)
        search.communicate()
    return min(built) - began


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def measure(folder: Path, runs: int, searches: int, scratch: Path) -> dict[str, Any]:
    from autostr_nni.data.sets.prepare import prepare_data
    from autostr_nni.recipe import load_recipe

    recipe = folder / "recipe.yml"
    prepare_data(load_recipe(recipe), lambda line: print(line, file=sys.stderr))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    cold, warm = [], []
    with warm_process(scratch, environment):
        for _ in range(runs):
            cold.append(time_trial(recipe, environment))
            warm.append(time_trial(recipe, {**environment, "AUTOSTR_WARM": str(scratch / "warm")}))
    found: dict[str, Any] = {"trial": {"cold": medians(cold), "warm": medians(warm)}, "search": {}}
    for name, options in SEARCHES.items():
        seconds = [
            time_search(folder, scratch / f"{len(found['search'])}-{run}", options, "cold" in name)
            for run in range(searches)
        ]
        if seconds:
            found["search"][name] = statistics.median(seconds)
    return found


def table(found: dict[str, Any]) -> str:
    cold, warm = found["trial"]["cold"], found["trial"]["warm"]
    lines = ["| a run_trial, seconds | cold | warm |", "| --- | --- | --- |"]
    lines += [f"| {name} | {cold[name]:.2f} | {warm[name]:.2f} |" for name in cold]
    lines += ["", "| a search, until the first trial's net is built | seconds |", "| --- | --- |"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in found["search"].items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="trials, cold and warm in turn")
    parser.add_argument("--searches", type=int, default=3, help="starts of each kind of search")
    parser.add_argument("--folder", type=Path, help="a copy of examples/quickstart")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--probe", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.probe:
        from autostr_nni.warm.command import run_warm

        status = run_warm()
        if status is not None:
            sys.exit(status)
        probe(Path(args.probe[0]), float(args.probe[1]))
        return
    with tempfile.TemporaryDirectory(prefix="autostr-start-") as place:
        scratch = Path(place)
        folder = args.folder
        if folder is None:
            folder = shutil.copytree(ROOT / "examples" / "quickstart", scratch / "quickstart")
        found = measure(folder.resolve(), args.runs, args.searches, scratch)
    print(json.dumps(found, indent=1) if args.json else table(found))


if __name__ == "__main__":
    main()
