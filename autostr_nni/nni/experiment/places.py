"""Folders and files that an experiment file names, made absolute: relative ones start at its own folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.values import plain_key
from autostr_nni.system.errors import InputError, shown


def named_folder(base: Path, value: Any, path: Path, key: str) -> str:
    """A folder that has to be there. Raises InputError where it is not."""
    folder = resolved(base, value, path, key)
    if not folder.is_dir():
        raise InputError(f"{path}: {key} names the folder {folder}, which does not exist")
    return str(folder)


def resolved(base: Path, value: Any, path: Path, key: str) -> Path:
    """A path of the file, which starts at `base` where it is relative. Raises InputError for what is none."""
    if not isinstance(value, str) or "\0" in value or len(value) > 3_000:
        raise InputError(f"{path}: {key} must be a path, not {shown(value)}")
    try:
        found = (base / Path(value).expanduser()).resolve()
        found.exists()
    except (OSError, RuntimeError):  # a name too long; nobody of the name after ~; links in a circle
        raise InputError(f"{path}: {key} must be a path, not {shown(value)}") from None
    return found


def with_places(given: Any, folder: Path, path: Path) -> Any:
    """The training service with absolute paths, also of SSH keys; relative ones start at `folder`."""
    if isinstance(given, list):
        return [with_places(item, folder, path) for item in given]
    if given.get("trialCodeDirectory") is not None:
        key = "trainingService.trialCodeDirectory"
        given["trialCodeDirectory"] = named_folder(folder, given["trialCodeDirectory"], path, key)
    for machine in given.get("machineList") or []:
        if isinstance(machine, dict) and machine.get("sshKeyFile") is not None:
            key = "trainingService.machineList.sshKeyFile"
            machine["sshKeyFile"] = str(resolved(folder, machine["sshKeyFile"], path, key))
    return given


def with_code(given: Any, folder: Path, path: Path, kind: str) -> Any:
    """A tuner or assessor of a class with the absolute folder of its code."""
    if not isinstance(given, Mapping):
        return given
    given = {("codeDirectory" if plain_key(key) == "codedirectory" else key): given[key] for key in given}
    if "codeDirectory" in given or "classname" in map(plain_key, given):
        code = given.get("codeDirectory")
        given["codeDirectory"] = named_folder(
            folder, "." if code is None else code, path, f"{kind}.codeDirectory"
        )
    return given
