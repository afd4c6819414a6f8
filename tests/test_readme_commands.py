"""Every command block of README and docs runs, README first: as it stands, on a few small words.

The recipes are the text's and the quickstart's with the smaller counts of `SMALLER` laid over them;
experiment files and command lines are untouched. What the text cannot know is put in its place: the ids of
the two searches, and what `ID` stands for, the search over own words.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.newcomer import FENCE, ROOT, TEXT, Newcomer, smaller

pytestmark = pytest.mark.slow("follows the whole README, through NNI")


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("repository")
    ignored = shutil.ignore_patterns("words", "real", "runs")
    shutil.copytree(ROOT / "examples/quickstart", folder / "examples/quickstart", ignore=ignored)
    recipe = folder / "examples/quickstart/recipe.yml"
    recipe.write_text(yaml.safe_dump(smaller(yaml.safe_load(recipe.read_text()))))
    mine = folder / "mine"
    mine.mkdir()
    sets = {"train": ("Open", "exit", "No", "12"), "validation": ("Open", "in"), "test": ("exit", "it")}
    for part, words in sets.items():
        for word in words:  # with a space in the name, as users have them
            picture = Image.effect_noise((80, 32), 60).convert("RGB")
            picture.save(mine / f"{part} {word}.png")
        lines = [f"{part} {word}.png\t{word}\n" for word in words]
        (mine / f"{part}.tsv").write_text("".join(lines), encoding="utf-8")
    shutil.copy(mine / "train No.png", folder / "photo.png")
    shutil.copytree(mine, folder / "more_words", ignore=shutil.ignore_patterns("*.tsv"))
    made = Newcomer(folder, tmp_path_factory.mktemp("home"))
    yield made
    left = made.processes()
    for process in left:  # after a failure: by id
        process.kill()
    assert left == []


@pytest.fixture(scope="module")
def followed(newcomer: Newcomer) -> Newcomer:
    """The newcomer after all of README and docs."""
    own = {"own recipe": "recipe.yml", "own search": "search.yml"}
    ran = 0
    for match in FENCE.finditer(TEXT):
        body = textwrap.dedent(match["body"])
        if match["mark"] in own:
            content = yaml.safe_load(body)
            if match["mark"] == "own recipe":
                content = smaller(content)
            (newcomer.folder / "mine" / own[match["mark"]]).write_text(yaml.safe_dump(content))
        elif match["kind"] == "sh" and match["mark"] != "install":  # see test_a_wheel_works_without_the_clone
            newcomer.sh(body)
            ran += 1
    assert ran == len(re.findall(r"^ *```sh$", TEXT, re.M)) - 1 >= 7
    return newcomer


def said(newcomer: Newcomer, command: str) -> str:
    """What the one command that starts so has printed."""
    (output,) = (output for line, output in newcomer.said.items() if line.startswith(command))
    return output


def test_every_shell_block_runs(followed: Newcomer) -> None:
    commands = {line.split()[0] for line in followed.said}
    assert commands == {
        "search", "resume", "list", "report", "data", "evaluate", "read", "export", "space",
        "describe", "measure"
    }  # fmt: skip
    search = said(followed, "search examples/quickstart/halving.yml")
    assert re.search(r"^0 of (about )?1 trials done, ", search, re.M)
    assert re.search(r"^1 of (about )?1 trials done, 0 running, best", search, re.M)
    assert re.search(r"^Best architecture: [AB.]+:k", search, re.M)
    assert "1 of 1 trials done" in said(followed, "search examples/quickstart/random.yml")
    assert "Best architecture: " in said(followed, "resume ")
    assert len(followed.ids) == 3  # two quickstarts and the search over the newcomer's own words


def test_the_report_is_of_both_searches(followed: Newcomer) -> None:
    told = json.loads((followed.folder / "runs/report/report.json").read_text())
    assert [search["strategy"] for search in told["searches"]] == ["halving", "random"]
    assert [search["sentence"] for search in told["searches"]] == ["finished: 1 of 1 trials done"] * 2
    assert told["settings"]["differences"] == [] and told["notes"] == []


def test_the_newcomers_own_words_are_read(followed: Newcomer) -> None:
    lines = said(followed, "read ").splitlines()
    names = [line.split("\t")[0] for line in lines]
    assert names[0] == "photo.png" and len(names) == 9
    told = followed.said[f"evaluate {followed.ids['mine/search.yml']}"]
    assert re.search(r"^mine +2 ", told, re.M)
    assert (followed.folder / "net.onnx").stat().st_size > 10_000


def test_the_page_of_a_search_that_has_ended(followed: Newcomer) -> None:
    assert f"experiment: {followed.ids['examples/quickstart/halving.yml']}" in followed.view(
        followed.ids["examples/quickstart/halving.yml"]
    )
    assert not [process for process in followed.processes() if process.name() == "node"]


def test_what_a_search_proposes_works_as_printed(followed: Newcomer) -> None:
    summary = said(followed, "search mine/search.yml")
    commands = re.findall(r"^  autostr (.*)$", summary.split("\nNext:\n")[1], re.M)
    assert [shlex.split(command)[0] for command in commands] == ["evaluate", "export", "report"]
    for command in commands:
        followed.autostr(shlex.split(command))


@pytest.mark.parametrize("module", ["nas.experiment", "inprocess"])
def test_the_searches_from_python_run(newcomer: Newcomer, module: str) -> None:
    (code,) = (
        m["body"]
        for m in FENCE.finditer(TEXT)
        if m["kind"] == "python" and f"from autostr_nni.{module} import" in m["body"]
    )
    output = newcomer.python("-c", f"if __name__ == '__main__':\n{textwrap.indent(code, '    ')}")
    assert re.search(r"ABABB", output)


def test_a_wheel_works_without_the_clone(tmp_path: Path) -> None:
    """The lines that make and install a wheel; pip's environment has it installed beside what is there."""
    (lines,) = (m["body"] for m in FENCE.finditer(TEXT) if m["mark"] == "install")
    clone, site, empty = tmp_path / "clone", tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    for folder in ("autostr_nni", "search_spaces", "strategies"):
        shutil.copytree(ROOT / folder, clone / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, clone)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PIP_NO_DEPS": "1"}
    for line in lines.splitlines():
        target = {"PIP_TARGET": str(site)} if "pip install" in line else {}
        done = subprocess.run(
            line, shell=True, cwd=clone, env={**environment, **target}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    code = "import autostr_nni, autostr_nni.cli.main as cli; print(autostr_nni.__file__); cli.main(['space'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=empty,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site)) and "stride paths      30 030" in done.stdout
