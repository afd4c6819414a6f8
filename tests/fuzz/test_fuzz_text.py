"""Malformed text files: recipes, experiments, architectures, lists, and what searches leave behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzz_cases import fuzz, lengths, place
from fuzz_good import ARCHITECTURE
from fuzz_mutations import as_json, as_yaml, damaged_bytes, damaged_file
from fuzz_worker import Reader, judge
from hypothesis import strategies as st

#: How a search ends that was let through: behind the reading of its input it is cut off.
STARTED = "not run here"


@lengths
@pytest.mark.parametrize("command", ["space", "describe"])
def test_recipes(good: Path, reader: Reader, tmp_path: Path, command: str, examples: int) -> None:
    work = place(good, tmp_path / "work", "recipe.yml")
    argv = ["space"] if command == "space" else ["describe", ARCHITECTURE, "--recognizer"]

    def check(data: bytes) -> str:
        (work / "recipe.yml").write_bytes(data)
        # A recipe of another space is a good one: then it is the architecture that is refused.
        names = ["recipe.yml"] if command == "space" else ["recipe.yml", "stride path", "operation", "layer"]
        return judge(reader.run([*argv, "--recipe", "recipe.yml"], work), names)

    strategy = damaged_file((good / "recipe.yml").read_bytes(), yaml.safe_load, as_yaml)
    seen = fuzz(strategy, check, examples)
    assert seen["refused"] > examples / 3, seen


@lengths
@pytest.mark.parametrize("inside", [True, False], ids=["in-process", "nni"])
def test_experiments(good: Path, reader: Reader, tmp_path: Path, inside: bool, examples: int) -> None:
    work = place(good, tmp_path / "work", "recipe.yml", "words")

    def check(data: bytes) -> str:
        (work / "experiment.yml").write_bytes(data)
        shutil.rmtree(work / "runs", ignore_errors=True)
        ending = reader.run(["search", "experiment.yml", *(["--in-process"] if inside else [])], work)
        return judge(ending, ["experiment.yml", "/proc/"], f"{STARTED}|search")

    strategy = damaged_file((good / "experiment.yml").read_bytes(), yaml.safe_load, as_yaml)
    seen = fuzz(strategy, check, examples)
    assert seen["refused"] > examples / 4, seen


@lengths
def test_architectures_as_text(good: Path, reader: Reader, tmp_path: Path, examples: int) -> None:
    work = place(good, tmp_path / "work", "recipe.yml")

    def check(data: bytes) -> str:
        text = data.decode("utf-8", "surrogateescape").replace("\0", "")
        ending = reader.run(["describe", "--recipe", "recipe.yml", "--", text], work)
        return judge(ending, ["architecture", "stride path", "operation", "layer"])

    seen = fuzz(damaged_bytes(ARCHITECTURE.encode()), check, examples)
    assert seen["refused"] > examples / 2, seen


@lengths
def test_architectures_as_files(good: Path, reader: Reader, tmp_path: Path, examples: int) -> None:
    work = place(good, tmp_path / "work", "recipe.yml")
    content = (good / "net.json").read_bytes()

    def check(case: tuple[bytes, bool]) -> str:
        (work / "damaged.json").write_bytes(case[0])
        options = ["--recipe", "recipe.yml"] if case[1] else []
        return judge(reader.run(["describe", "damaged.json", *options], work), ["damaged.json"])

    seen = fuzz(st.tuples(damaged_file(content, json.loads, as_json), st.booleans()), check, examples)
    assert seen["refused"] > examples / 2, seen


@lengths
def test_lists_to_pack(good: Path, reader: Reader, tmp_path: Path, examples: int) -> None:
    work = place(good, tmp_path / "work", "word.png", "word.jpg", "palette.gif")

    def check(data: bytes) -> str:
        (work / "list.tsv").write_bytes(data)
        return judge(reader.run(["data", "pack", "list.tsv", "packed", "--force"], work), ["list.tsv"])

    fuzz(damaged_bytes((good / "list.tsv").read_bytes()), check, examples)


@lengths
def test_lists_of_words(good: Path, reader: Reader, tmp_path: Path, examples: int) -> None:
    work = place(good, tmp_path / "work", "fonts")
    argv = ["data", "synth", "out", "--count", "1", "--processes", "1", "--force", "--lexicon", "words.txt"]
    argv += ["--fonts", "fonts", "--no-system-fonts"]

    def check(data: bytes) -> str:
        (work / "words.txt").write_bytes(data)
        return judge(reader.run(argv, work), ["words.txt"])

    fuzz(damaged_bytes((good / "lexicon.txt").read_bytes()), check, examples // 3)


TRIAL_FILES = ["metrics.jsonl", "result.json", "probabilities.jsonl"]


def first_line(data: bytes) -> Any:
    """The first of several JSON documents."""
    return json.loads(data.splitlines()[0])


@lengths
@pytest.mark.parametrize("name", ["state.json", "recipe.json", *TRIAL_FILES])
def test_searches(good: Path, reader: Reader, tmp_path: Path, name: str, examples: int) -> None:
    """A report tells what can still be read; a search goes on from a whole state or not at all."""
    trial = "trials/operators-AABBB/" if name in TRIAL_FILES else ""
    content = (good / "search" / (trial + name)).read_bytes()

    def check(data: bytes) -> str:
        work = place(good, tmp_path / "work", "search", "words")
        (work / "search" / (trial + name)).write_bytes(data)
        told = judge(reader.run(["report", "search", "--out", "report"], work), [name, "search"])
        if not trial:
            judge(reader.run(["resume", "search"], work), [name, "search", "words"], "failed|search")
        return told

    read = first_line if name.endswith("l") else json.loads
    fuzz(damaged_file(content, read, as_json), check, examples // 3)


@lengths
@pytest.mark.parametrize("name", ["db/nni.sqlite", "autostr_state.json", "recipe.json"])
def test_experiments_of_nni(good: Path, reader: Reader, tmp_path: Path, name: str, examples: int) -> None:
    content = (good / "experiment1" / name).read_bytes()

    def check(data: bytes) -> str:
        work = place(good, tmp_path / "work", "experiment1")
        (work / "experiment1" / name).write_bytes(data)
        told = judge(reader.run(["report", "experiment1", "--out", "report"], work), ["experiment1"])
        judge(reader.run(["resume", "experiment1"], work), ["experiment1"], STARTED)
        return told

    strategy = damaged_bytes(content) if "sqlite" in name else damaged_file(content, json.loads, as_json)
    fuzz(strategy, check, examples // 3)
