from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from autostr_nni.cli.main import main
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.data.synth.glyphs import matplotlib_fonts

pixels = io.BytesIO()
Image.new("RGB", (8, 8), "red").save(pixels, "PNG")
RED = pixels.getvalue()


@pytest.fixture
def synth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that render few words with one font."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "fonts").mkdir()
    shutil.copy(matplotlib_fonts() / "DejaVuSans.ttf", tmp_path / "fonts")
    return ["--digits", "1-3", "--style", "mild", "--fonts", str(tmp_path / "fonts"), "--no-system-fonts",
            "--processes", "1", "--count", "12"]  # fmt: skip


def test_synth_and_check(tmp_path: Path, synth: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "sets" / "a")
    assert main(["data", "synth", out, *synth]) == 0
    assert "12 words in" in capsys.readouterr().out
    assert main(["data", "synth", out, *synth]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["data", "synth", out, *synth, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["words"] == 12
    assert main(["data", "check", str(tmp_path / "sets"), "--charset", "digits", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["sets"]
    assert report["usable"] == report["samples"] == 12
    assert main(["data", "check", out, "--max-length", "3"]) == 0
    assert "12 of 12 samples usable" in capsys.readouterr().out


def test_check_goes_on_after_a_damaged_set(
    tmp_path: Path, synth: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "synth", str(tmp_path / "sets" / "b"), *synth]) == 0
    (tmp_path / "sets" / "a").mkdir()
    (tmp_path / "sets" / "a" / "data.mdb").write_bytes(b"junk" * 3000)
    assert main(["data", "check", str(tmp_path / "sets")]) == 1
    shown = capsys.readouterr().out
    assert "not a readable LMDB" in shown and "12 of 12" in shown
    assert main(["data", "check", str(tmp_path / "sets" / "b"), "--charset", "xyz"]) == 1
    assert "12 no known character" in capsys.readouterr().out


def test_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (30, 10)).save(tmp_path / "an image.png")
    (tmp_path / "list.txt").write_text("an image.png\ttwo words\nno.png\tx\n")
    arguments = ["data", "pack", str(tmp_path / "list.txt"), str(tmp_path / "set")]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "1 samples" in shown and "1 missing image (line 2: no.png)" in shown
    assert main([*arguments, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == {"missing image": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["synth", "OUT", "--count", "0"], "count"),
        (["synth", "OUT", "--count", "5", "--digits", "x"], "digits:1-3"),
        (["synth", "OUT", "--count", "5", "--lexicon", "OUT.txt"], "there is no such file"),
        (["pack", "OUT.txt", "OUT"], "there is no such file"),
        (["check", "OUT"], "does not exist"),
        (["check", ".", "--charset", "aa"], "repeats"),
    ],
)
def test_bad_input(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("autostr: error: ") and words in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", ["-1", "0"])
def test_no_word_is_so_short(tmp_path: Path, capsys: pytest.CaptureFixture[str], length: str) -> None:
    for place in ([str(tmp_path)], ["--recipe", str(tmp_path / "r.yml")]):
        assert main(["data", "check", *place, "--max-length", length]) == 2
        assert "--max-length" in capsys.readouterr().err


def test_labels_in_the_other_case_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lmdb(tmp_path / "set", [(b"x", "Hello"), (b"x", "hello")])
    labels = ["data", "check", str(tmp_path / "set"), "--labels-only", "--charset"]
    assert main([*labels, "hole"]) == 0
    told = capsys.readouterr().out
    assert "2 of 2 samples usable" in told and "trimmed" not in told
    assert "read in lower case, as the charset's letters are: 1" in told
    assert main([*labels, "HOLE"]) == 0
    assert "read in upper case, as the charset's letters are: 2" in capsys.readouterr().out
    assert main([*labels, "hHelo"]) == 0
    assert " case, " not in capsys.readouterr().out


def test_what_steps_of_short_words_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step with a longest word of its own draws of other words than the training does."""
    monkeypatch.chdir(tmp_path)
    for name, labels in (("large", ["a", "bb", "ccc", "dddd"]), ("small", ["eee", "ffff"])):
        write_lmdb(tmp_path / name, [(RED, label) for label in labels])
    recipe = {
        "data": {
            "train": [{"set": "large", "weight": 0.5}, {"set": "small", "weight": 0.5}],
            "validation": ["large"],
            "max_length": 4,
        },
        "search": {"path": {"max_length": 3}, "operators": {"max_length": 2}},
    }
    (tmp_path / "recipe.yml").write_text(yaml.safe_dump(recipe))
    assert main(["data", "check", "--recipe", "recipe.yml"]) == 0
    told = capsys.readouterr().out
    large, small = tmp_path / "large", tmp_path / "small"
    assert f"an epoch of training draws 6 images: 3 of {large} (4 words" in told
    assert f"an epoch of search.path draws 4 images: 2 of {large} (3 words, each 0.67 times)" in told
    assert f"an epoch of search.operators draws nothing: no word of {small} has 2 characters or fewer" in told


def test_uses_that_say_little_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a search does."""
    monkeypatch.chdir(tmp_path)
    write_lmdb(tmp_path / "words", [(RED, "a")])
    (tmp_path / "recipe.yml").write_text(
        yaml.safe_dump({"data": {"train": ["words"], "validation": ["words"]}})
    )
    told = f"{tmp_path / 'words'} is in data.train and in data.validation: its figures measure little"
    assert main(["data", "check", "--recipe", "recipe.yml"]) == 0
    assert f"\nwarning: {told}\n" in capsys.readouterr().out
    assert main(["data", "check", "--recipe", "recipe.yml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == [told]
    write_lmdb(tmp_path / "more", [(RED, "a")])
    write_lmdb(tmp_path / "seen", [(RED, "a")])
    data = {"train": ["words"], "validation": ["seen"], "synth": {"more": {"count": 1}, "seen": {"count": 1}}}
    for targets, wanted in (
        ({}, [f"{tmp_path / 'more'} is rendered for data.synth, and no key of data names it"]),
        ({"a": {"validation": ["seen"]}, "b": {"validation": ["more"]}}, []),
    ):
        given = {**data, **({"targets": targets} if targets else {})}
        (tmp_path / "recipe.yml").write_text(yaml.safe_dump({"data": given}))
        recipe = "recipe.yml#a" if targets else "recipe.yml"
        assert main(["data", "check", "--recipe", recipe, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["warnings"] == wanted


def test_sets_to_be_rendered_are_told_and_the_others_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first search, when `data.synth` has not been rendered; also named by the folder above."""
    monkeypatch.chdir(tmp_path)
    write_lmdb(tmp_path / "real", [(RED, "a")])

    def weighted(*sets: str) -> list[dict[str, object]]:
        return [{"set": name, "weight": 0.5} for name in sets]

    for rendered, made in (("words/more", False), ("words", False), ("words", True), ("words/more", True)):
        if made:  # the folder is there, and nothing is in it
            (tmp_path / rendered).mkdir(exist_ok=True)
        data = {"train": weighted("real", rendered), "validation": weighted("real")}
        data["synth"] = {"words/more": {"count": 70}}
        (tmp_path / "recipe.yml").write_text(yaml.safe_dump({"data": data}))
        assert main(["data", "check", "--recipe", "recipe.yml"]) == 0
        told = capsys.readouterr().out
        assert f"{tmp_path / 'words/more'}: not rendered yet, 70 words to come with the first search" in told
        assert told.count("1 of 1 samples usable") == 2  # in both keys
        assert "an epoch of" not in told and "validation reads 1 image" in told
    assert main(["data", "check", "--recipe", "recipe.yml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_rendered"] == {str(tmp_path / "words/more"): 70}
    assert main(["data", "show", "words/more", "--recipe", "recipe.yml", "--out", "x.png"]) == 2
    assert "words/more is not rendered yet: the first search or training" in capsys.readouterr().err
    for key, value, told in (
        ("fonts", ["none"], "the folder of fonts .*none"),
        ("lexicon", "none.txt", "the word list .*none.txt: there is no such file"),
    ):
        synth = {"words/more": {"count": 70, key: value}}
        (tmp_path / "recipe.yml").write_text(yaml.safe_dump({"data": {**data, "synth": synth}}))
        assert main(["data", "check", "--recipe", "recipe.yml"]) == 2
        assert re.search(rf"data.synth.*: {told}", capsys.readouterr().err)
    (tmp_path / "recipe.yml").write_text(yaml.safe_dump({"data": {**data, "train": ["none"]}}))
    assert main(["data", "check", "--recipe", "recipe.yml"]) == 2
    assert "none does not exist" in capsys.readouterr().err
