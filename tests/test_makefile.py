"""The Makefile's commands in a folder whose name is not one word for a shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_types_in_a_folder_with_a_space_and_a_quote(tmp_path: Path) -> None:
    folder = tmp_path / "my project's"
    for package in ("autostr_nni", "search_spaces", "strategies", ".venv/bin"):
        (folder / package).mkdir(parents=True)
    (folder / "autostr_nni/trial.py").write_text("TRIAL = 1\n")
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("setup.cfg", "pyproject.toml", ".venv/bin/python", ".venv/.installed-dev"):
        (folder / name).touch()
    checker = folder / ".venv/bin/mypy"
    checker.write_text('#!/bin/sh\ncat "$MYPYPATH/autostr_nni/trial.py"\nls "$MYPYPATH/autostr_nni"\n')
    checker.chmod(0o755)
    done = subprocess.run(["make", "--silent", "types"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["TRIAL", "=", "1", "search_spaces", "strategies", "trial.py"]
