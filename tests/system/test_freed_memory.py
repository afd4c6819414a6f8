"""Freed memory stays with the process, where glibc can be told so."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from autostr_nni.system.freed_memory import keep_freed_memory

FAULTS = """
import resource, sys
from autostr_nni.system.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def touch():
    block = bytearray(b"x") * (64 << 20)
    del block
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_second_large_block_costs_no_new_pages():
    assert faults("keep") < 100 < 1000 < faults("leave")


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False
