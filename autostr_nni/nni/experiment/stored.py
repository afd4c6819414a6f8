"""NNI experiments on disk: where they are, what they were told, and what their budget was."""

from __future__ import annotations

import contextlib
import json
import shlex
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.tuners import strategy_of
from autostr_nni.nni.manager.places import EXPERIMENTS
from autostr_nni.strategies.registry import recorded
from autostr_nni.system.errors import InputError

DATABASE = Path("db") / "nni.sqlite"
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
    with _database(folder, "ro") as base:
        profile = base.execute(
            "SELECT params, execDuration FROM ExperimentProfile WHERE id = ? ORDER BY revision DESC LIMIT 1",
            [folder.name],
        ).fetchone()
        events = base.execute("SELECT trialJobId, event FROM TrialJobEvent ORDER BY rowid").fetchall()
    if profile is None:
        raise InputError(f"{folder}: NNI's database there has no experiment {folder.name}")
    trials = {id: event for id, event in events if id}
    try:
        params, seconds = json.loads(profile[0]), int(profile[1] or 0)
    except (ValueError, TypeError, RecursionError):
        params, seconds = None, 0
    if not is_profile(params):
        raise InputError(f"{folder / DATABASE}: what the experiment was told cannot be read; start it again")
    return Stored(folder, params, seconds, trials)


def is_profile(params: Any) -> bool:
    """Whether this is what an experiment was told: its file's keys, with a tuner and its recipe's place."""
    tuner = (params.get("tuner") or {}) if isinstance(params, dict) else None
    arguments = (tuner.get("classArgs") or {}) if isinstance(tuner, dict) else None
    if not isinstance(tuner, dict) or not isinstance(arguments, dict):
        return False
    texts = [tuner.get("className"), tuner.get("codeDirectory"), arguments.get("recipe")]
    return all(isinstance(text, (str, type(None))) for text in [*texts, params.get("experimentName")])


def change(stored: Stored, params: dict[str, Any]) -> Stored:
    """Replace the experiment's parameters in the database, which the manager starts again with."""
    with _database(stored.folder, "rw") as base, base:
        base.execute(
            "UPDATE ExperimentProfile SET params = ?, endTime = NULL WHERE id = ? AND revision = "
            "(SELECT max(revision) FROM ExperimentProfile WHERE id = ?)",
            [json.dumps(params), stored.folder.name, stored.folder.name],
        )
    return Stored(stored.folder, params, stored.seconds, stored.trials)


@contextlib.contextmanager
def _database(folder: Path, mode: str) -> Iterator[sqlite3.Connection]:
    path = folder / DATABASE
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=5)
        ) as base:
            yield base
    except sqlite3.Error as error:
        raise InputError(f"{path}: NNI's database cannot be used ({error})") from None
