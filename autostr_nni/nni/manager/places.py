"""Where NNI writes on this machine: experiments, their list, its settings. Not every user may write there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from autostr_nni.system.errors import InputError
from autostr_nni.system.files import write_atomic
from autostr_nni.system.user import may_write, scratch

EXPERIMENTS = "nni-experiments"  # in the home folder: NNI's default place, and its list of experiments
#: NNI's files of settings and what reads them. NNI makes those that are missing.
SETTINGS: dict[str, Callable[[str], Any]] = {
    "training_services.json": json.loads,
    "registered_algorithms.yml": yaml.safe_load,
}


def make_directory(directory: Path) -> None:
    """Make the folder of experiments. Raises InputError where nothing can be written there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        reason = None if may_write(directory) else "permission denied"
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    if reason:
        raise InputError(
            f"{directory}: experiments cannot be kept there ({reason}); name another place with --out DIR "
            "or, in the experiment file, with experimentWorkingDirectory"
        )


def list_folder(directory: Path) -> Path:
    """Where NNI's list of experiments is kept: in the home folder, else beside the experiments themselves."""
    usual = Path.home() / EXPERIMENTS
    return usual if may_write(usual) else directory


def settings_folder() -> Path:
    """A folder for NNI's settings, its own unless that cannot be used: it may be in a read-only environment.

    Raises InputError where NNI_CONFIG_DIR names a folder that is of no use.
    """
    if named := os.environ.get("NNI_CONFIG_DIR"):
        if not _usable(Path(named)):
            raise InputError(
                f"NNI_CONFIG_DIR: {named} cannot be written to; name another folder, or unset it"
            )
        return Path(named)
    virtual = sys.prefix != sys.base_prefix or Path(sys.prefix, "conda-meta").is_dir()
    home = Path.home() / ".config" / "nni"
    usual = Path(sys.prefix) / "nni" if virtual else home
    for place in (usual, home):
        if _usable(place):
            return place
    try:
        return scratch() / "nni"
    except OSError as error:
        raise InputError(
            f"NNI's settings can be kept neither in {usual} nor in a temporary folder ({error}); name a "
            "folder for them in the environment: NNI_CONFIG_DIR=DIR"
        ) from None


def ready_settings() -> Path:
    """`settings_folder`, with NNI's files whole in it.

    NNI makes them by copying, and a search that starts at that moment reads half of one, or none of it.
    Raises InputError for a file that NNI could not read.
    """
    folder = settings_folder()
    for name, parse in SETTINGS.items():
        file = folder / name
        try:
            if not file.exists() or not file.stat().st_size:  # or another search has just begun to make it
                write_atomic(file, "{}")
            content = parse(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            content = error
        if not isinstance(content, dict):
            reason = "unreadable" if isinstance(content, Exception) else "not a table of names"
            raise InputError(f"{file}: NNI's settings there are {reason}; mend the file, or remove it")
    return folder


def _usable(folder: Path) -> bool:
    return may_write(folder) or all(os.access(folder / name, os.R_OK) for name in SETTINGS)
