"""Where NNI writes on this machine: experiments, their list, its settings. Not every user may write there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autostr_nni.system.errors import InputError
from autostr_nni.system.user import may_write, scratch

EXPERIMENTS = "nni-experiments"  # in the home folder: NNI's default place, and its list of experiments
SETTINGS = ("training_services.json", "registered_algorithms.yml")  # which NNI makes where they are missing


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


def _usable(folder: Path) -> bool:
    return may_write(folder) or all(os.access(folder / name, os.R_OK) for name in SETTINGS)
