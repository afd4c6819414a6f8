"""A user's own modules, which add operations and strategies. To load one is to run its code.

They are loaded where a user names them: in a recipe, an experiment file, or behind `autostr --extensions`.
What only tells of a search or a net (a checkpoint, a report) never has one loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from autostr_nni.system.errors import InputError, shown

#: Files and modules that are loaded, for processes that this one starts.
VARIABLE = "AUTOSTR_EXTENSIONS"


def load(name: str, folder: str | Path | None = None) -> ModuleType:
    """Load a module: a file `ops.py`, or by its name `ops`, beside others in `folder` or installed.

    Its folder is searched for modules that it imports itself. Loaded before, it is not run again.

    Raises:
        InputError: there is none, another of that name is loaded, or its code fails.
    """
    file = _file(name, folder)
    if file is None:
        if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"extension {shown(name)}: there is no such file")
        where = f" in {folder}, and none is" if folder is not None else ""
        try:
            missing = importlib.util.find_spec(name) is None
        except (ImportError, ValueError):
            missing = True
        if missing:
            raise InputError(f"extension {name}: there is no module {name}{where} installed")
        return _run(lambda: importlib.import_module(name), name)
    stem = file.parent.name if file.name == "__init__.py" else file.stem
    loaded = sys.modules.get(stem)
    if loaded is not None:
        if Path(getattr(loaded, "__file__", None) or os.devnull).resolve() == file.resolve():
            return loaded
        raise InputError(f"extension {file}: a module {stem} is loaded already; give the file another name")
    root = str(file.parent.parent if file.name == "__init__.py" else file.parent)
    if root not in sys.path:
        sys.path.append(root)
    return _run(lambda: _from_file(stem, file), str(file))


def place(name: str, folder: Path) -> str:
    """The file that a recipe in ``folder`` means, absolute; an installed module's name as it is."""
    file = _file(name, folder)
    if file is None:
        return str(folder / Path(name).expanduser()) if name.endswith(".py") or os.sep in name else name
    return str(file)


def not_run(names: Iterable[str]) -> str:
    """For the end of a sentence: which of these modules are not loaded; nothing where all are."""
    missing = [name for name in names if _stem(name) not in sys.modules]
    if not missing:
        return ""
    options = " ".join(f"--extensions {shlex.quote(name)}" for name in missing)
    gone = [name for name in missing if name.endswith(".py") and not Path(name).is_file()]
    lost = f", of which {' and '.join(gone)} is not there" if gone else ""
    return (
        f"; its recipe has operations or strategies of {' and '.join(missing)}{lost}, whose code is run only "
        f"where you name it: autostr {options} …"
    )


def _stem(name: str) -> str:
    path = Path(name)
    return path.parent.name if path.name == "__init__.py" else path.stem if name.endswith(".py") else name


def load_all(places: Iterable[str | Path], folder: Path | None = None) -> None:
    """Load them in their order, and leave them to processes that this one starts."""
    for place in places:
        load(str(place), folder)
        kept = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
        if str(place) not in kept:
            os.environ[VARIABLE] = os.pathsep.join([*kept, str(place)])


def load_inherited() -> None:
    """Load what the process that started this one had loaded."""
    load_all(part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part)


def _file(name: str, folder: str | Path | None) -> Path | None:
    """The file that a name means; None where it is to be an installed module."""
    base = Path() if folder is None else Path(folder)
    if name.endswith(".py") or os.sep in name:
        found = base / Path(name).expanduser()
        found = found / "__init__.py" if found.is_dir() else found
        return found.resolve() if found.is_file() else None
    if folder is None:
        return None
    inner = base.joinpath(*name.split("."))
    candidates = (inner.with_name(inner.name + ".py"), inner / "__init__.py")
    return next((path.resolve() for path in candidates if path.is_file()), None)


def _from_file(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"no Python code in {file.name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _run(load: Callable[[], ModuleType], told: str) -> ModuleType:
    try:
        return load()
    except InputError as error:
        raise InputError(f"extension {told}: {error}") from None
    except (Exception, SystemExit) as error:
        raise InputError(
            f"extension {told}: cannot be loaded{_line(error, told)} ({type(error).__name__}: {error})"
        ) from None


def _line(error: BaseException, file: str) -> str:
    """Where in the file it failed."""
    trace, number = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            number = trace.tb_lineno
        trace = trace.tb_next
    return "" if number is None else f", line {number}"
