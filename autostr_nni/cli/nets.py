"""What a user may name where a net is wanted: a checkpoint, a trial's folder, or a search: its best net."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autostr_nni.cli.output import remark
from autostr_nni.runs.layout import ARCHITECTURE, BEST, is_search, trial_folders
from autostr_nni.strategies.steps import FINDING
from autostr_nni.system.errors import InputError, shown
from autostr_nni.system.text_files import is_file

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe
    from autostr_nni.runs.figures import Row
    from autostr_nni.search_spaces.architecture import Architecture
    from autostr_nni.search_spaces.space import SearchSpace

NET_HELP = "best.ckpt of a trained net, the folder of its trial, or a search's id or folder: its best net"
ARCH_HELP = (
    "a name (autostr-iiit5k, mbconv-k5e6, aster), a text such as ABABB:k5e6,k3e1,…, a JSON file such as a "
    "trial's architecture.json, a checkpoint, a trial's folder, or a search's id or folder: its best net"
)


@dataclass(frozen=True)
class Net:
    """The folder of a net's trial, and which one it is in words where a search has chosen it."""

    folder: Path
    words: str | None = None
    others: tuple[str, ...] = ()  # of the search's front: where they are, and what they reach


def checkpoint(text: str) -> Path:
    """The checkpoint that `text` names; which net of a search that is goes to stderr.

    Raises InputError where it names none, or what it names holds no trained net.
    """
    from autostr_nni.report.reading.locate import find, inside, unknown

    if is_file(text):
        return Path(text)
    folder = find(text)
    if folder is None:
        what = f"no such checkpoint, and no search or folder is called so{unknown(text)}"
        raise InputError(f"{text}: {what}")
    if is_search(folder):
        net = best_net(folder)
        if net is None:
            raise InputError(f"{text}: {_nothing_trained(folder)}")
        remark(f"net: {net.folder / BEST} ({net.words})")
        for other in net.others:
            remark(f"also of its front: {other}")
        return net.folder / BEST
    if (folder / BEST).is_file():
        return folder / BEST
    if (folder / ARCHITECTURE).is_file():
        raise InputError(f"{text}: this trial leaves no net to read with; only trained nets have a {BEST}")
    raise InputError(f"{text}: holds neither a {BEST} nor a search{inside(folder)}")


def best_net(search: Path) -> Net | None:
    """The best net that a search has trained, as its summary has it; while none is done, one in training."""
    from autostr_nni.runs.summary import summary_of

    found = summary_of(search)
    best = found["best"]
    if best and best["folder"] and (Path(best["folder"]) / BEST).is_file():
        told = "".join(f", {figure}" for figure in _reached(best))
        others = (
            f"{Path(str(row['folder'])) / BEST} ({', '.join(_reached(row, size=True))})"
            for row in reversed(found["front"][:-1])
        )
        return Net(Path(best["folder"]), f"the best net of {search.name}{told}", tuple(others))
    begun = [folder for folder in trial_folders(search) if (folder / BEST).is_file()]
    if not begun:
        return None
    newest = max(begun, key=lambda folder: (folder / BEST).stat().st_mtime)
    return Net(newest, f"of {search.name}; its training is not finished")


def front_of(text: str) -> list[Row]:
    """The nets that the search called `text` hands over along cost and accuracy, the cheapest first.

    Raises InputError where it is no search, or one without a front.
    """
    from autostr_nni.report.reading.locate import find_search
    from autostr_nni.runs.summary import summary_of

    folder = find_search(text)
    found = summary_of(folder)
    if not found["architectures"]:
        raise InputError(f"{text}: {_nothing_trained(folder)}")
    if not found["front"]:
        raise InputError(
            f"{text}: has no front, as its recipe asks for one net (search.front.size); leave --front out"
        )
    return found["front"]


def _reached(row: Row, size: bool = False) -> list[str]:
    """What a net of a summary reads of the validation words, and what it costs, as far as they are known."""
    from autostr_nni.recipe.words.metric import metric_of
    from autostr_nni.runs.told import chosen_by, cost_told

    accuracy = chosen_by(row)
    told = [] if accuracy is None else [f"validation {metric_of(row).label} {100 * accuracy:.1f} %"]
    return told if not size or row["macs_m"] is None else [*told, cost_told(row)]


