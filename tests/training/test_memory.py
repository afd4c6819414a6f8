"""Memory that runs out is told with the recipe's key and a value to try."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import torch

from autostr_nni.cli.main import _complain
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.reading.memory import OutOfMemory, explanation
from autostr_nni.training.run_trial import run_proposal

GPU = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 7.79 GiB"
CPU = "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"
SHM = (
    "DataLoader worker (pid 88) is killed by signal: Bus error. It is possible that dataloader's workers are "
    "out of shared memory. Please try to raise your shared memory limit."
)


def silent(metrics: dict[str, Any], final: bool) -> None:
    pass


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (torch.OutOfMemoryError(GPU), "out of memory on the GPU: write training.batch_size: 32 (it is 64)"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"), "out of memory on the GPU: "),
        (RuntimeError(CPU), "out of memory: write training.batch_size: 32 (it is 64)"),
        (RuntimeError("std::bad_alloc"), "out of memory: "),
        (MemoryError(), "out of memory: "),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "out of memory: "),
        (RuntimeError("DataLoader worker (pid 8) is killed by signal: Killed. "), "a process was killed, "),
        (RuntimeError("DataLoader worker (pid(s) 2089) exited unexpectedly"), "a process was killed, "),
        (RuntimeError(SHM), "the shared memory (/dev/shm) is too small for the loader processes: "),
        (RuntimeError("shape '[2]' is invalid for input of size 3"), None),
        (OSError(errno.ENOENT, "No such file"), None),
    ],
)
def test_what_is_said(error, start):
    sentence = explanation(error, "training.batch_size", 64)
    if start is None:
        assert sentence is None
    else:
        assert sentence.startswith(start) and "training.batch_size: 32 (it is 64)" in sentence
        assert "\n" not in sentence
    one = explanation(error, "training.batch_size", 1)
    assert start is None or "training.batch_size is 1 already" in one


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError, MemoryError])
@pytest.mark.parametrize(
    ("step", "changes", "key"),
    [
        ("train", {}, "training.batch_size: 4 (it is 8)"),
        ("operators", {}, "training.batch_size: 4 (it is 8)"),
        ("operators", {"search.operators.batch_size": 6}, "search.operators.batch_size: 3 (it is 6)"),
    ],
)
def test_a_step_that_does_not_fit(tmp_path, monkeypatch, make_recipe, steps, step, changes, key, kind):
    def loss(*_: Any) -> None:
        raise kind(GPU if kind is torch.OutOfMemoryError else CPU)

    monkeypatch.setattr(Recognizer, "loss", loss)
    with pytest.raises(OutOfMemory, match="^out of memory") as caught:
        run_proposal(steps[step], make_recipe(changes), tmp_path, silent)
    assert key in str(caught.value)


def test_an_evaluation_that_does_not_fit_names_its_own_key(tmp_path, monkeypatch, make_recipe, steps):
    def features(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("autostr_nni.reading.evaluation.Reader.add", features)
    with pytest.raises(OutOfMemory, match=r"write evaluation\.batch_size: 2 \(it is 4\)"):
        run_proposal(steps["path"], make_recipe(), tmp_path, silent)


def test_a_last_evaluation_that_does_not_fit_names_its_own_key(tmp_path, monkeypatch, make_recipe, steps):
    """After the training, on the test sets."""
    from autostr_nni.reading.evaluation import Reader

    class Full(Reader):
        def add(self, batch: Any) -> None:
            raise RuntimeError(CPU)

    monkeypatch.setattr("autostr_nni.reading.evaluation.Reader", Full)
    with pytest.raises(OutOfMemory, match=r"write evaluation\.batch_size: 2 \(it is 4\)"):
        run_proposal(steps["train"], make_recipe(), tmp_path, silent)


def test_a_loader_process_that_is_killed(tmp_path, monkeypatch, make_recipe, steps):
    main = os.getpid()

    def killed(*_: Any) -> None:
        if os.getpid() != main:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr("autostr_nni.data.loader.random.seed", killed)
    with pytest.raises(OutOfMemory, match="a process was killed, as the system does when memory runs out"):
        run_proposal(steps["path"], make_recipe({"data.workers": 1}), tmp_path, silent)


def test_the_command_says_the_sentence_alone(capsys):
    assert _complain(OutOfMemory("out of memory: write training.batch_size: 4 (it is 8)")) == 1
    assert capsys.readouterr().err == (
        "autostr: error: out of memory: write training.batch_size: 4 (it is 8)\n"
    )


def test_a_real_limit(tmp_path):
    """A process with little room beyond what torch takes asks for a batch that does not fit."""
    code = (
        "import resource, torch; from autostr_nni.reading.memory import memory_told\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**26,) * 2)\n"
        "with memory_told('training.batch_size', 64): torch.ones(2**26)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].endswith("out of memory: write training.batch_size: 32 (it is 64)")
