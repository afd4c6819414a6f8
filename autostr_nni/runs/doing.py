"""What a trial is busy with before its first step, which takes half a minute and more on a GPU. Light."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from autostr_nni.runs.layout import PULSE
from autostr_nni.system.json_text import read_lines

STARTS = "starting"  # Python, and what is imported
PREPARES = "preparing words"  # renders them where that has not been done
OPENS = "opening sets"
PLANS = "opening sets while the GPU plans"
BEGINS = "at the first step"


def tell_doing(folder: Path, doing: str | None) -> None:
    """Note it in the trial's folder, for whoever shows the search's progress; None: what it is there for."""
    with contextlib.suppress(OSError):  # only the progress line misses it
        folder.mkdir(parents=True, exist_ok=True)
        content = {} if doing is None else {"doing": doing}
        (folder / PULSE).write_text(json.dumps(content) + "\n", encoding="utf-8")


def doing_in(folder: Path) -> str:
    """What the trial in ``folder`` said last; empty once it trains."""
    return next((str(line.get("doing", "")) for line in read_lines(folder / PULSE)[-1:]), "")
