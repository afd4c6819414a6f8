"""Threads that leave a core to others and do not spin while they wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from autostr_nni.nni.manager.launcher import manager_environment
from autostr_nni.system import threads
from autostr_nni.training.device_setup import prepare_torch, restored_threads


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("cores", "processes", "expected"), [(1, 1, 1), (2, 1, 1), (2, 2, 1), (8, 1, 7), (8, 2, 3), (16, 4, 3)]
)
def test_a_core_is_left_to_others(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, expected: int
) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    assert threads.default_threads(processes) == expected
    environment = manager_environment("127.0.0.1", processes, owned=False)
    assert environment["OMP_NUM_THREADS"] == str(expected)
    assert environment["OMP_WAIT_POLICY"] == "passive"


def test_what_the_user_says_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert threads.default_threads(3) == 5
    assert manager_environment("127.0.0.1", 3, owned=False)["OMP_WAIT_POLICY"] == "active"
    spinning = {"GOMP_SPINCOUNT": "1000"}
    threads.wait_asleep(spinning)
    assert spinning == {"GOMP_SPINCOUNT": "1000"}


def test_a_training_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from autostr_nni.recipe import Recipe

    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    recipe = Recipe.model_validate({"data": {"train": ["a"], "validation": ["b"]}})
    with restored_threads():
        prepare_torch(recipe.seed, recipe.training.threads)
        assert torch.get_num_threads() == 3
        prepare_torch(recipe.seed, 2)
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", None), ("250000 100000", 2), ("50000 100000", 1), ("odd", None)]
)
def test_a_containers_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, cores: int | None
) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    monkeypatch.setattr(threads, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    assert threads.usable_cores() == (cores or 64)


@pytest.mark.parametrize(
    "code",
    [
        "import autostr_nni.cli.main as m; m.main(['evaluate', 'none.ckpt', 'none'])",
        "import os; from autostr_nni.warm.server import import_all; "
        "assert import_all()['OMP_WAIT_POLICY'] == 'passive'",
    ],
    ids=["command", "warm process"],
)
def test_openmp_is_told_in_time(code: str) -> None:
    """OpenMP itself says how it will wait when torch loads it."""
    environment = {**os.environ, "OMP_DISPLAY_ENV": "true"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr, done.stderr


def test_more_threads_than_cores_are_told_once_and_not_used(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    with restored_threads():
        for _ in range(2):
            prepare_torch(0, 1000)
            assert torch.get_num_threads() == 2
    told = "training.threads is 1000, and this machine has 2 cores to use: 2 it is\n"
    assert capfd.readouterr().err == told
