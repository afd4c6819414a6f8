"""Measure how long the backbone of every net of the table takes, on a machine that does nothing else.

    python -m benchmarks.net_table.latency [--runtime onnxruntime-cpu] [--rounds 5]

Writes latency.json: the machine, and for every net the median over the rounds, each in an order of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median

from autostr_nni.latency.runtime import start
from autostr_nni.latency.settings import RUNTIMES, Settings, machine
from autostr_nni.search_spaces.architecture import Architecture
from benchmarks.net_table import rows as table
from benchmarks.net_table.training import recipe

LATENCY = Path(__file__).with_name("latency.json")


def load(file: Path = LATENCY) -> dict[str, float]:
    """Milliseconds an image of every net, by its text; none where nothing was measured."""
    return json.loads(file.read_text(encoding="utf-8"))["ms"] if file.exists() else {}


def measure(texts: list[str], settings: Settings, rounds: int) -> dict[str, float]:
    """Milliseconds of one pass of a batch of every net's backbone: medians over rounds and passes."""
    space = recipe().space()
    runtime = start(space, settings)
    nets = {text: Architecture.parse(text, space) for text in texts}
    found: dict[str, list[int]] = {text: [] for text in texts}
    for number in range(rounds):
        for text in random.Random(number).sample(texts, len(texts)):
            found[text] += runtime.whole(nets[text])
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return {text: round(median(passes) / 1e6, 4) for text, passes in found.items()}


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.net_table.latency")
    parser.add_argument("--rows", type=Path, default=table.TABLE)
    parser.add_argument("--runtime", choices=RUNTIMES, default="onnxruntime-cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=LATENCY)
    args = parser.parse_args()
    settings = Settings(runtime=args.runtime)
    settings.check()
    texts = sorted({row["architecture"] for row in table.load(args.rows)})
    ms = measure(texts, settings, args.rounds)
    content = {"settings": asdict(settings), "machine": machine(settings), "rounds": args.rounds, "ms": ms}
    args.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
