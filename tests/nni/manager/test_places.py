"""Where NNI writes, and paths that it gives to programs: spaces, and folders that nobody may write to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nni_node
import pytest

from autostr_nni.cli.main import main
from autostr_nni.nni.manager import places
from autostr_nni.nni.manager.launcher import PRELOAD
from autostr_nni.nni.manager.places import (
    SETTINGS,
    list_folder,
    make_directory,
    ready_settings,
    settings_folder,
)
from autostr_nni.system.errors import InputError

NODE = Path(nni_node.__path__[0]) / "node"


@pytest.mark.slow("runs NNI")
def test_an_environment_with_a_space_and_nothing_to_write_to(project: Any, tmp_path: Path) -> None:
    """The environment lies under a folder with a space and a quote; NNI's places for its list and its
    settings are not to be written to."""
    project.write(trials=2, concurrency=2)
    environment = project.folder / "it's my env"
    (environment / "bin").mkdir(parents=True)
    (environment / "lib").symlink_to(Path(sys.prefix) / "lib")
    (environment / "bin/python").symlink_to(Path(sys.executable).resolve())
    (environment / "pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    for place in (environment / "nni", project.folder / ".config", project.folder / "nni-experiments"):
        place.write_text("a file: not even root makes a folder of it")
    del project.environment["NNI_CONFIG_DIR"]
    out = project.folder / "other place's"
    command = [str(environment / "bin/python"), "-m", "autostr_nni.cli.main", "search", str(project.config)]
    started = project.popen([*command, "--json", "--out", str(out)])
    output, errors = started.communicate(timeout=120)
    assert started.returncode == 0, errors
    result = json.loads(output)
    assert result["best"]["stride_path"] == "P01" and Path(result["folder"]).parent == out
    assert result["experiment"] in json.loads((out / ".experiment").read_text())
    assert project.processes() == []


def test_no_place_for_experiments(project: Any, capsys: pytest.CaptureFixture[str]) -> None:
    project.write()
    project.experiments.write_text("a file")
    assert main(["search", str(project.config)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"{project.experiments}: experiments cannot be kept there" in told
    assert "--out DIR" in told and "experimentWorkingDirectory" in told


def test_folders_without_the_right_to_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root may write everywhere: the question is answered for it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert list_folder(tmp_path / "out") == tmp_path / "home/nni-experiments"
    monkeypatch.setattr(places, "may_write", lambda folder: tmp_path / "home" not in folder.parents)
    assert list_folder(tmp_path / "out") == tmp_path / "out"
    make_directory(tmp_path / "out")
    with pytest.raises(InputError, match=r"home/there: experiments cannot be kept there \(permission denied"):
        make_directory(tmp_path / "home/there")


def test_where_settings_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NNI_CONFIG_DIR", raising=False)
    monkeypatch.setattr(sys, "prefix", str(locked))
    assert settings_folder() == locked / "nni"  # as NNI itself
    monkeypatch.setattr(places, "may_write", lambda folder: locked not in folder.parents)
    assert settings_folder() == tmp_path / "home/.config/nni"
    (locked / "nni").mkdir(parents=True)
    for name in SETTINGS:
        (locked / "nni" / name).write_text("{}")
    assert settings_folder() == locked / "nni"  # nothing has to be written there any more
    monkeypatch.setenv("NNI_CONFIG_DIR", str(locked / "other"))
    with pytest.raises(InputError, match="NNI_CONFIG_DIR: .*other cannot be written to; name another folder"):
        settings_folder()


def test_settings_are_whole_before_nni_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another search of this user may be making them, or was killed while it did."""
    monkeypatch.setenv("NNI_CONFIG_DIR", str(tmp_path / "settings"))
    assert ready_settings() == tmp_path / "settings"
    services, algorithms = (tmp_path / "settings" / name for name in SETTINGS)
    assert services.read_text() == algorithms.read_text() == "{}"
    services.write_text("")
    algorithms.write_text("tuners: [{builtinName: mine}]")
    ready_settings()
    assert (services.read_text(), algorithms.read_text()) == ("{}", "tuners: [{builtinName: mine}]")


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
@pytest.mark.parametrize("name", SETTINGS)
def test_damaged_settings(
    project: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    file = project.folder / "settings" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode(errors="surrogateescape"))
    monkeypatch.setenv("NNI_CONFIG_DIR", str(file.parent))
    project.write()
    assert main(["search", str(project.config)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"{file}: NNI's settings there are " in told and "remove it" in told


def test_settings_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Half of a file, in a folder of somebody else's."""

    def refused(*args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("NNI_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(places, "write_atomic", refused)
    (tmp_path / "training_services.json").touch()
    with pytest.raises(InputError, match=r"training_services.json: NNI's settings there are unreadable"):
        ready_settings()


def test_programs_are_started_without_a_shell(tmp_path: Path) -> None:
    """The words of a command arrive as they are, also the two that NNI has in one for TensorBoard."""
    program = tmp_path / "a program's $HOME"
    program.write_text(f"#!{Path(sys.executable).resolve()}\nimport sys; print(sys.argv[1:])\n")
    program.chmod(0o755)
    (tmp_path / "utils.js").write_text("exports.getTunerProc = () => { throw Error('through a shell'); };")
    words = [str(program), "--bind_all --logdir_spec=0-a:/my runs/a,1-b:/my runs/b", "--port=1"]
    script = f"""
        require({json.dumps(str(PRELOAD.with_name("places.cjs")))});
        const {{ getTunerProc }} = require({json.dumps(str(tmp_path / "utils.js"))});
        getTunerProc({json.dumps(words)}, ['ignore', 'inherit', 'inherit'], '/', process.env, true, true);
    """
    done = subprocess.run([NODE, "-e", script], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "['--bind_all', '--logdir_spec=0-a:/my runs/a,1-b:/my runs/b', '--port=1']"
