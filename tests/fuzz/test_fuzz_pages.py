"""Names and texts of other people's files in the report: shown, and never run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from autostr_nni.cli.main import main

SCRIPT = "<script>alert(1)</script>"
EVENT = '"><img src=x onerror=alert(2)>'


def test_a_report_runs_nothing(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search = tmp_path / "<script>alert(3)<" / "b>"
    shutil.copytree(good / "search", search)
    state = json.loads((search / "state.json").read_text())
    failed = {"id": "path-x", "parameters": {"step": "path", "stride_path": SCRIPT}, "metrics": None}
    state["state"]["trials"].append({**failed, "status": "failed", "reason": EVENT})
    (search / "state.json").write_text(json.dumps(state))
    recipe = json.loads((search / "recipe.json").read_text())
    recipe["data"]["test"] = {SCRIPT: "words"}
    recipe["data"]["charset"] = "".join(dict.fromkeys(SCRIPT + EVENT))
    (search / "recipe.json").write_text(json.dumps(recipe))
    for place in (search / "trials").iterdir():
        result = json.loads((place / "result.json").read_text())
        result["test"] = {SCRIPT: result["test"]["numbers"], EVENT: result["test"]["numbers"]}
        (place / "result.json").write_text(json.dumps(result))
    trained = search / "trials" / "train"
    result = {
        "parameters": {"step": "train", "stride_path": SCRIPT, "op_01": EVENT},
        "metrics": {"default": 0.5},
    }
    (trained / "result.json").write_text(json.dumps({**result, "test": {SCRIPT: {"words": 3, "correct": 1}}}))

    assert main(["report", str(search), str(good / "search"), "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert not re.search(r"<script|<img[^>]*onerror|javascript:", page, re.IGNORECASE)
    figures = list((tmp_path / "report" / "figures").glob("*.svg"))
    assert figures
    for figure in figures:
        assert not re.search(r"<script|onerror=", figure.read_text(encoding="utf-8"), re.IGNORECASE), figure
    capsys.readouterr()
