"""The page has no password: who opens it to others is warned, who does not is not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autostr_nni.nni import search


@pytest.mark.parametrize(("host", "warnings"), [("127.0.0.1", 0), ("0.0.0.0", 1)])
def test_an_open_page_is_warned_of(
    host: str, warnings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[str] = []

    def start(experiment: Any, port: int, host: str, *rest: Any) -> Any:
        bound.append(host)
        return SimpleNamespace(id="abcdefgh", address=f"http://{host}:{port}", folder=tmp_path)

    monkeypatch.setattr(search, "start_experiment", start)
    lines: list[str] = []
    told = {"strategy_name": "random", "recipe": None, "concurrency": 1, "remote": False}
    search.run(SimpleNamespace(**told), None, host, True, lines.append)  # type: ignore[arg-type]
    assert bound == [host]
    said = [
        line for line in lines if line.startswith("warning: the page is open to everyone who reaches 0.0.0.0")
    ]
    assert len(said) == warnings and len([line for line in lines if "warning" in line]) == warnings
