"""The command that NNI starts trials with: the recipe that it names, and whether it can be started at all."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.recipe.words.targets import MARK, split
from autostr_nni.system.errors import InputError, shown

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe

OURS = "autostr_nni.trial"
_SHELL = re.compile(r"[$`;|&<>(){}*?\n]")  # only a shell can tell what comes of these
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=.*", re.DOTALL)
_PYTHON = re.compile(r"(.*/)?python[\d.]*")
_KNOWS = 'type -t -- "$1"'


def check_command(config: Mapping[str, Any], path: Path) -> None:
    """Raise InputError where every trial on this machine would fail at once: no such program, or no recipe.

    What only a shell can tell is left to it.

    Args:
        config: the keys of an experiment file, with absolute paths.
        path: the file.
    """
    own = config["trainingService"]  # what it says itself counts more
    command = own.get("trialCommand") or config["trialCommand"]
    folder = own.get("trialCodeDirectory") or config["trialCodeDirectory"]
    try:
        words = shlex.split(command)
    except ValueError:  # a quote without its end: the shell will say so
        return
    while words and (assigned := _ASSIGNED.fullmatch(words[0])) and assigned[1] != "PATH":
        words.pop(0)
    if not words or _ASSIGNED.fullmatch(words[0]) or _SHELL.search(command):
        return
    if not _is_known(os.path.expanduser(words[0]), folder):
        raise InputError(
            f"{path}: trialCommand starts {shown(words[0])}, and there is no such program; "
            f"write it as: python -m {OURS} --recipe FILE"
        )
    read = recipe_of_trials(command, folder) if _PYTHON.fullmatch(words[0]) else None
    if read is not None and not split(read)[0].is_file() and "~" not in str(read):
        raise InputError(f"{path}: trialCommand names the recipe {read}, which does not exist")


def _is_known(program: str, folder: str) -> bool:
    """Whether bash, by which NNI starts trials, can start a program in a folder, or has one of that name."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    asked = ["bash", "-c", _KNOWS, "bash", program]
    try:
        told = subprocess.run(asked, cwd=folder, env={**os.environ, "PATH": places}, capture_output=True)
    except OSError:  # no bash, or no such folder: NNI will say so
        return True
    return told.returncode == 0


def recipe_of_trials(command: str, folder: str) -> Path | None:
    """The recipe that a ``trialCommand`` names for our trials; None where it runs others."""
    named = _named_recipe(command)
    return None if named is None else Path(folder) / os.path.expanduser(named)  # nobody's stays as it is


def with_target(command: str, target: str) -> str:
    """A ``trialCommand`` whose trials read their recipe for one of its targets."""
    named = _named_recipe(command)
    if named is None:
        return command
    return re.sub(rf"(--recipe[= ]\s*['\"]?){re.escape(named)}", lambda m: f"{m[0]}{MARK}{target}", command)


def _named_recipe(command: str) -> str | None:
    try:
        words = shlex.split(command)
    except ValueError:  # a quote without its end: the shell will say so
        return None
    if OURS not in words:
        return None
    named = [after for word, after in zip(words, words[1:], strict=False) if word == "--recipe"]
    named += [word.removeprefix("--recipe=") for word in words if word.startswith("--recipe=")]
    return named[-1] if named else None


def check_same_recipe(command: str, folder: str, searched: Recipe, path: Path) -> None:
    """Raise InputError where our trials would be trained by another recipe than the one that is searched.

    A recipe that is not here, or a path that only a shell can tell, is left to the trials.
    """
    from autostr_nni.recipe import load_recipe
    from autostr_nni.recipe.weight import changes

    read = recipe_of_trials(command, folder)
    if read is None or not split(read)[0].is_file() or read.resolve() == searched.source:
        return
    told = changes(load_recipe(read).model_dump(mode="json"), searched.model_dump(mode="json"))
    if told:
        key, there, here = told[0]
        raise InputError(
            f"{path}: trialCommand names {read}, another recipe than tuner.classArgs.recipe, "
            f"{searched.source}: {key} is {shown(there)} there, and {shown(here)} here; name the same in both"
        )
