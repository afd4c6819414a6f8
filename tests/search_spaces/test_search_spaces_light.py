"""The description of the search space is usable where torch is not loaded."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from autostr_nni.search_spaces import (
    architecture, counting, latency, named, operations, path_set, space, stride_path
)
counting.total(counting.backbone_costs(named.lookup("autostr-iiit5k")[0], space.SearchSpace()))
heavy = {"torch", "nni", "numpy", "scipy", "pytorch_lightning", "lightning"} & set(sys.modules)
assert not heavy, heavy
"""


def test_light_modules_import_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
