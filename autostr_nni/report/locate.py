"""Finding a search on disk from what a user types: a folder, or the id of an NNI experiment."""

from __future__ import annotations

import difflib
from pathlib import Path

from autostr_nni.nni.state import STATE_FILE
from autostr_nni.nni.stored import registered
from autostr_nni.report.history import SearchHistory, read_in_process, read_training
from autostr_nni.report.nni_history import DATABASE, read_experiment
from autostr_nni.search_spaces.errors import InputError
from autostr_nni.training.records import ARCHITECTURE, METRICS, RESULT


def read(search: str) -> SearchHistory:
    """The search that ``search`` names: a folder, else an experiment's id. Raises InputError for neither."""
    folder = Path(search).expanduser()
    if folder.is_dir():
        return read_folder(folder.resolve())
    if folder.exists():
        raise InputError(f"{search}: is a file; give the folder of a search, or an NNI experiment's id")
    known = registered(gone=True)
    if search in known:
        if not known[search].is_dir():
            raise InputError(f"experiment {search}: its folder {known[search]} is gone")
        return read_folder(known[search])
    near = difflib.get_close_matches(search, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"there is no search {search}: give its folder, or the id of an NNI experiment{hint}")


def read_folder(folder: Path) -> SearchHistory:
    """The search that a folder holds, told by its files."""
    if (folder / DATABASE).is_file() or (folder / STATE_FILE).is_file():
        return read_experiment(folder)
    if (folder / "state.json").is_file():
        return read_in_process(folder)
    if any((folder / name).is_file() for name in (METRICS, ARCHITECTURE, RESULT)):
        return read_training(folder)
    inside = sorted(
        path.parent.name for path in folder.glob(f"*/{STATE_FILE}") if not path.parent.is_symlink()
    )
    hint = f"; it holds the searches {', '.join(inside)}: give one of them" if inside else ""
    raise InputError(f"{folder}: holds no search and no training{hint}")
