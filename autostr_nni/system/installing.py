"""How a package that is missing is installed. Imports nothing that could itself be missing."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires

#: Packages whose modules are called otherwise.
_PACKAGES = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "yaml": "PyYAML",
    "pkg_resources": "setuptools",
    "lightning_fabric": "pytorch-lightning",
}


def how_to_install(*modules: str) -> str:
    """The command that installs modules into the Python that runs this, in the releases that we need."""
    try:
        needed = [text.partition(";")[0].strip() for text in requires("autostr_nni") or ()]
    except PackageNotFoundError:  # run from a folder, not installed
        needed = []
    known = {found[0].lower(): text for text in needed if (found := re.match(r"[\w.-]+", text))}
    packages = [_PACKAGES.get(module, module.replace("_", "-")) for module in modules]
    return shlex.join([sys.executable, "-m", "pip", "install", *(known.get(p.lower(), p) for p in packages)])
