"""Who one is on a machine and where one may write: in a container there may be no name, home or right."""

from __future__ import annotations

import contextlib
import os
import pwd
import tempfile
from pathlib import Path

_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")  # in getpass's order


def settle() -> None:
    """Give this process, and those it starts, what others take for granted: the user's name and home.

    Only what is missing is set. PyTorch asks for a name at import, and `docker run -u 12345` has none.
    """
    try:
        known = pwd.getpwuid(os.getuid())
    except KeyError:
        known = None
    if known is None and not any(os.environ.get(name) for name in _NAMES):
        os.environ["USER"] = f"uid{os.getuid()}"
    if known is None and not os.environ.get("HOME"):
        os.environ["HOME"] = "/"  # as Docker does
    if "MPLCONFIGDIR" not in os.environ and not all(map(may_write, _of_matplotlib())):
        # Matplotlib would make a folder of its own in every process, and say so.
        with contextlib.suppress(OSError):
            os.environ["MPLCONFIGDIR"] = str(scratch() / "matplotlib")


def _of_matplotlib() -> list[Path]:
    home = Path.home()
    bases = (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    return [Path(os.environ.get(name) or home / default) / "matplotlib" for name, default in bases]


def may_write(folder: Path) -> bool:
    """Whether files can be made in ``folder``, which need not exist yet."""
    try:
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    except OSError:  # a part of the path may not be looked into, or is too long
        return False
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def scratch() -> Path:
    """This user's own folder among the temporary files, for what others want to keep somewhere.

    Raises OSError where there is none: no temporary folder, or the place is somebody else's.
    """
    place = Path(tempfile.gettempdir()) / f"autostr-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    owner = place.lstat()
    if owner.st_uid != os.getuid() or owner.st_mode & 0o022 or place.is_symlink():
        raise PermissionError(f"{place} is not this user's own")
    return place
