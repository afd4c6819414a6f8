"""The guide for contributors and the changelog are of the tree as it is."""

from __future__ import annotations

import re
from pathlib import Path

from autostr_nni import __version__

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_map_has_every_room() -> None:
    folders = {
        file.parent
        for name in ("autostr_nni", "search_spaces", "strategies")
        for file in (ROOT / name).rglob("*.py")
    }
    rooms = {str(folder.relative_to(ROOT)) for folder in folders} - {"autostr_nni"}
    assert rooms - set(re.findall(r"^\|.*\]\(([\w/]+)\)", GUIDE, re.M)) == set()


def test_files_that_the_guide_names_are_there() -> None:
    files = re.findall(r"`(\w+/[\w/]*\.(?:py|cfg))`", GUIDE)
    assert len(files) > 10
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_version_heads_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)$", changelog, re.M)[0] == __version__
