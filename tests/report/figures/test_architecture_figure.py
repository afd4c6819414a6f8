"""Architectures drawn: the published net shows every block as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autostr_nni.cli.main import main
from autostr_nni.report.figures.architecture import draw_architecture
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.operations import parse
from autostr_nni.search_spaces.space import SearchSpace


def texts(name: str) -> list[str]:
    """All that is written in the drawing of a named architecture, title first."""
    architecture, stages = lookup(name)
    axes = draw_architecture(architecture, replace(SearchSpace(), stage_layers=stages)).axes[0]
    return [axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)]


def test_the_published_net() -> None:
    found = texts("autostr-iiit5k")
    assert found[0] == "path ABABB\n246.739 M MACs · 2 364 128 parameters"
    blocks = [text for text in found if text.startswith(("MBConv", "skip"))]
    six, three = "MBConv (k:5, e:6)", "MBConv (k:5, e:3)"
    assert blocks == [*[six] * 7, three, six, six, "MBConv (k:3, e:3)", three, three, "skip", "skip"]
    strides = [text for text in found if "↓" in text]
    assert strides == ["A ↓2×2", "B ↓2×1", "A ↓2×2", "B ↓2×1", "B ↓2×1"]
    sizes = [text for text in found if text.count("×") == 2 and text[0].isdigit()]
    assert sizes[:3] == ["3×32×100", "32×32×100", "32×16×50"] and sizes[-1] == "512×1×25"
    assert [text for text in found if text.startswith("stage")] == [f"stage {i}" for i in range(1, 6)]


def test_a_net_of_other_stages() -> None:
    found = texts("aster")
    assert found.count("residual 3×3") == 22 and "22" in found


def test_operations_differ_in_colour() -> None:
    names = ("k3e1", "k3e3", "k3e6", "k5e1", "k5e3", "k5e6", "skip", "res3")
    assert len({parse(name).fill for name in names}) == len(names)


@pytest.mark.parametrize("ending, start", [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_describe_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str, start: bytes
) -> None:
    out = tmp_path / f"net.{ending}"
    assert main(["describe", "autostr-iiit5k", "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert sum(block["macs"] for block in facts["blocks"]) == 246739200
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize("out", ["net.jpg", "net", "none/net.png"])
def test_what_cannot_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str) -> None:
    assert main(["describe", "autostr-iiit5k", "--out", str(tmp_path / out)]) == 2
    assert "--out" in capsys.readouterr().err
