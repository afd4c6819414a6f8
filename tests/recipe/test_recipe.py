"""Recipes: defaults, conversions, and the space that follows from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autostr_nni.data.charset import NAMED
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.recipe import Recipe, load_recipe, recipe_from
from autostr_nni.recipe.data import CHARSETS
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies import find
from autostr_nni.system.errors import InputError

SMALLEST = "data: {train: [words/train], validation: [words/val]}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, SMALLEST))
    assert recipe.space() == SearchSpace()
    assert recipe.data.charset == "printable"
    assert (recipe.training.optimizer.name, recipe.training.optimizer.lr) == ("adadelta", 1.0)
    assert (recipe.training.optimizer.rho, recipe.training.optimizer.eps) == (0.9, 1e-6)
    assert (recipe.training.epochs, recipe.training.milestones) == (12, (7, 10))
    operators = recipe.search.operators
    assert (operators.budget_m, operators.g_m, operators.beta, operators.clip) == (450, 450, 0.6, 5)
    assert operators.arch_optimizer.betas == (0.0, 0.999)
    assert [str(path) for path in recipe.search_paths()] == (
        ["AABBB", "ABABB", "ABBAB", "ABBBA", "BAABB", "BABAB", "BABBA", "BBAAB", "BBABA", "BBBAA"]
    )


def test_a_key_that_older_versions_had_is_passed_over(tmp_path: Path) -> None:
    """Recipes lie in checkpoints and in the folders of searches."""
    data = {"train": ["a"], "validation": ["b"]}
    old = recipe_from({"data": {**data, "keep_decoded_mb": 2048}}, tmp_path)
    assert old == recipe_from({"data": data}, tmp_path)


def test_relative_paths_start_at_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, SMALLEST + "seed: 1\n")
    monkeypatch.chdir("/")
    recipe = load_recipe(tmp_path / "recipe.yml")
    assert [source.set for source in recipe.data.train] == [tmp_path / "words/train"]
    assert recipe.source == tmp_path / "recipe.yml"
    other = recipe_from({"data": {"train": ["/a"], "validation": ["b"]}}, tmp_path)
    assert [source.set for source in other.data.train] == [Path("/a")]
    assert [source.set for source in other.data.validation] == [tmp_path / "b"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("[a/iiit, b/svt]", ["iiit", "svt"]),
        ("[a/x, b/x]", ["x", "b/x"]),
        ("{IIIT5K: q/r}", ["IIIT5K"]),
        ("", []),
    ],
)
def test_test_sets_have_names(tmp_path: Path, given: str, names: list[str]) -> None:
    text = f"data:\n  train: [a]\n  validation: [b]\n  test: {given}\n"
    recipe = load_recipe(write(tmp_path, text))
    assert list(recipe.data.test) == names
    assert all(source.set.is_absolute() for source in recipe.data.test.values())


def test_widths_are_scaled_to_multiples_of_eight(tmp_path: Path) -> None:
    model = "model: {width_multiplier: 0.3, image: [32, 64], stage_widths: [32, 64, 128, 256, 500]}\n"
    space = load_recipe(write(tmp_path, SMALLEST + model)).space()
    assert (space.stem_width, space.stage_widths) == (8, (8, 16, 40, 80, 152))
    assert (space.height, space.width, space.out_width) == (32, 64, 16)
    exact = load_recipe(write(tmp_path, SMALLEST + "model: {stem_width: 12}\n"))
    assert exact.space().stem_width == 12


def test_listed_paths(tmp_path: Path) -> None:
    paths = "search: {path: {paths: [ABABB, A.B..A.B..B....]}}\n"
    recipe = load_recipe(write(tmp_path, SMALLEST + paths))
    assert [path.text() for path in recipe.search_paths()] == ["ABABB", "A.B..A.B..B...."]


def test_so_many_paths_are_drawn_as_those_of_random_nets() -> None:
    def drawn(seed: int) -> Recipe:
        search = {"path": {"paths": 12}, "cost": {"budget": 400}, "halving": {"min_m": 200}}
        data = {"train": ["words/train"], "validation": ["words/val"]}
        return recipe_from({"seed": seed, "data": data, "search": search}, Path("/"))

    recipe = drawn(3)
    paths = recipe.search_paths()
    assert len(set(paths)) == 12 and not all(path.is_typical() for path in paths)
    assert drawn(3).search_paths() == paths != drawn(4).search_paths()
    for path in paths:  # it has a net within the band
        costs = [layer.values() for layer in recipe.price.table(path, recipe.space())]
        stem = recipe.price.fixed(recipe.space())
        assert stem + sum(map(min, costs)) <= 400_000_000 and stem + sum(map(max, costs)) >= 200_000_000
    assert find("two-step").from_recipe(recipe).planned_steps[0].trials == 12


def test_optimizer_defaults_follow_its_name(tmp_path: Path) -> None:
    text = SMALLEST + "training: {optimizer: {name: adamw}}\n"
    optimizer = load_recipe(write(tmp_path, text)).training.optimizer
    assert (optimizer.lr, optimizer.eps, optimizer.betas) == (1e-3, 1e-8, (0.9, 0.999))


def test_exponents_need_no_dot(tmp_path: Path) -> None:
    text = SMALLEST + "training: {optimizer: {lr: 1, eps: 1e-7}, gamma: 1e0}\n"
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.training.optimizer.eps == 1e-7


def test_recipes_are_read_only(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, SMALLEST))
    with pytest.raises(Exception, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]


def test_round_trip_through_plain_values(tmp_path: Path) -> None:
    more = "model: {image: [32, 64]}\nsearch: {path: {paths: [ABABB, AABBB]}}\n"
    for extra in ("", more, "training: {optimizer: {name: adam}}\n"):
        recipe = load_recipe(write(tmp_path, SMALLEST + extra))
        for again in (
            Recipe.model_validate(recipe.model_dump(mode="json")),
            Recipe.model_validate_json(recipe.model_dump_json()),
        ):
            assert again.model_dump() == recipe.model_dump()


def test_a_charset_is_the_same_however_it_is_written() -> None:
    charsets = []
    for text in ("eé", "ee\u0301"):
        values = {"data": {"train": ["a"], "validation": ["b"], "charset": text}}
        charsets.append(recipe_from(values, ".").data.charset)
    assert charsets == ["eé", "eé"]


def test_charsets_are_those_of_the_data() -> None:
    assert set(CHARSETS) == set(NAMED)


def test_rendered_sets(tmp_path: Path) -> None:
    text = """
