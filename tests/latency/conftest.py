"""A space of few blocks, and the runtime of `known_runtime`, which the tests of this folder may import."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from known_runtime import Known

from autostr_nni.latency import measure
from autostr_nni.search_spaces.space import SearchSpace


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    """Four layers, 8x16 to 1x4."""
    return SearchSpace(
        height=8,
        width=16,
        out_width=4,
        stem_width=8,
        stage_widths=(8, 16),
        stage_layers=(2, 2),
        operations=("k3e1", "k5e3", "skip"),
    )


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, space: SearchSpace) -> Known:
    """Takes the place of every runtime."""
    runtime = Known(space)
    monkeypatch.setattr(measure, "start", lambda space, settings: runtime)
    return runtime
