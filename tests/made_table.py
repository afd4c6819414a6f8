"""A latency table of a space whose figures are made up, and the file that `autostr measure` leaves of one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.latency import FORMAT, VERSION, LatencyTable, blocks_of
from autostr_nni.search_spaces.space import SearchSpace


def made_table(space: SearchSpace, seed: int = 0) -> LatencyTable:
    """Every block takes 50 to 500 microseconds, whatever its MACs; skips take next to nothing."""
    rng = random.Random(seed)
    blocks = {
        block: rng.randrange(50_000, 500_000) // (100 if block[0] == "skip" else 1)
        for block in blocks_of(space)
    }
    stem = (space.stem_width, space.height, space.width)
    return LatencyTable("made up, 1 thread", -12_345, 123_456, blocks, stem)


def made_price(space: SearchSpace, seed: int = 0) -> Price:
    """Latencies by the table."""
    return Price("latency", made_table(space, seed))


def content_of(table: LatencyTable) -> dict[str, Any]:
    """What its file holds."""
    channels, height, width = table.stem
    return {
        "format": FORMAT,
        "version": VERSION,
        "device": table.device,
        "batch": table.batch,
        "constant_ns": table.constant_ns,
        "stem": {"channels": channels, "height": height, "width": width, "ns": table.stem_ns},
        "blocks": [[*block, ns] for block, ns in table.blocks.items()],
        "check": {"median_error": 0.04},
    }


def write_table(path: Path, table: LatencyTable) -> Path:
    """Write the file."""
    path.write_text(json.dumps(content_of(table)), encoding="utf-8")
    return path
