"""A search's folder says which strategy it is; those of version 0.1 are told by their trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autostr_nni.runs.search_folder import RECORD, strategy_of


@pytest.mark.parametrize(
    ("trial", "told"),
    [("random-01", "random"), ("largest", "random"), ("halving-001", "halving"), ("path-ABABB", "two-step")],
)
def test_without_a_record_trials_tell(tmp_path: Path, trial: str, told: str) -> None:
    (tmp_path / "trials" / trial).mkdir(parents=True)
    assert strategy_of(tmp_path, None) == (told, None)
    assert strategy_of(tmp_path, {"strategy": "halving"}) == ("halving", None)
    (tmp_path / RECORD).write_text(json.dumps({"strategy": "mine:Mine", "code": "/code"}))
    assert strategy_of(tmp_path, {"strategy": "mine"}) == ("mine:Mine", "/code")
