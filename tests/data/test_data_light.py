from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "modules",
    [
        "autostr_nni.data.charset, autostr_nni.data.sets.lmdb_io, autostr_nni.data.decoding.images",
        "autostr_nni.data.synth.spec",
        "autostr_nni.data.synth.produce, autostr_nni.data.sets.pack, autostr_nni.data.sets.check",
    ],
)
def test_torch_stays_unimported(modules: str) -> None:
    code = (
        f"import sys, {modules}; print([m for m in ('torch', 'wordfreq', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_starts_light() -> None:
    heavy = ("torch", "numpy", "PIL", "lmdb")
    code = f"import sys, autostr_nni.cli.commands.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
