"""Options that cannot be met are told before words are rendered, which takes minutes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from autostr_nni.cli.main import main


@pytest.fixture
def experiment(tiny_search: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a search whose words are still to be rendered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "a file").touch()
    file = tiny_search(tmp_path)
    content = yaml.safe_load((tmp_path / "recipe.yml").read_text())
    content["data"] |= {"train": ["words"], "synth": {"words": {"count": 10}}}
    (tmp_path / "recipe.yml").write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "99999"], "--port must be from 1 to 65535"),
        (["--host", "999.1.1.1"], "--host 999.1.1.1 is not an address of this machine"),
        (["--out", "a file"], "a file: experiments cannot be kept there"),
        (["--in-process", "--concurrency", "0"], "--concurrency must be at least 1, not 0"),
        (["--in-process", "--out", "a file"], "a file: no folder can be made there; name another"),
        (["--in-process", "--out", "a file/below"], "below: no folder can be made there; name another"),
    ],
)
def test_before_anything_is_rendered(
    experiment: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", str(experiment), *options]) == 2
    assert told in capsys.readouterr().err
    assert not (experiment.parent / "words").exists()


def test_a_port_that_is_taken(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main(["search", str(experiment), "--port", port]) == 2
    assert f"port {port} is in use; choose another with --port" in capsys.readouterr().err
    assert not (experiment.parent / "words").exists()


def test_trials_that_cannot_start(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = yaml.safe_load(experiment.read_text())
    command = content["trialCommand"].replace("recipe.yml", "recip.yml")
    experiment.write_text(yaml.safe_dump({**content, "trialCommand": command}))
    assert main(["search", str(experiment)]) == 2
    assert "recip.yml, which does not exist" in capsys.readouterr().err
    assert not (experiment.parent / "words").exists()
