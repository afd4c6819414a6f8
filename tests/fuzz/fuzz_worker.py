"""Runs commands in a process that may die or hang, and judges how they end.

The process calls `autostr_nni.cli.main.main` again and again, so that a command costs no start of Python. It
may take so much memory and no more. What would run for long or start servers is cut off behind the reading
of its input: trials and NNI's manager.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 10.0  # of computing that a command may take
PATIENCE = 60.0  # seconds by the clock: other programs may be using the cores
MEGABYTES = 700  # that a command may need beyond what the process has anyway
ADDRESS_SPACE = 4 << 30  # bytes beyond it that it may ask for

REFUSED, COUNTED, ACCEPTED = "refused", "counted", "accepted"


@dataclass(frozen=True)
class Ending:
    """How a command ended: exit status, its output, seconds of computing and megabytes that it took."""

    status: int
    out: str
    err: str
    seconds: float
    megabytes: float


class Reader:
    """The process, started anew when it dies."""

    def __init__(self, good: Path, folder: Path) -> None:
        self.good, self.folder = good, folder
        self._log = folder / "faults.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Reader:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, argv: list[str], folder: Path) -> Ending:
        """Run a command in a folder. AssertionError where it kills the process, or does not return."""
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps({"argv": argv, "folder": str(folder)}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer is not None:
            return Ending(**answer)
        ended = self._process.poll()
        if ended is None:
            self._process.send_signal(signal.SIGABRT)  # faulthandler tells where it hangs
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self._end()
        how = f"hung for {PATIENCE:.0f} s" if ended is None else f"died with {ended}"
        trace = self._log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise AssertionError(f"the interpreter {how} in {folder} with {argv}\n{trace}")

    def _start(self) -> None:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONUTF8": "1",
            "HOME": str(self.folder),  # no experiment of this machine is seen
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "MPLCONFIGDIR": str(self.folder / "matplotlib"),
        }
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self.good), str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        first = self._answer(180)
        assert first is not None, self._log.read_text(errors="replace")

    def _answer(self, patience: float = PATIENCE) -> dict[str, Any] | None:
        assert self._process is not None and self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], patience)
        line = self._process.stdout.readline() if ready else ""
        return json.loads(line) if line else None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with contextlib.suppress(OSError):
                    pipe.close()
            self._process = None


_SENTENCE = re.compile(r"^autostr: error: (.+)$")


def judge(ending: Ending, names: Iterable[str], counted: str | None = None) -> str:
    """Say how an input was taken; AssertionError where it was taken badly.

    Args:
        names: of files and keys, one of which a refusal must tell.
        counted: pattern of output that tells a skip where a command ends with status 1.
    """
    told = f"\nstatus {ending.status}\n{ending.out[-1500:]}\n{ending.err[-3000:]}"
    assert "Traceback" not in ending.err + ending.out, told
    assert "--debug shows where" not in ending.err, f"an error that nobody expected{told}"
    assert "Exception ignored" not in ending.err, told
    assert ending.seconds < SECONDS, f"{ending.seconds:.1f} s of computing{told}"
    assert ending.megabytes < MEGABYTES, f"{ending.megabytes:.0f} MB{told}"
    if ending.status == 0:
        return ACCEPTED
    if ending.status == 1:
        assert counted and re.search(counted, ending.out + ending.err), told
        return COUNTED
    assert ending.status == 2, told
    lines = ending.err.splitlines()
    sentences = [match[1] for line in lines if (match := _SENTENCE.match(line))]
    assert len(lines) == len(sentences) == 1, f"not one sentence{told}"
    assert len(sentences[0]) < 2000, told
    assert any(name in sentences[0] for name in names), f"names none of {list(names)}{told}"
    return REFUSED


# -- within the process


def _serve(good: Path, folder: Path) -> None:
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    faults = os.dup(2)
    faulthandler.enable(file=faults)
    sys.path.insert(0, str(Path(__file__).parent))
    import fuzz_good

    _cut_off()
    if not any(good.iterdir()):
        fuzz_good.make(good)
    _warm_up(good, folder)
    limit = _status("VmSize") * 1024 + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    print("{}", file=replies, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        os.chdir(task["folder"])
        print(json.dumps(_run(task["argv"], folder)), file=replies, flush=True)


def _run(argv: list[str], folder: Path) -> dict[str, Any]:
    """Run a command with all that it writes caught, that of C libraries too."""
    from autostr_nni.cli.main import main

    own = sys.stdout, sys.stderr
    files = [(folder / name).open("w+", encoding="utf-8", errors="replace") for name in ("out", "err")]
    for number, file in enumerate(files, 1):
        os.dup2(file.fileno(), number)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory starts again
    before, started = _status("VmRSS"), time.process_time()
    sys.stdout, sys.stderr = files
    try:
        status = main(argv)
    except SystemExit as end:  # argparse
        status = end.code if isinstance(end.code, int) else 3
    finally:
        seconds, megabytes = time.process_time() - started, (_status("VmHWM") - before) / 1024
        sys.stdout, sys.stderr = own
        for file in files:
            file.flush()
    texts = []
    for file in files:
        file.seek(0)
        texts.append(file.read())
        file.close()
    return {
        "status": status, "out": texts[0], "err": texts[1], "seconds": seconds, "megabytes": megabytes
    }  # fmt: skip


def _status(key: str) -> int:
    """A line of /proc/self/status, in KiB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"{key}:\s+(\d+)", text)
    return int(found[1]) if found else 0


def _cut_off() -> None:
    """Replace what lies behind the reading of inputs: trials, and the start of NNI's manager."""
    import nni.experiment

    from autostr_nni.report.figures import pictures
    from autostr_nni.training import run_trial

    def not_run(*_: Any, **__: Any) -> Any:
        raise RuntimeError("not run here")

    run_trial.run_proposal = not_run
    nni.experiment.Experiment.start = not_run  # type: ignore[method-assign]
    drawn = pictures.draw_all
    turn = iter(range(10**9))
    # Drawing takes seconds and sees what the tables see: one report in eight has its pictures.
    pictures.draw_all = lambda report: [] if next(turn) % 8 else drawn(report)


def _warm_up(good: Path, folder: Path) -> None:
    """Import what commands import, so that the measures are of the commands."""
    os.chdir(good)
    shutil.rmtree(folder / "warm", ignore_errors=True)
    for argv in (
        ["evaluate", "net.ckpt", "words", "--device", "cpu"],
        ["read", "net.ckpt", "word.png"],
        ["describe", "net.json"],
        ["data", "check", "words"],
        ["report", "search", "--out", str(folder / "warm")],
    ):
        done = _run(argv, folder)
        assert done["status"] == 0, done["err"]


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]))
