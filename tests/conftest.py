"""A search small enough to be run for real: rendered numbers of one or two digits and nets of 8 channels."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

# Under nohup all tests, and the processes that they start, would be deaf to what some of them send.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

RECIPE: dict[str, Any] = {
    "seed": 5,
    "data": {"charset": "digits", "max_length": 2, "workers": 0},
    "model": {
        "image": [32, 32],
        "stem_width": 8,
        "stage_widths": [8, 8, 8, 8, 8],
        "stage_layers": [2, 1, 1, 1, 1],  # layer 2 keeps its shape, so that skip can be chosen
        "rectifier": {"enabled": False},
        "translator": {"encoder_layers": 1, "hidden": 8, "decoder": 16, "attention": 16, "embedding": 8},
    },
    "training": {"batch_size": 8, "epochs": 2, "epoch_images": 48, "threads": 1, "device": "cpu"},
    "evaluation": {"learnt_above": 0},  # nothing is learnt in so few steps
    "search": {
        "path": {"epochs": 3, "epoch_images": 48, "paths": ["AABBB", "ABABB"], "default_operation": "k3e1"},
        "operators": {
            "warmup_epochs": 1,
            "epochs": 2,
            "epoch_images": 48,
            "arch_every": 2,
            "arch_optimizer": {"lr": 0.1},
            "operations": ["k3e1", "k5e3", "skip"],
        },
    },
}
EXPERIMENT: dict[str, Any] = {
    "experimentName": "tiny",
    "trialCommand": "python -m autostr_nni.trial --recipe recipe.yml",
    "trialConcurrency": 2,
    "tuner": {"className": "autostr_nni.nni.tuner.TwoStepTuner", "classArgs": {"recipe": "recipe.yml"}},
    "trainingService": {"platform": "local"},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who leaves a test out of `make test` says why."""
    silent = [item.nodeid for item in items if any(not mark.args for mark in item.iter_markers("slow"))]
    if silent:
        raise pytest.UsageError(f"pytest.mark.slow(why) needs a reason: {', '.join(silent)}")


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Fails a test that leaves a set open or a process behind: tests after it would suffer by it."""
    processes, sets = _processes(), _open_sets()
    yield
    if _processes() - processes or _open_sets() - sets:
        gc.collect()  # an exception that a test has caught may have held them
        psutil.wait_procs(_processes() - processes, timeout=2)
    assert _processes() <= processes
    assert _open_sets() <= sets


def _processes() -> set[psutil.Process]:
    """Processes that this one has started, but the one that Python keeps for its own order."""
    found = set()
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if not any("multiprocessing.resource_tracker" in word for word in process.cmdline()):
                found.add(process)
    return found


def _open_sets() -> set[str]:
    """LMDB files that this process has open."""
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(os.readlink(handle))
    return {path for path in found if path.removesuffix(" (deleted)").endswith(".mdb")}


@pytest.fixture(scope="session")
def tiny_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the sets train (64 words), validation (24) and test (24)."""
    from autostr_nni.data.synth.glyphs import matplotlib_fonts
    from autostr_nni.data.synth.produce import synthesize

    folder = tmp_path_factory.mktemp("tiny_words")
    fonts = folder / "fonts"
    fonts.mkdir()
    shutil.copy(matplotlib_fonts() / "DejaVuSans.ttf", fonts)
    look = {"source": "digits:1-2", "style": "mild", "fonts": (str(fonts),), "system_fonts": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name, count in (("train", 64), ("validation", 24), ("test", 24)):
            synthesize(folder / name, count, processes=1, split=name, charset="digits", **look)
    return folder


@pytest.fixture(scope="session")
def tiny_search(tiny_words: Path) -> Callable[..., Path]:
    """Writes the tiny recipe and an experiment file over it into a folder, and returns the latter's path.

    Keywords are sections of the recipe, laid over its own: ``tiny_search(folder, training={"epochs": 1})``.
    """

    def write(folder: Path, **changes: Mapping[str, Any]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        sets = {"train": [tiny_words / "train"], "validation": [tiny_words / "validation"]}
        data = {key: [str(path) for path in paths] for key, paths in sets.items()}
        content = _over(RECIPE, {"data": {**data, "test": {"numbers": str(tiny_words / "test")}}})
        (folder / "recipe.yml").write_text(yaml.safe_dump(_over(content, changes)))
        (folder / "experiment.yml").write_text(yaml.safe_dump(EXPERIMENT))
        return folder / "experiment.yml"

    return write


def _over(base: Any, changes: Any) -> Any:
    """`base` with the values of `changes`, mapping by mapping."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return changes
    return {**base, **{key: _over(base.get(key), value) for key, value in changes.items()}}


@pytest.fixture(scope="session")
def quiet_environment() -> dict[str, str]:
    """For processes of the tests: one thread, and no colour or width of the terminal around."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """Where a test of GPUs runs: on one, and on the CPU too, which shows that the test itself is right."""
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no GPU that torch can use")
    return str(request.param)
