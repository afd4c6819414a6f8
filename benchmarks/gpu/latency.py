"""Latency tables of the paper's space on a GPU, and how MACs and time rank the nets that check them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from autostr_nni.latency.measure import measure
from autostr_nni.latency.settings import Settings
from autostr_nni.search_spaces.space import SearchSpace

#: Minutes of a table's rounds; three are made at least.
MINUTES = 0.6


def latency(tiny: bool) -> dict[str, Any]:
    """Tables at batches of 1 and 64 in bfloat16: how well they predict, and the 20 nets of each check."""
    space, found = SearchSpace(), dict[str, Any]()
    if tiny:
        space = SearchSpace(width=32, out_width=8, stem_width=8, stage_widths=(8,) * 5, stage_layers=(1,) * 5)
    for batch in (1, 2) if tiny else (1, 64):
        settings = Settings("torch-cuda", batch=batch, precision="bfloat16")
        if not torch.cuda.is_available():
            settings = Settings("torch-cpu", batch=batch)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table.json"
            table = measure(space, settings, file, 0.0 if tiny else MINUTES, lambda line: None)
        check = table["check"]
        nets = check.pop("nets")
        found[table["device"]] = {"rounds": table["rounds"], "constant_ns": table["constant_ns"], **check}
        for number, net in enumerate(sorted(nets, key=lambda net: net["measured_ns"]), 1):
            found[f"batch {batch}, net {number}"] = {
                "M MACs": round(net["macs"] / 1e6, 1),
                "ms": round(net["measured_ns"] / 1e6, 3),
                "predicted ms": round(net["predicted_ns"] / 1e6, 3),
            }
    return found
