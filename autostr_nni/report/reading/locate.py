"""Finding searches on disk from what a user types: a folder, or the id of an NNI experiment."""

from __future__ import annotations

import contextlib
from difflib import get_close_matches
from pathlib import Path

from autostr_nni.nni.experiment.stored import registered
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.reading.in_process import read_in_process, read_training
from autostr_nni.report.reading.nni_history import read_experiment
from autostr_nni.runs.layout import changed, is_search, is_training, through_nni
from autostr_nni.system.errors import InputError
from autostr_nni.system.text_files import is_file

RUNS = Path("runs")  # where searches without NNI are kept, below the folder in which the command runs
SHOWN = 8  # searches that an error lists


def find(text: str) -> Path | None:
    """The folder that `text` names, resolved: a folder itself, or that of the experiment with this id.

    None where it is neither; `unknown` then tells what there is. Raises InputError for an experiment whose
    files are gone.
    """
    if not text.strip():  # as of a shell's variable that is not set
        raise InputError("an empty name is given where a search, a net or a folder is wanted")
    folder = Path(text).expanduser()
    if is_dir(folder):
        return folder.resolve()
    listed = registered(gone=True).get(text)
    if listed is None:
        return None
    if not listed.is_dir():
        raise InputError(f"experiment {text}: its folder {listed} is gone")
    return listed.resolve()


def is_dir(folder: Path) -> bool:
    """Whether there is such a folder; a text too long or too odd to be a name names none."""
    try:
        return folder.is_dir()
    except (OSError, ValueError):
        return False


def find_search(text: str) -> Path:
    """The folder of the search that `text` names. Raises InputError where it names none."""
    folder = find(text)
    if folder is None:
        if is_file(text):
            raise InputError(f"{text}: is a file; give the folder of a search, or an NNI experiment's id")
        raise InputError(
            f"there is no search {text}: no folder and no experiment is called so{unknown(text)}"
        )
    if not is_search(folder):
        raise InputError(f"{text}: is no search's folder{inside(folder)}")
    return folder


def searches(folder: Path) -> list[Path]:
    """The searches that lie in a folder, the one changed last at the end."""
    found = []
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            # What cannot be looked into, as another user's, hides no other; a link beside its target is one
            # too many (NNI's `_latest`).
            with contextlib.suppress(OSError):
                again = path.is_symlink() and path.resolve().parent == folder.resolve()
                if not again and is_search(path):
                    found.append(path)
    return sorted(found, key=changed)


def named(text: str) -> list[str]:
    """What `text` names: a search, or all of those that a folder without one of its own holds."""
    folder = find(text) if is_dir(Path(text).expanduser()) else None
    if folder is None or is_search(folder) or is_training(folder):
        return [text]
    return [str(path) for path in searches(folder)] or [text]


def known_searches() -> dict[str, Path]:
    """Every search that is known here, by what a command takes for it, the one changed last at the end.

    These are the experiments of this machine by their ids, and what lies in `RUNS` by its path.
    """
    found = registered()
    known = {folder.resolve() for folder in found.values()}
    places = [
        RUNS,
        *(path for path in RUNS.glob("*") if not is_search(path)),
    ]  # those of targets are one deeper
    below = [path for place in places for path in searches(place)]
    found.update({str(path): path for path in below if path.resolve() not in known})
    return dict(sorted(found.items(), key=lambda item: changed(item[1])))


def unknown(text: str) -> str:
    """The end of a sentence about a search that does not exist: the nearest one, and those that do."""
    known = list(known_searches())
    if not known:
        return "; there are no searches here yet"
    near = get_close_matches(text, known, n=1)
    if near == known:
        return f"; did you mean {near[0]}?"
    return f"; did you mean {near[0]}? (known: {_some(known)})" if near else f"; known: {_some(known)}"


def inside(folder: Path) -> str:
    """The end of a sentence about a folder that is no search's: the searches in it."""
    names = [path.name for path in searches(folder)]
    return f"; it holds {_some(names)}: give one of them" if names else ""


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more (autostr list)" if len(names) > SHOWN else ""
    return f"{', '.join(names[-SHOWN:])}{more}"


def read(search: str) -> SearchHistory:
    """The search that ``search`` names: a folder, else an experiment's id. Raises InputError for neither."""
    folder = find(search)
    if folder is not None and is_training(folder) and not is_search(folder):
        return read_training(folder)
    return read_folder(find_search(search))


def read_folder(folder: Path) -> SearchHistory:
    """The search that a folder holds."""
    return read_experiment(folder) if through_nni(folder) else read_in_process(folder)
