"""NNI experiments on disk: where they are, what they were told, and what their budget was."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.database import read_database, write_params
from autostr_nni.nni.experiment.tuners import strategy_of
from autostr_nni.nni.manager.places import EXPERIMENTS
from autostr_nni.runs.layout import DATABASE
from autostr_nni.strategies.registry import recorded
from autostr_nni.system.errors import InputError

REGISTRY = ".experiment"


def registered(gone: bool = False) -> dict[str, Path]:
    """Folders of the experiments known on this machine by id: NNI's list, and its default place.

    With ``gone`` also those that NNI lists although their files are no longer there.
    """
    home = Path.home() / EXPERIMENTS
    known = {path.parents[1].name: path.parents[1] for path in home.glob(f"*/{DATABASE}")}
    known = {id: folder for id, folder in known.items() if not folder.is_symlink()}  # not "_latest"
    try:
        listed = json.loads((home / REGISTRY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        listed = {}
    for id, about in listed.items() if isinstance(listed, dict) else ():
        if isinstance(about, dict) and about.get("logDir"):
            known[id] = Path(about["logDir"]) / id
    return {id: folder for id, folder in known.items() if gone or (folder / DATABASE).is_file()}


def name_of(folder: Path) -> str:
    """What a command takes for the search in a folder: an experiment's id, else a short path."""
    listed = registered().get(folder.name)
    if listed is not None and listed.resolve() == folder.resolve():
        return folder.name
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)


def resume_command(folder: Path) -> str:
    """The command that goes on with the search in a folder."""
    return f"autostr resume {shlex.quote(name_of(folder))}"


def more_command(folder: Path, params: Mapping[str, Any], state: Mapping[str, Any], had: int) -> str:
    """The command that goes on with a search that has used up its budget, with enough for its end.

    Args:
        params: the keys of its experiment file.
        state: what its tuner keeps.
        had: trials that it has had.
    """
    from nni.experiment.config.utils import parse_time

    limit, duration = params.get("maxTrialNumber"), params.get("maxExperimentDuration")
    told = state.get("planned")
    planned = told if isinstance(told, int) else had
    options = ""
    if limit is not None and had >= limit:  # --max-trials of a search that grows counts its nets
        facts = recorded(str(state.get("strategy")), state.get("record") or {})
        options += f" --max-trials {planned if facts is not None and facts.grows else had + planned}"
    elif duration is not None:
        options += f" --max-duration {2 * parse_time(duration)}s"
    return resume_command(folder) + options


@dataclass(frozen=True)
class Stored:
    """An experiment as NNI's database has it. `seconds`: how long it ran; `trials`: status by trial id."""

    folder: Path
    params: dict[str, Any]  # the experiment file's keys
    seconds: int
    trials: dict[str, str]

    @property
    def strategy_name(self) -> str | None:
        """What its tuner names as its strategy; None with a tuner of the user's own."""
        return strategy_of(self.params.get("tuner") or {})

    @property
    def recipe_path(self) -> Path | None:
        """The recipe's file, where a tuner of ours ran."""
        tuner = self.params.get("tuner") or {}
        named = (tuner.get("classArgs") or {}).get("recipe")
        if self.strategy_name is None or not named:
            return None
        return Path(tuner.get("codeDirectory") or ".") / Path(named).expanduser()

    @property
    def in_flight(self) -> int:
        """Trials that were cut short, which NNI runs again."""
        return sum(status in ("WAITING", "RUNNING", "ADD_RESUMED") for status in self.trials.values())


def read_stored(folder: Path) -> Stored:
    """Read an experiment's database. Raises InputError where it cannot be read or holds no experiment."""
    contents = read_database(folder)
    if contents.id != folder.name:
        raise InputError(f"{folder}: NNI's database there has no experiment {folder.name}")
    if contents.params is None:
        raise InputError(f"{folder / DATABASE}: what the experiment was told cannot be read; start it again")
    return Stored(folder, contents.params, contents.seconds, contents.statuses())


def change(stored: Stored, params: dict[str, Any]) -> Stored:
    """Replace the experiment's parameters in the database, which the manager starts again with."""
    write_params(stored.folder, params)
    return Stored(stored.folder, params, stored.seconds, stored.trials)
