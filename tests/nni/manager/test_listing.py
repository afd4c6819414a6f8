"""NNI's list of experiments, written by several searches and managers at once: none is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nni_node
import pytest

from autostr_nni.nni.manager.launcher import PRELOAD
from autostr_nni.nni.manager.listing import experiment_list

NNI_NODE = Path(nni_node.__path__[0])
SEARCH = """
import sys
from pathlib import Path
from autostr_nni.nni.manager.listing import experiment_list
for number in range(int(sys.argv[3])):
    experiment_list(Path(sys.argv[1])).add_experiment(f"{sys.argv[2]}{number}", 1, 0, "local", "a name")
"""
MANAGER = """
const [nni, listing, list, id, count] = process.argv.slice(1);
const fs = require('fs');
require(listing);
const utils = require(`${nni}/extensions/experiments_manager/utils.js`);
(async () => {
  for (let number = 0; number < Number(count); number += 1) {
    await utils.withLock(list, () => {
      const known = JSON.parse(fs.readFileSync(list));
      known[`${id}${number}`] = { status: 'RUNNING' };
      fs.writeFileSync(list, JSON.stringify(known));
    });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
})();
"""


def test_searches_and_managers_lose_nothing_of_each_other(tmp_path: Path) -> None:
    each, list_file = 6, tmp_path / ".experiment"
    experiment_list(tmp_path).add_experiment("first", 1, 0, "local", "a name")
    searches = [[sys.executable, "-c", SEARCH, str(tmp_path), name, str(each)] for name in "ab"]
    managers = [
        [str(NNI_NODE / "node"), "-e", MANAGER, str(NNI_NODE), str(PRELOAD.with_name("listing.cjs"))]
        + [str(list_file), name, str(each)]
        for name in "cd"
    ]
    environment = {**os.environ, "NODE_PATH": str(NNI_NODE)}  # as NNI starts its manager
    started = [subprocess.Popen(command, env=environment) for command in searches + managers]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0, 0]
    written = {f"{name}{number}" for name in "abcd" for number in range(each)}
    assert set(json.loads(list_file.read_text())) == {"first", *written}
    assert list(tmp_path.glob("*.lock.*")) == []


FULL = """
const [nni, listing, list] = process.argv.slice(1);
const fs = require('fs');
const write = fs.writeFileSync;
fs.writeFileSync = (file, text) => { write(file, text.slice(0, 5)); throw new Error('no space'); };
require(listing);
const utils = require(`${nni}/extensions/experiments_manager/utils.js`);
const text = '{"first": {}, "second": {}}';
utils.withLock(list, () => fs.writeFileSync(list, text)).catch(() => process.exit(3));
"""


def test_a_manager_that_cannot_write_all_of_it_leaves_it_as_it_is(tmp_path: Path) -> None:
    list_file = tmp_path / ".experiment"
    experiment_list(tmp_path).add_experiment("first", 1, 0, "local", "a name")
    before = list_file.read_text()
    command = [NNI_NODE / "node", "-e", FULL, NNI_NODE, PRELOAD.with_name("listing.cjs"), list_file]
    environment = {**os.environ, "NODE_PATH": str(NNI_NODE)}
    assert subprocess.run(command, env=environment, timeout=60).returncode == 3
    assert list_file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [".experiment"]


def test_a_lock_of_a_dead_process_with_the_same_number(tmp_path: Path) -> None:
    """In a container a process often has the number of one that was killed."""
    left = tmp_path / f".experiment.lock.{os.getpid()}"
    left.touch()
    os.utime(left, (time.time() - 10, time.time() - 10))
    experiment_list(tmp_path).add_experiment("one", 1, 0, "local", "a name")
    assert set(json.loads((tmp_path / ".experiment").read_text())) == {"one"}


def test_another_that_locks_at_the_same_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks when this process has looked already: with its own lock NNI would write beside it."""
    another = tmp_path / ".experiment.lock.0"
    opened = os.open

    def late(path: Any, *args: Any) -> int:
        if str(path).endswith(f".lock.{os.getpid()}") and not another.exists() and not seen:
            another.touch()
            seen.append("locks")
            threading.Timer(0.4, lambda: (seen.append("lets go"), another.unlink())).start()
        return opened(path, *args)

    seen: list[str] = []
    monkeypatch.setattr(os, "open", late)
    experiment_list(tmp_path).add_experiment("one", 1, 0, "local", "a name")
    assert seen == ["locks", "lets go"]
    assert set(json.loads((tmp_path / ".experiment").read_text())) == {"one"}


def test_a_manager_waits_for_it_too(tmp_path: Path) -> None:
    (tmp_path / ".experiment").write_text("{}")
    another = json.dumps(str(tmp_path / ".experiment.lock.0"))
    late = f"""
const open = require('fs').openSync;
require('fs').openSync = (file, ...rest) => {{
  if (String(file).endsWith(`.lock.${{process.pid}}`) && !global.seen) {{
    global.seen = 'locks';
    require('fs').writeFileSync({another}, '');
    setTimeout(() => {{ global.seen += ', lets go'; require('fs').rmSync({another}); }}, 400);
  }}
  return open(file, ...rest);
}};
process.on('exit', () => console.log(global.seen, global.whenWritten));
const write = require('fs').writeFileSync;
require('fs').writeFileSync = (file, ...rest) => {{
  if (String(file).endsWith('.new')) global.whenWritten = `(written: ${{global.seen}})`;
  return write(file, ...rest);
}};
"""
    command = [str(NNI_NODE / "node"), "-e", late + MANAGER, str(NNI_NODE)]
    command += [str(PRELOAD.with_name("listing.cjs")), str(tmp_path / ".experiment"), "a", "1"]
    environment = {**os.environ, "NODE_PATH": str(NNI_NODE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "locks, lets go (written: locks, lets go)", done.stderr
