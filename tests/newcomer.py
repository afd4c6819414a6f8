"""Who follows README and docs: the text, its small words, and what its commands say."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
from matplotlib import get_cachedir

from autostr_nni.cli.main import main
from tests.processes import at_home

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
NAMED = dict(  # the text's ids, and whose they are
    zip(
        re.findall(r"^autostr report (\w+) (\w+) ", TEXT, re.MULTILINE)[0],
        ("examples/quickstart/halving.yml", "examples/quickstart/random.yml"),
        strict=True,
    )
)
FENCE = re.compile(
    r"(?:^ *<!-- (?P<mark>[^\n]*) -->\n+)?^ *```(?P<kind>\w+)\n(?P<body>.*?)^ *```$", re.M | re.S
)

SMALLER: dict[str, Any] = {
    "model": {
        "stem_width": 8,
        "stage_widths": [8, 8, 8, 8, 8],
        "translator": {"hidden": 8, "decoder": 16, "attention": 16, "embedding": 8},
    },
    "training": {"batch_size": 8, "epochs": 1, "epoch_images": 8, "short_words": {"epochs": 0}},
    "search": {
        "path": {"epochs": 1, "epoch_images": 8, "paths": ["ABABB"]},
        "operators": {"warmup_epochs": 1, "epochs": 1, "epoch_images": 8, "arch_every": 1},
        "random": {"count": 1},
        "halving": {"nets": 1, "min_m": 0},
    },
    "evaluation": {"learnt_above": 0},  # nothing is learnt from eight images
}


def smaller(content: Any, changes: Any = SMALLER) -> Any:
    """A recipe with `changes` laid over it, and 16 words in every rendered set."""
    if not isinstance(changes, Mapping):
        return changes
    laid = {**content, **{key: smaller(content.get(key, {}), value) for key, value in changes.items()}}
    if "synth" in laid.get("data", {}):
        synth = {name: {**spec, "count": 16} for name, spec in laid["data"]["synth"].items()}
        laid["data"] = {**laid["data"], "synth": synth}
    return laid


class Newcomer:
    """Who follows README and docs in a folder that looks like the repository, with a home of their own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "NNI_CONFIG_DIR": str(home / "nni-config"),
            "MPLCONFIGDIR": get_cachedir(),
            "OMP_NUM_THREADS": "1",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        self.ids: dict[str, str] = {}  # of searches, by experiment file
        self.said: dict[str, str] = {}  # output by command line

    def sh(self, block: str) -> None:
        """A shell block. What `autostr` does is run line by line, the rest by a shell."""
        lines = [words for line in block.splitlines() if (words := shlex.split(line, comments=True))]
        for words in lines:
            if words[0] == "make":
                for command in self.made_by(words[1]):
                    self.autostr(command)
            else:
                assert words[0] == "autostr", words
                self.autostr(words[1:])

    def made_by(self, target: str) -> list[list[str]]:
        """The arguments of the `autostr` commands that a target of the Makefile runs."""
        command = ["make", "-n", "-C", str(ROOT), target]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        found = [shlex.split(line)[1:] for line in lines if line.startswith(".venv/bin/autostr ")]
        assert found, lines
        return found

    def autostr(self, arguments: list[str]) -> None:
        """Run a command; those that start NNI as a user does, in a process of their own."""
        ids = {name: self.ids.get(file, "") for name, file in (NAMED | {"ID": "mine/search.yml"}).items()}
        arguments = [ids.get(part, part) for part in arguments]
        if arguments[0] in ("search", "resume"):
            output = self.python("-m", "autostr_nni.cli.main", *arguments)
            (id,) = re.findall(r"experiment: (\w+)", output)
            if arguments[0] == "search":
                self.ids[arguments[1]] = id
            assert id in self.ids.values()
        else:
            with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as stdout:
                patch.chdir(self.folder)
                patch.setenv("HOME", self.environment["HOME"])
                status = main(arguments)
            # A table that is measured beside other work may be marked unfit, which ends with 1.
            assert status in ((0, 1) if arguments[0] == "measure" else (0,)), arguments
            output = stdout.getvalue()
        assert output, arguments
        self.said[" ".join(arguments)] = output

    def python(self, *arguments: str) -> str:
        """Run this Python; its output."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def view(self, id: str) -> str:
        """NNI's page of a search that has ended, on this machine alone: what is told of it."""
        command = [sys.executable, "-m", "autostr_nni.cli.main", "view", id]
        shown = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert shown.stdout is not None
            told = shown.stdout.readline()
            port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", told)[0])
            open_to = [c for c in psutil.net_connections("tcp") if c.laddr.port == port and c.pid]
            listening = [ip_address(c.laddr.ip) for c in open_to if c.status == "LISTEN"]
            assert listening and all(address.is_loopback for address in listening)
            again = self.python(*command[1:])
            assert f"is shown already: http://127.0.0.1:{port}/" in again
            shown.send_signal(signal.SIGINT)
            assert shown.wait(timeout=60) == 0
        finally:
            shown.kill()
            shown.communicate()
        return told

    def processes(self) -> list[psutil.Process]:
        """All that still runs with the newcomer's home."""
        return at_home(self.environment["HOME"])