seed: 5
data:
  train: [words]
  validation: [words/val]
  charset: digits
  max_length: 4
  synth:
    words/train: {count: 20, source: digits, split: train, style: mild}
    words/val: {count: 10, lexicon: list.txt, seed: 9, fonts: [fonts]}
"""
    recipe = load_recipe(write(tmp_path, text))
    specs = recipe.data.synth_specs(recipe.seed)
    assert list(specs) == [tmp_path / "words/train", tmp_path / "words/val"]
    train, validation = (SynthSpec.from_dict(spec) for spec in specs.values())
    assert (train.source, train.seed, train.charset, train.max_length) == ("digits:1-3", 5, "digits", 4)
    assert (validation.source, validation.seed) == (str(tmp_path / "list.txt"), 9)
    assert validation.fonts == (str(tmp_path / "fonts"),)


def test_digest_is_of_what_matters(tmp_path: Path) -> None:
    def digest(extra: str, folder: Path = tmp_path) -> str:
        folder.mkdir(exist_ok=True)
        return load_recipe(write(folder, SMALLEST + extra)).digest()

    plain = digest("")
    assert plain == digest("seed: 0\ntraining: {epochs: 12, device: cpu, threads: 2}\n")
    assert plain == digest("", tmp_path / "moved")
    assert plain == digest("evaluation: {batch_size: 3}\n")
    assert plain == digest("search: {operators: {threads: 3}}\n")
    others = [
        digest("seed: 1\n"),
        digest("training: {epochs: 3}\n"),
        digest("search: {operators: {beta: 0.3}}\n"),
    ]
    assert len({plain, *others}) == 4
    other_data = write(tmp_path, SMALLEST.replace("words/train", "words/more"))
    assert load_recipe(other_data).digest() != plain


def test_impossible_space_is_refused_even_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recipe: model\.image: .*48x100"):
        recipe_from({"data": {"train": ["a"], "validation": ["b"]}, "model": {"image": [48, 100]}}, tmp_path)


def test_loads_without_torch(tmp_path: Path) -> None:
    path = write(tmp_path, SMALLEST)
    code = (
        "import sys\n"
        "from autostr_nni.recipe import load_recipe; load_recipe(sys.argv[1])\n"
        "assert not {'torch', 'nni', 'lightning', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)