def _nothing_trained(search: Path) -> str:
    from autostr_nni.nni.experiment.stored import resume_command
    from autostr_nni.runs.trial_record import read_search

    steps = [record.step for record in read_search(search) if record.metrics is not None]
    done = f"{len(steps)} trials are done" if len(steps) != 1 else "1 trial is done"
    return (
        f"the search has trained no net yet ({done}, none of them a training); wait for it, or go on with: "
        f"{resume_command(search)}"
    )


def recipe_of(text: str) -> Recipe | None:
    """The recipe that comes with the net that `text` names, as `ARCH_HELP` says; None where none does."""
    from autostr_nni.reading.checkpoint import load_trained
    from autostr_nni.report.reading.locate import find
    from autostr_nni.search_spaces.named import NAMED

    if text.strip() in NAMED:
        return None
    path = Path(text.strip()).expanduser()
    if not is_file(str(path)):
        folder = find(text.strip())
        net = best_net(folder) if folder is not None and is_search(folder) else None
        path = (net.folder if net else folder or path) / BEST
    held = is_file(str(path)) and (path.suffix == ".ckpt" or zipfile.is_zipfile(path))
    return load_trained(path).recipe if held else None


def resolve(text: str, recipe: Recipe | None = None, source: str = "") -> tuple[Architecture, SearchSpace]:
    """The architecture that a user names, and its space.

    The space is the recipe's, with the stages that a name, a file or a checkpoint brings along; without a
    recipe it is theirs, else the paper's.

    Args:
        text: as `ARCH_HELP` says.
        recipe: the recipe in whose space the architecture must be.
        source: the recipe's file, for errors.

    Raises InputError where the text names none, or one that is not of the space.
    """
    from autostr_nni.search_spaces import named
    from autostr_nni.search_spaces.architecture import Architecture
    from autostr_nni.search_spaces.space import SearchSpace
    from autostr_nni.search_spaces.written import parse_architecture, read_space

    text = text.strip()
    space = SearchSpace() if recipe is None else recipe.space()
    if text in named.NAMED:
        space = replace(space, stage_layers=named.lookup(text)[1])
        return parse_architecture(text, space), space
    file = _file(text)
    if file is None:
        return parse_architecture(text, space), space
    if file.suffix == ".ckpt" or zipfile.is_zipfile(file):
        from autostr_nni.reading.checkpoint import load_trained

        trained = load_trained(file)
        if recipe is None:
            return trained.architecture, trained.space
        space = replace(space, stage_layers=trained.space.stage_layers)
        try:
            return Architecture.from_json(trained.architecture.to_json(trained.space), space), space
        except InputError as error:
            raise InputError(f"{file}: {error}; use its own recipe, not {source}") from None
    try:
        own = read_space(str(file))
        space = own if recipe is None else replace(space, stage_layers=own.stage_layers)
    except InputError:
        if recipe is None:
            raise
    return parse_architecture(str(file), space), space


def _file(text: str) -> Path | None:
    """The JSON file or checkpoint that names an architecture; None where the text is itself one."""
    from autostr_nni.report.reading.locate import find, inside, unknown

    path = Path(text).expanduser()
    if is_file(str(path)):
        return path
    if text.endswith((".json", ".ckpt")):
        raise InputError(f"{text}: there is no such file")
    folder = find(text)
    if folder is None:
        if ":" in text:
            return None
        from autostr_nni.search_spaces.named import NAMED

        raise InputError(
            f"architecture {shown(text)} is neither PATH:OPERATION,OPERATION,… nor one of {', '.join(NAMED)} "
            f"nor a file, a folder or a search{unknown(text)}"
        )
    if is_search(folder):
        return _of_search(text, folder)
    for name in (ARCHITECTURE, BEST):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{text}: holds neither an {ARCHITECTURE} nor a search{inside(folder)}")


def _of_search(text: str, search: Path) -> Path:
    """The architecture of a search's best net; before one is trained, that of the operator search."""
    from autostr_nni.runs.trial_record import read_search

    net = best_net(search)
    words = net.words if net else None
    folder = net.folder if net else None
    if folder is None:
        found = [record for record in read_search(search) if record.step in FINDING and record.metrics]
        folder = found[-1].folder if found else None
        words = f"what the search {search.name} found; it is not trained yet"
    if folder is None or not (folder / ARCHITECTURE).is_file():
        raise InputError(f"{text}: {_nothing_trained(search)}")
    remark(f"net: {folder / ARCHITECTURE} ({words})")
    return folder / ARCHITECTURE
