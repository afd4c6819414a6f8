"""The faults that are tried, and the table of what they cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType

from fault_strategies import STRATEGIES

HEAD = "| fault | where | what was done | what was lost | seconds |\n| --- | --- | --- | --- | --- |\n"

GOES_ON = "nothing: the search goes on by itself"
RESUME = "`autostr resume`"

# By name: the fault, where it strikes, and what is done about it.
CASES: dict[str, tuple[str, str, str]] = {
    "path-kill": ("kill -9 of a path trial, in its second epoch", "NNI", GOES_ON),
    "operators-kill": ("kill -9 of the supernet trial, in the middle of its second epoch", "NNI", GOES_ON),
    "tuner-kill": ("kill -9 of the tuner", "NNI", RESUME),
    "manager-kill": ("kill -9 of the manager", "NNI", RESUME),
    "search-kill": ("kill -9 of `autostr search`", "NNI", RESUME),
    "path-term": ("SIGTERM of a path trial, in its second epoch", "NNI", GOES_ON),
    "operators-term": ("SIGTERM of the supernet trial, in the middle of its second epoch", "NNI", GOES_ON),
    "tuner-term": ("SIGTERM of the tuner", "NNI", RESUME),
    "manager-term": ("SIGTERM of the manager", "NNI", RESUME),
    "search-term": ("SIGTERM of `autostr search`", "NNI", RESUME),
    "search-int": ("SIGINT (Ctrl-C) of `autostr search`", "NNI", "`nnictl resume`"),
    "everything-kill": ("kill -9 of all its processes at once", "NNI", RESUME),
    **{
        f"deaths-{strategy}": (
            f"trials that die early and late, four at a time; kill -9 of all processes: {strategy}",
            "NNI",
            RESUME,
        )
        for strategy in STRATEGIES
    },
    "nni-checkpoint-full": ("no space while a trial saves its checkpoint", "NNI", "space, then " + RESUME),
    "nni-state-full": ("no space while the tuner saves its state", "NNI", "space, then " + RESUME),
    "nni-checkpoint-cut": ("`last.ckpt` of a trial in flight cut in half", "NNI", RESUME),
    "nni-state-cut": ("`autostr_state.json` cut in half", "NNI", RESUME),
    "nni-state-cut-20": ("`autostr_state.json` cut at 20 random places", "the tuner", "it is started again"),
    "nni-states-lost": (
        "`autostr_state.json` and the state before it cut",
        "the tuner",
        "it is started again",
    ),
    "kill-25": ("kill -9 at 25 random moments", "in-process", "the same command again, 25 times"),
    **{
        f"kill-10-{strategy}": (
            f"kill -9 at 10 random moments: {strategy}",
            "in-process",
            "the same command and " + RESUME + " in turn",
        )
        for strategy in STRATEGIES
    },
    "in-process-kill": ("kill -9 in the middle of an epoch of the supernet", "in-process", RESUME),
    "in-process-term": ("SIGTERM in the middle of an epoch of the supernet", "in-process", RESUME),
    "in-process-int": ("SIGINT (Ctrl-C) in the middle of an epoch of the supernet", "in-process", RESUME),
    "checkpoint-full": ("disk full while a checkpoint is saved", "in-process", "space, then " + RESUME),
    "state-full": ("disk full while `state.json` is saved", "in-process", "space, then " + RESUME),
    "checkpoint-cut-20": ("`last.ckpt` cut at 20 random places", "in-process", "the trial is started again"),
    "checkpoints-lost": ("`last.ckpt` and the one before it cut", "in-process", "the trial is started again"),
    "state-cut-20": ("`state.json` cut at 20 random places", "in-process", RESUME),
    "states-lost": ("`state.json` and the state before it cut", "in-process", RESUME),
}


@dataclass
class Row:
    """What became of one case: `lost` in words, and the seconds until the search had ended or gone on."""

    name: str
    lost: str | None = None
    seconds: float | None = None

    def __enter__(self) -> Row:
        self._start = time.monotonic()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            assert self.lost, "say what was lost"
            self.seconds = time.monotonic() - self._start


def with_table(page: str, text: str) -> str:
    """A page with `text` between its marks, in the place of the table of the run before."""
    head, begin, rest = page.partition("<!-- faults -->\n")
    _, end, tail = rest.partition("<!-- end of faults -->")
    assert begin and end, "the page has no marks for the table of faults"
    return head + begin + text + end + tail


def table(rows: dict[str, Row]) -> str:
    """Markdown, a line per case; a case without a row has failed or was not run."""
    lines = []
    for name, (what, where, done) in CASES.items():
        row = rows.get(name)
        held = row is not None and row.seconds is not None
        lost = row.lost if row is not None and held else "**it failed**" if row else "(not run)"
        seconds = f"{row.seconds:.0f}" if row is not None and row.seconds is not None else ""
        lines.append(f"| {what} | {where} | {done} | {lost} | {seconds} |\n")
    return HEAD + "".join(lines)
