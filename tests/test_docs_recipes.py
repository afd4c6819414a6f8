"""The recipes of docs/data.md, docs/evaluation.md and of other scripts train, on a few words."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from autostr_nni.cli.main import main
from autostr_nni.data.sets.pack import pack
from autostr_nni.progress.plan import plan_of
from autostr_nni.recipe import recipe_from
from autostr_nni.strategies import build
from tests.newcomer import FENCE, ROOT, TEXT, smaller

NET = "ABBAB:" + ",".join(["k3e1"] * 15)
WORDS = {"train": 20, "rendered": 6, "validation": 8}
SHORT = {"training": {"epochs": 1, "epoch_images": 16, "milestones": []}}
TARGETS = ("signs/validation", "signs/test", "receipts/validation", "receipts/test")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sets that the recipes name."""
    monkeypatch.chdir(tmp_path)
    for name, count in WORDS.items():
        lines = []
        for number in range(count):
            Image.effect_noise((60, 24), 50 + number).convert("RGB").save(tmp_path / f"{name}{number}.png")
            lines.append(f"{name}{number}.png\t{name[:2]}{number:02d}\n")
        (tmp_path / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
        pack(tmp_path / f"{name}.tsv", tmp_path / name)
    return tmp_path


def written(place: Path, mark: str) -> Path:
    """The recipe below a mark, with a smaller net."""
    (body,) = (m["body"] for m in FENCE.finditer(TEXT) if m["mark"] == mark)
    file = place / "recipe.yml"
    rectifier = {"model": {"rectifier": {"enabled": False}}}
    file.write_text(yaml.safe_dump(smaller({**yaml.safe_load(body), **rectifier})), encoding="utf-8")
    return file


def test_mixed_sets(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = written(place, "mixed recipe")
    recipe.write_text(recipe.read_text().replace("epoch_images: 8", "epoch_images: 10"))
    assert main(["data", "check", "--recipe", str(recipe)]) == 0
    told = capsys.readouterr().out
    assert f"9 of {place / 'train'} (20 words" in told and f"1 of {place / 'rendered'} (6 words" in told
    assert "validation reads 13 images: 7 of" in told
    alike = [line for line in told.splitlines() if "an epoch of" in line]
    assert len(alike) == 1 and "an epoch of training and search.path and search.operators draws" in alike[0]
    assert main(["train", NET, "--recipe", str(recipe), "--out", "out"]) == 0
    told = capsys.readouterr().out
    assert "an epoch draws 10 images: 9 of" in told
    assert re.search(r"validation word accuracy .* of 8 words", told)
    assert main(["data", "check", "train", "--recipe", str(recipe)]) == 2
    assert "LMDB is the recipe's to say" in capsys.readouterr().err


def test_the_figure_that_chooses(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", NET, "--recipe", str(written(place, "metric recipe")), "--out", "out"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"epoch +1 .* 1-CER +-?[\d.]+ % of 8 words", told)
    assert re.search(r"best epoch 1: validation 1-CER -?[\d.]+ % of 8 words", told)


def test_a_charset_of_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The net goes on reading when the file is gone."""
    (place / "chars.txt").write_text("\n".join("traindelv0123456789é"), encoding="utf-8")
    recipe = written(place, "charset recipe")
    assert main(["data", "check", "train", "--charset-file", "chars.txt"]) == 0
    assert main(["train", NET, "--recipe", str(recipe), "--out", "out"]) == 0
    (place / "chars.txt").unlink()
    assert main(["evaluate", "out/best.ckpt", "validation"]) == 0
    assert "20 of 20 samples usable" in capsys.readouterr().out
    (place / "chars.txt").write_text("ab\nc\nb", encoding="utf-8")
    assert main(["data", "check", "--recipe", str(recipe)]) == 2
    assert "recipe.yml:2: data.charset file " in (told := capsys.readouterr().err)
    assert "chars.txt:3: lists 'b' again, after line 1; list it once" in told


def test_the_fields_subsets(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ["a-b", "ab", "it", "cafe", "x1y", "I'm", "STOP", "é12"]
    lines = [f"validation{number}.png\t{label}\n" for number, label in enumerate(labels)]
    (place / "validation.tsv").write_text("".join(lines), encoding="utf-8")
    pack(place / "validation.tsv", place / "validation", force=True)
    recipe = written(place, "filter recipe")
    assert main(["data", "check", "--recipe", str(recipe)]) == 0
    told = capsys.readouterr().out
    assert "3 not of 0-9, a-z and A-Z alone (filter), 2 of less than three characters (filter)" in told
    assert main(["train", NET, "--recipe", str(recipe), "--out", "out"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^of three +3 ", told, re.M) and re.search(r"^whole +8 ", told, re.M)
    assert "of three: not counted: 3 not of 0-9" in told


def test_several_nets() -> None:
    (body,) = (m["body"] for m in FENCE.finditer(TEXT) if m["mark"] == "front recipe")
    data = {"train": ["train"], "validation": ["validation"]}
    recipe = recipe_from({**yaml.safe_load(body), "data": data}, Path("/"))
    assert recipe.search.front.size == 3
    assert build("halving", recipe).planned_steps[-1].trials >= 3


def test_the_two_steps_by_the_recipe_of_the_readme() -> None:
    """They see as many images as halving and random search do."""
    own, keys = (
        yaml.safe_load(match["body"])
        for mark in ("own recipe", "two-step keys")
        for match in FENCE.finditer(TEXT)
        if match["mark"] == mark
    )
    recipe = recipe_from({**own, "search": {**own["search"], **keys["search"]}}, ROOT)
    images = {}
    for name in ("random", "halving", "two-step"):
        plan = plan_of(build(name, recipe), recipe)
        images[name] = sum(count * plan.work[step].images for step, count in plan.steps)
    assert images == {"random": 400_000, "halving": 400_000, "two-step": pytest.approx(400_000, rel=0.05)}


def test_a_try_of_a_minute() -> None:
    """The README's recipe with other sets and sizes: everything else stays."""
    own, changed = (
        yaml.safe_load(match["body"])
        for mark in ("own recipe", "a try")
        for match in FENCE.finditer(TEXT)
        if match["mark"] == mark
    )
    laid_over = {key: {**own[key], **changed[key]} for key in changed}
    assert laid_over["training"].keys() == own["training"].keys()
    recipe, whole = recipe_from({**own, **laid_over}, ROOT), recipe_from(own, ROOT)
    assert [spec["count"] for spec in recipe.data.synth_specs(0).values()] == [2000]
    assert recipe.space() == whole.space() and recipe.data.validation == whole.data.validation
    plan = plan_of(build("halving", recipe), recipe)
    assert sum(count * plan.work[step].images for step, count in plan.steps) <= 5_000


def test_targets(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands too, with README's experiment file but for the strategy."""
    (place / "mine").mkdir()
    recipe = written(place, "targets recipe").rename(place / "mine" / "recipe.yml")
    (search,) = (m["body"] for m in FENCE.finditer(TEXT) if m["mark"] == "own search")
    (place / "mine" / "search.yml").write_text(
        search.replace("TwoStepTuner", "RandomTuner"), encoding="utf-8"
    )
    for name in ("train", *TARGETS):
        shutil.copytree(place / ("train" if name == "train" else "validation"), place / "mine" / name)
    (commands,) = re.findall(r"```bash\n(autostr search mine/search.yml --in-process\n.*?)```", TEXT, re.S)
    for line in commands.splitlines():
        assert main(shlex.split(line)[1:]) == 0
    told = capsys.readouterr().out
    assert (
        "found for  receipts (receipts)  signs (signs)" in told
    )  # in the order of their names, as written here
    assert (place / "runs/comparison/report.html").is_file()
    monkeypatch.chdir(recipe.parent)
    assert main(["train", NET, "--recipe", "recipe.yml#signs", "--out", "out"]) == 0


def test_a_script_of_other_letters(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of Cyrillic, as it stands but for smaller numbers."""
    example = place / "scripts"
    shutil.copytree(
        ROOT / "examples" / "scripts", example, ignore=shutil.ignore_patterns("words", "*.words.txt")
    )
    for script in ("cyrillic", "chinese"):
        listed = subprocess.run(
            [sys.executable, "words.py", f"{script}.txt", "300"],
            cwd=example,
            capture_output=True,
            text=True,
            check=True,
        )
        words = listed.stdout.split()
        assert len({*words}) == 300 and {len(word) for word in words} == {1, 2, 3}
        (example / f"{script}.words.txt").write_text(listed.stdout, encoding="utf-8")
    recipe = example / "cyrillic.recipe.yml"
    recipe.write_text(yaml.safe_dump(smaller(yaml.safe_load(recipe.read_text(encoding="utf-8")), SHORT)))
    assert main(["train", "ABBAB:" + ",".join(["k3e1"] * 10), "--recipe", str(recipe), "--out", "out"]) == 0
    assert re.search(r"validation word accuracy .* of 16 words", capsys.readouterr().out)
