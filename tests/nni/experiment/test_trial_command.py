"""The command of trials: its recipe, and what would let every trial fail at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autostr_nni.nni.experiment.trial_command import check_command, recipe_of_trials
from autostr_nni.nni.manager.launcher import manager_environment
from autostr_nni.system.errors import InputError


def check(folder: Path, command: str, **service: str) -> None:
    config = {"trialCommand": command, "trialCodeDirectory": str(folder), "trainingService": service}
    check_command(config, Path("experiment.yml"))


@pytest.mark.parametrize(
    "command",
    [
        "python -m autostr_nni.trial --recipe recipe.yml",
        "python -m autostr_nni.trial --recipe 'recipe.yml#scene'",
        "A=1 B='2 3' python -m autostr_nni.trial --recipe=recipe.yml",
        "./mine.sh --recipe none.yml",
        "cd elsewhere && python -m autostr_nni.trial --recipe none.yml",
        "python -m autostr_nni.trial --recipe $HOME/none.yml",
        "python -m autostr_nni.trial --recipe ~nobody-of-this-name/none.yml",
        "exec python train.py",
        "time python train.py",
        "builtin echo",
        "PATH=/nowhere:/usr/bin nosuch",
        "env --chdir=/ python -m autostr_nni.trial --recipe none.yml",
        "(nosuch)",
        "nosuch 'half",
        "A=1",
    ],
)
def test_what_can_be_started_or_only_a_shell_can_tell(tmp_path: Path, command: str) -> None:
    (tmp_path / "recipe.yml").touch()
    (tmp_path / "mine.sh").touch(mode=0o755)
    check(tmp_path, command)


def test_what_the_training_service_says_itself_counts_more(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "recipe.yml").touch()
    command = "python -m autostr_nni.trial --recipe recipe.yml"
    check(tmp_path, command, trialCodeDirectory=str(tmp_path / "code"))
    check(tmp_path / "code", "nosuch", trialCommand=command)
    with pytest.raises(InputError, match="does not exist"):
        check(tmp_path, command)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "python -m autostr_nni.trial --recipe recip.yml",
            "names the recipe .*/recip.yml, which does",
        ),
        ("python -m autostr_nni.trial --recipe=recip.yml#a", "names the recipe .*, which does not exist"),
        (
            "python3.99 -m autostr_nni.trial --recipe recipe.yml",
            "starts 'python3.99', and there is no",
        ),
        ("A=1 nosuch x", "starts 'nosuch', and there is no such program"),
        ("./recipe.yml", "starts './recipe.yml', and there is no such program"),  # nothing that can be run
        ("~/nosuch/python x.py", "starts '~/nosuch/python', and there is no such program"),
    ],
)
def test_what_would_fail_in_every_trial(tmp_path: Path, command: str, sentence: str) -> None:
    (tmp_path / "recipe.yml").touch()
    with pytest.raises(InputError, match=f"^experiment.yml: trialCommand {sentence}"):
        check(tmp_path, command)


def test_the_recipe_of_a_command() -> None:
    assert recipe_of_trials("python -m autostr_nni.trial --recipe 'my recipe.yml'", "/a") == Path(
        "/a/my recipe.yml"
    )
    assert recipe_of_trials("A=1 python -m autostr_nni.trial --recipe=/b/r.yml", "/a") == Path("/b/r.yml")
    assert recipe_of_trials("python train.py --recipe r.yml", "/a") is None
    assert recipe_of_trials("echo 'half", "/a") is None


def test_modules_are_found_from_every_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tuner and trials run in folders of their own, where a relative PYTHONPATH would lead elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["mods", "/there", ""]))
    found = manager_environment("127.0.0.1", 1, owned=False)["PYTHONPATH"]
    assert found.split(os.pathsep) == [str(tmp_path / "mods"), "/there", str(tmp_path)]
