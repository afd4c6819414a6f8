"""Measures one GPU in at most 6 minutes, with a time limit for each part; the rest goes on where one fails.

    python -m benchmarks.gpu [--out FILE] [--seconds 345] [--tiny]

Run from the repository's root. Each part is a process of its own and is written into FILE (runs/gpu.json) as
soon as it has ended: called again with the same FILE, parts that have succeeded are not run again. `--tiny`
takes small nets and batches and runs on a CPU too. `pack.py` beside this file carries what a machine without
network lacks. Exit status: 0, 1 where a part failed, 2 without a GPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: Parts in the order of their weight: the module that has them, and the seconds that each may take.
PARTS = {
    "correct": ("parts", 40),
    "steps": ("parts", 110),
    "search": ("parts", 50),
    "search_unplanned": ("parts", 70),
    "by_part": ("parts", 50),
    "floor": ("backbone", 40),
    "blocks": ("backbone", 40),
    "loader": ("loading", 60),
    "reading": ("parts", 30),
    "strided": ("backbone", 30),
    "latency": ("latency", 90),
    "in_process": ("parts", 60),
    "compile": ("parts", 150),
}
PATIENCE = 8  # times as long for --tiny, on a CPU that may have other work
LEAST = 5.0  # seconds without which a part is not begun


def main(argv: list[str] | None = None) -> int:
    """Run the parts, write the JSON and print the table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu.json"))
    parser.add_argument("--seconds", type=float, default=345.0)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    end = time.monotonic() + args.seconds
    import torch

    if not torch.cuda.is_available() and not args.tiny:
        print("benchmarks.gpu: torch sees no GPU here; --tiny tries the script on a CPU", file=sys.stderr)
        return 2
    if args.part:
        module = importlib.import_module(f"benchmarks.gpu.{PARTS[args.part][0]}")
        print(json.dumps(getattr(module, args.part)(args.tiny)))
        return 0
    found = kept(args.out, args.tiny)
    for name, (_, limit) in PARTS.items():
        if "error" in found["parts"].get(name, {"error": ""}):
            left = min(limit * (PATIENCE if args.tiny else 1), end - time.monotonic())
            found["parts"][name] = run(command_of(name, args.tiny), left)
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(found, indent=1) + "\n")
        show(name, found["parts"][name])
    return int(any("error" in part for part in found["parts"].values()))


def kept(path: Path, tiny: bool) -> dict[str, Any]:
    """What an earlier call on the same card has left, or the beginning of it."""
    import torch

    cuda = torch.cuda.is_available()
    about = {
        "card": torch.cuda.get_device_name() if cuda else "CPU",
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
        "cores": os.cpu_count(),
        "tiny": tiny,
    }
    try:
        before: dict[str, Any] = json.loads(path.read_text())
        if before["about"] == about:
            return before
    except (OSError, ValueError, KeyError):
        pass
    return {"about": about, "parts": {}}


def command_of(name: str, tiny: bool) -> list[str]:
    """What runs a part."""
    return [sys.executable, "-m", "benchmarks.gpu", "--part", name, *(["--tiny"] if tiny else [])]


def run(command: list[str], seconds: float) -> dict[str, Any]:
    """One part in a process of its own, which is ended with all that it started when its time is up."""
    if seconds < LEAST:
        return {"error": "no time left"}
    begun = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"error": f"not done in {seconds:.0f} s"}
    if process.returncode:
        return {"error": (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]}
    return {**json.loads(output.splitlines()[-1]), "seconds": round(time.monotonic() - begun, 1)}


def show(name: str, part: dict[str, Any]) -> None:
    """A part as lines of the table."""
    print(f"{name}:")
    for key, value in part.items():
        row = value if isinstance(value, dict) else {"": value}
        print(f"  {key:<44}" + "  ".join(f"{k} {v}".strip() for k, v in row.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
