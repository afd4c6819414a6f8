"""A recipe's sets are made ready once for an experiment, in a process that is gone when trials train."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from autostr_nni.data.sets import apart
from autostr_nni.recipe import Recipe, load_recipe
from autostr_nni.system.errors import InputError
from autostr_nni.trial import prepare_once
from tests.processes import words_of


def written(folder: Path, count: int = 4, **test: str) -> Recipe:
    synth = {"words": {"count": count, "style": "mild", "source": "digits", "system_fonts": False}}
    data = {"train": ["words"], "validation": ["words"], "charset": "digits", "synth": synth, "test": test}
    (folder / "recipe.yml").write_text(json.dumps({"data": data}), encoding="utf-8")
    return load_recipe(folder / "recipe.yml")


def test_renders_without_the_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "words"
    apart.prepare_apart(Path(written(tmp_path).source or ""))
    assert (folder / "data.mdb").is_file()
    assert capsys.readouterr().out.splitlines() == [
        f"rendered 4 words in {folder}",
        f"warning: {folder} is in data.train and in data.validation: its figures measure little",
    ]
    assert not any("apart" in " ".join(words_of(child)) for child in psutil.Process().children())


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder .*nowhere does not exist"):
        apart.prepare_apart(Path(written(tmp_path, other="nowhere").source or ""))


INTERRUPTED = (
    "import pathlib, sys; from autostr_nni.data.sets.apart import *; prepare_apart(pathlib.Path(sys.argv[1]))"
)


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    source = str(written(tmp_path, count=100_000).source)
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, source], stderr=subprocess.PIPE) as trial:
        while not any(tmp_path.glob(".words.partial-*/data.mdb")):
            assert trial.poll() is None
            time.sleep(0.05)
        family = psutil.Process(trial.pid).children(recursive=True)
        trial.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in trial.communicate(timeout=60)[1]
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yml"]
    assert family and not psutil.wait_procs(family, timeout=5)[1]


def test_a_process_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="apart is gone with exit status 1"):
        apart.prepare_apart(tmp_path / "recipe.yml")


def test_the_first_trial_of_an_experiment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recipe, begun = written(tmp_path), []
    folder = tmp_path / "words"

    def prepare(source: Path) -> None:
        begun.append(source)
        folder.mkdir(exist_ok=True)

    monkeypatch.setattr(apart, "prepare_apart", prepare)
    for experiment, count in (("one", 1), ("one", 1), ("two", 2), ("one", 2), ("two", 2)):
        monkeypatch.setenv("NNI_EXP_ID", experiment)
        prepare_once(recipe)
        assert begun == [recipe.source] * count
    folder.rmdir()
    prepare_once(recipe)
    assert len(begun) == 3
