"""README, docs and examples: commands are known, links lead somewhere, the recipe reference is complete.

The commands of README and docs are run in test_readme_commands.py.
"""

from __future__ import annotations

import argparse
import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.cli.main import COMMANDS, build_parser, main
from autostr_nni.nni.experiment.file import load_experiment
from autostr_nni.recipe import DataSection, Recipe, SynthSet, load_recipe, recipe_from

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted((ROOT / "docs").glob("*.md"))
HOUSE = [ROOT / "README.md", *DOCS]  # its commands are run
GUIDES = [*HOUSE, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "examples").glob("*/README.md"))]
PAGES = [*GUIDES, ROOT / "CHANGELOG.md", *sorted((ROOT / "benchmarks").rglob("*.md"))]

OTHER_PROGRAMS = ("make", "nnictl", "apt-get", "python")
LONGEST = 220  # lines of README: for five minutes

FENCE = re.compile(
    r"(?:^ *<!-- (?P<mark>[^\n]*) -->\n+)?^(?P<pad> *)```(?P<kind>\w*)\n(?P<body>.*?)^ *```$", re.M | re.S
)

HOUSE_TEXT = "\n".join(page.read_text(encoding="utf-8") for page in HOUSE)


def blocks(text: str, kind: str, mark: str | None = None) -> list[str]:
    """Code blocks of a kind; only those below the comment `<!-- mark -->` if one is given."""
    found = [match for match in FENCE.finditer(text) if match["kind"] == kind]
    return [textwrap.dedent(match["body"]) for match in found if mark is None or match["mark"] == mark]


def block(kind: str, mark: str) -> str:
    """The one code block below `<!-- mark -->` in README and docs."""
    (only,) = blocks(HOUSE_TEXT, kind, mark)
    return only


def command_lines(guide: Path) -> list[list[str]]:
    """Every command of a guide's shell blocks, without comments."""
    lines = [line for body in blocks(guide.read_text(encoding="utf-8"), "sh") for line in body.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def commands_of(guide: Path) -> list[list[str]]:
    """Arguments of each `autostr` command of a guide."""
    return [words[1:] for words in command_lines(guide) if words[0] == "autostr"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("guide", GUIDES, ids=name)
def test_shell_blocks_hold_known_commands(guide: Path) -> None:
    for words in command_lines(guide):
        assert words[0] in ("autostr", *OTHER_PROGRAMS), words
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), words
    for arguments in commands_of(guide):
        assert callable(build_parser().parse_args(arguments).run)
        for file in [part for part in arguments if part.endswith(".yml") and not part.startswith("mine/")]:
            assert (ROOT / file).is_file() or (guide.parent / file).is_file(), arguments


def test_shown_output_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    marks = [
        match["mark"] for match in FENCE.finditer(HOUSE_TEXT) if (match["mark"] or "").startswith("output of")
    ]
    assert marks
    for mark in marks:
        assert main(shlex.split(mark.removeprefix("output of: autostr "))) == 0
        assert capsys.readouterr().out == block("text", mark)


def test_every_command_has_help_and_stands_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    (subparsers,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    assert len(subparsers.choices) == len(COMMANDS)
    table = set(re.findall(r"^\| `autostr (\w+)", README, re.M))
    assert table == set(subparsers.choices)
    for command in sorted(table):
        with pytest.raises(SystemExit) as end:
            parser.parse_args([command, "--help"])
        assert end.value.code == 0
        assert f"autostr {command}" in capsys.readouterr().out


def test_recipe_reference_has_every_key_at_its_default() -> None:
    content = yaml.safe_load(block("yaml", "recipe"))
    required = {"train": content["data"]["train"], "validation": content["data"]["validation"]}
    defaults = Recipe(data=DataSection(**required)).model_dump(mode="json")
    (spec,) = content["data"]["synth"].values()
    assert _keys(spec) == set(SynthSet.model_fields)
    rendered = SynthSet(count=spec["count"]).model_dump(mode="json")
    shown = recipe_from(content, Path("/folder")).model_dump(mode="json")
    (given,) = shown["data"].pop("synth").values()
    assert given == rendered
    for part in ("train", "validation"):
        shown["data"].pop(part)
        defaults["data"].pop(part)
    defaults["data"].pop("synth")
    assert shown == defaults
    content["data"] = {key: content["data"][key] for key in shown["data"]}
    missing = _keys(defaults) - _keys(content)
    # An option of the other optimizers alone.
    assert missing == {"training.optimizer.betas", "search.operators.optimizer.betas"}


def _keys(content: Any, prefix: str = "") -> set[str]:
    """Dotted keys of nested mappings."""
    found: set[str] = set()
    for key, value in content.items() if isinstance(content, dict) else ():
        found |= {prefix + key} | _keys(value, f"{prefix}{key}.")
    return found


def test_own_search_is_complete(tmp_path: Path) -> None:
    (tmp_path / "recipe.yml").write_text(block("yaml", "own recipe"), encoding="utf-8")
    (tmp_path / "search.yml").write_text(block("yaml", "own search"), encoding="utf-8")
    experiment = load_experiment(tmp_path / "search.yml")
    strategy = experiment.strategy()
    assert strategy is not None and (strategy.name, strategy.planned) == ("halving", 26)
    (tmp_path / "recipe.yml").write_text(
        block("yaml", "own recipe").replace("lowercase", "lowrcase"), encoding="utf-8"
    )
    with pytest.raises(Exception, match=r"recipe\.yml:6: data\.charset must be printable.*'lowercase'"):
        load_recipe(tmp_path / "recipe.yml")


def test_own_search_is_one_for_nnictl_too(tmp_path: Path) -> None:
    """With the search space written out, as the text says; read as `nnictl create` reads it."""
    from nni.experiment.config import ExperimentConfig

    (tmp_path / "recipe.yml").write_text(block("yaml", "own recipe"), encoding="utf-8")
    (tmp_path / "search.yml").write_text(block("yaml", "own search"), encoding="utf-8")
    content = yaml.safe_load(block("yaml", "own search"))
    content["searchSpace"] = load_experiment(tmp_path / "search.yml").config["searchSpace"]
    (tmp_path / "search.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    read = ExperimentConfig.load(tmp_path / "search.yml").json()
    assert Path(read["tuner"]["codeDirectory"]) == tmp_path


def test_nnis_own_strategies_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The first of the blocks in Python; the searches are run in test_readme_commands.py."""
    page = next(page for page in PAGES if page.name == "python.md").read_text(encoding="utf-8")
    code, *searches = blocks(page, "python")
    assert len(searches) == 2
    exec(compile(code, "docs/python.md", "exec"), {})
    assert re.search(r"^[AB.]+:\w+(,\w+){14} -\d+", capsys.readouterr().out, re.M)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        file, _, place = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if place:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            assert place in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, (
                link
            )


def links(page: Path) -> list[str]:
    """What a page links to inside the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [link for link in found if not link.startswith("http")]


def test_the_contents_list_every_page_once() -> None:
    contents = ROOT / "docs/README.md"
    listed = re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", contents.read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == [page.name for page in DOCS if page != contents]


def test_readme_is_read_in_five_minutes() -> None:
    assert len(README.splitlines()) <= LONGEST
    assert "docs/README.md" in links(ROOT / "README.md")
