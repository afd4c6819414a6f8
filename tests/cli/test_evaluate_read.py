"""`autostr evaluate` and `autostr read` with a net that has learnt two words."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from PIL import Image

from autostr_nni.cli.commands.evaluate import own_sets, reading_as
from autostr_nni.cli.main import main
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.recipe import recipe_from


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one sentence in which the command refuses."""
    capsys.readouterr()
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("autostr: error: ") and error.count("\n") == 1
    return error


@pytest.fixture(scope="module")
def checkpoint(trained: Path) -> str:
    return str(trained / "best.ckpt")


@pytest.fixture(scope="module")
def pictures(shades: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the first images of the test set, as files, and one that is no image."""
    folder = tmp_path_factory.mktemp("pictures")
    with LmdbReader(shades / "test") as reader:
        for number in range(1, 13):
            data = reader.image(number)
            assert data is not None
            (folder / f"{number:02d}.png").write_bytes(data)
    (folder / "05b.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("not looked at")
    return folder


# --- evaluate


def test_scores_are_those_of_the_trial(
    trained: Path, checkpoint: str, shades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", checkpoint, str(shades / "test"), str(shades / "validation"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    result = json.loads((trained / "result.json").read_text())
    rows = told["sets"]
    assert rows["test"] == result["test"]["shades"]
    assert rows["validation"]["word_accuracy"] == result["metrics"]["default"]
    assert rows["validation"]["loss"] == pytest.approx(result["metrics"]["loss"])
    assert rows["all"]["words"] == 50
    assert rows["all"]["correct"] == rows["test"]["correct"] + rows["validation"]["correct"]
    assert rows["all"]["word_accuracy"] == rows["all"]["correct"] / 50


def test_table(checkpoint: str, shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = [str(shades / name) for name in ("test", "mixed")]
    assert main(["evaluate", checkpoint, *sets, "--batch-size", "7", "--beam", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = ("set", "words", "word accuracy", "95 % interval", "case-sensitive", "1-NED", "CER", "loss")
    assert lines[0].split() == " ".join(heads).split()
    assert [line.split()[:2] for line in lines[1:4]] == [["test", "30"], ["mixed", "3"], ["all", "33"]]
    (left_out,) = lines[4:]
    assert left_out.startswith("mixed: not counted: ")
    for cause in ("2 undecodable", "1 empty label", "1 no known character"):  # long words count as misread
        assert cause in left_out


def test_a_set_given_twice(checkpoint: str, shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = f"{shades}/../{shades.name}/test"
    assert "given twice" in refused(capsys, "evaluate", checkpoint, str(shades / "test"), same)


def test_sets_of_no_use(
    checkpoint: str, shades: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nowhere does not exist" in refused(capsys, "evaluate", checkpoint, str(tmp_path / "nowhere"))
    assert "no word image set" in refused(capsys, "evaluate", checkpoint, str(tmp_path))
    write_lmdb(tmp_path / "letters", [(b"x", "abc")])
    assert "1 no known character" in refused(capsys, "evaluate", checkpoint, str(tmp_path / "letters"))
    write_lmdb(tmp_path / "broken", [(b"x", "1"), (b"y", "22")])
    told = refused(capsys, "evaluate", checkpoint, str(tmp_path / "broken"))
    assert "none of the images of" in told and "broken" in told


def test_files_that_are_no_checkpoint(
    checkpoint: str, shades: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "best.ckpt"

    def told() -> str:
        return refused(capsys, "evaluate", str(place), str(shades / "test"))

    assert f"{place}: no such checkpoint" in told()
    place.write_text("a text")
    assert f"{place}: not a readable checkpoint" in told()
    whole = Path(checkpoint).read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        place.write_bytes(whole[:size])
        assert f"{place}: not a readable checkpoint" in told()
    torch.save({"weights": torch.zeros(3)}, place)
    assert f"{place}: holds no recognizer of autostr" in told()
    last = Path(checkpoint).with_name("last.ckpt")
    assert "holds no recognizer" in refused(capsys, "evaluate", str(last), str(shades / "test"))


@pytest.mark.parametrize("option", [["--beam", "0"], ["--batch-size", "0"], ["--device", "tpu-x"]])
def test_wrong_options(
    checkpoint: str, shades: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert option[0] in refused(capsys, "evaluate", checkpoint, str(shades / "test"), *option)


def test_it_reads_as_the_recipe_says(checkpoint: str) -> None:
    recipe = load_trained(checkpoint, "cpu").recipe
    how = {"decoding": "beam", "beam": 7, "batch_size": 16}
    own = recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=how)})
    assert reading_as(own, None, None) == own
    told = reading_as(own, 8, 1).evaluation
    assert (told.width, told.batch_size) == (1, 8)
    assert reading_as(recipe, None, 3).evaluation.width == 3


def test_the_words_that_chose_the_net_stand_in_for_test_words(tmp_path: Path) -> None:
    sets = {name: tmp_path / "sets" / name for name in ("v", "x", "t")}
    (tmp_path / "link").symlink_to(tmp_path / "sets", target_is_directory=True)
    chosen_by = [
        {"set": "link/v", "filter": "alphanumeric", "weight": 1},
        {"set": "sets/x", "weight": 0},
    ]
    data = {"train": ["sets/t"], "validation": chosen_by}
    found = own_sets(recipe_from({"data": data}, tmp_path))
    assert {name: (s.filter, s.weight) for name, s in found.items()} == {"v": ("alphanumeric", None)}
    named = own_sets(recipe_from({"data": {**data, "test": {"mine": "sets/t"}}}, tmp_path))
    assert named["mine"].set == sets["t"]


def test_sets_that_share_words_are_not_counted_together(
    checkpoint: str, shades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = str(shades / "test")
    assert main(["evaluate", checkpoint, inside, str(shades), "--json", "--by-length"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["sets"]) == list(told["by_length"]) == ["test", shades.name]
    assert main(["evaluate", checkpoint, inside, str(shades), "--by-length"]) == 0
    assert f"\n{shades.name}:\n" in capsys.readouterr().out


# --- read


def read(capsys: pytest.CaptureFixture[str], *argv: str) -> list[tuple[str, str, float]]:
    assert main(["read", *argv]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    return [(name, text, float(confidence)) for name, text, confidence in rows]


def test_words_and_confidences(
    checkpoint: str, pictures: Path, shades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(map(str, pictures.glob("*.png")))
    rows = read(capsys, checkpoint, *files)
    assert [name for name, _, _ in rows] == files
    assert all(0 < confidence <= 1 for _, _, confidence in rows)
    with LmdbReader(shades / "test") as reader:
        truths = [reader.label(number) for number in range(1, 13)]
    assert sum(text == truth for (_, text, _), truth in zip(rows, truths, strict=True)) >= 7
    # Alone, in small batches and in one batch, in any order: the same.
    assert read(capsys, checkpoint, files[3]) == [rows[3]]
    assert read(capsys, checkpoint, *files, "--batch-size", "5") == rows
    assert read(capsys, checkpoint, *reversed(files)) == rows[::-1]


def test_a_folder_with_a_corrupt_image(
    checkpoint: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", checkpoint, str(pictures), "--json"]) == 1
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [Path(row["image"]).name for row in rows] == [f"{i:02d}.png" for i in range(1, 13)]
    assert all(row.keys() == {"image", "text", "confidence"} for row in rows)
    broken = pictures / "05b.jpg"
    told = [line for line in captured.err.splitlines() if "is of one colour" not in line]  # as all shades are
    assert told == [
        f"{pictures}: left out 1 file that is no picture (notes.txt)",
        f"autostr: error: {broken}: not an image that can be decoded",
    ]
    assert main(["read", checkpoint, str(broken)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1


def test_what_is_missing(
    checkpoint: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = str(pictures / "01.png")
    assert "no such image or folder" in refused(capsys, "read", checkpoint, first, str(tmp_path / "no.png"))
    assert capsys.readouterr().out == ""
    assert "no picture there" in refused(capsys, "read", checkpoint, str(tmp_path))
    assert "no such checkpoint" in refused(capsys, "read", str(tmp_path / "no.ckpt"), first)
    assert "--batch-size" in refused(capsys, "read", checkpoint, first, "--batch-size", "0")


def test_any_kind_of_image(checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    for mode in ("1", "L", "P", "RGBA", "I;16", "CMYK"):
        size = (rng.randrange(1, 300), rng.randrange(1, 80))
        form = "tiff" if mode == "CMYK" else "png"
        Image.new(mode, size).save(tmp_path / f"{mode.replace(';', '')}.{form}")
    (tmp_path / "one pixel é.png").write_bytes((tmp_path / "L.png").read_bytes())
    assert len(read(capsys, checkpoint, str(tmp_path))) == 7


def test_a_missing_set_is_told_before_the_others_are_read(
    checkpoint: str, shades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", checkpoint, str(shades / "test"), "nowhere"]) == 2
    told = capsys.readouterr()
    assert "nowhere does not exist" in told.err and "reading" not in told.out + told.err
