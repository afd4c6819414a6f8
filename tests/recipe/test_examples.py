"""Every example file: recipes load, experiments pass NNI's own checks and ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from autostr_nni.nni.experiment.choices import Choices
from autostr_nni.nni.experiment.file import ExperimentFile, load_experiment
from autostr_nni.progress.plan import plan_of
from autostr_nni.recipe import load_recipe
from autostr_nni.recipe.recipe import Recipe
from autostr_nni.recipe.words.targets import SeveralTargets

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted([*EXAMPLES.rglob("*.yml"), *EXAMPLES.rglob("*.yaml")])
EXPERIMENTS = [path for path in FILES if "trialCommand" in path.read_text(encoding="utf-8")]
RECIPES = [path for path in FILES if path.name.endswith("recipe.yml")]


def name(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


def recipes(path: Path) -> list[Recipe]:
    """The recipe of a file, or those of its targets."""
    try:
        return [load_recipe(path)]
    except SeveralTargets as several:
        return [load_recipe(f"{path}#{target}") for target in several.names]


def experiment_of(path: Path) -> ExperimentFile:
    """The experiment of a file, or that of the first target."""
    try:
        return load_experiment(path)
    except SeveralTargets as several:
        return load_experiment(path, target=several.names[0])


def test_nothing_is_left_out() -> None:
    assert {name(path) for path in FILES} == {name(path) for path in [*EXPERIMENTS, *RECIPES]}
    assert {"quickstart/recipe.yml", "quickstart/halving.yml", "quickstart/two_step.yml"} <= set(
        map(name, FILES)
    )
    assert sum(name(path).startswith("paper/") for path in EXPERIMENTS) >= 9


@pytest.mark.parametrize("path", RECIPES, ids=name)
def test_recipe_loads(path: Path) -> None:
    for recipe in recipes(path):
        assert recipe.space().size() > 0 and recipe.search_paths()


def test_the_targets_of_real_words() -> None:
    scene, receipts = recipes(EXAMPLES / "real_words" / "recipe.yml")
    assert list(scene.data.test) == list(receipts.data.elsewhere) == ["IIIT5K", "SVT_train", "IC15_train"]
    assert scene.data.train == receipts.data.train and scene.data.validation != receipts.data.validation


def test_searches_of_real_words_see_as_many_images() -> None:
    images = {}
    for name in ("halving", "random", "two_step"):
        experiment = experiment_of(EXAMPLES / "real_words" / f"{name}.yml")
        strategy, recipe = experiment.strategy(), experiment.recipe
        assert strategy is not None and recipe is not None
        plan = plan_of(strategy, recipe)
        images[name] = sum(count * plan.work[step].images for step, count in plan.steps)
    assert images["halving"] == images["random"] == 400_000
    assert images["two_step"] == pytest.approx(400_000, rel=0.05)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_experiment_passes_nnis_checks(path: Path) -> None:
    from nni.experiment.config import ExperimentConfig

    config = ExperimentConfig.load(path)
    for machine in getattr(config.training_service, "machine_list", []):
        machine.ssh_key_file = path  # there is no key of these machines; NNI wants a file
    config.validate()
    assert config.tuner.class_args["recipe"].endswith("recipe.yml")
    assert all(choice["_type"] == "choice" for choice in config.search_space.values())


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_experiment_is_of_its_recipe(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    recipe_name = content["tuner"]["classArgs"]["recipe"]
    assert content["trialCommand"] == f"python -m autostr_nni.trial --recipe {recipe_name}"
    experiment = experiment_of(path)
    strategy = experiment.strategy()
    assert isinstance(experiment.recipe, Recipe) and strategy is not None
    space = experiment.recipe.space()
    axes = Choices(content["searchSpace"])
    parameters = [trial.parameters for trial in strategy.trials]
    for architecture in [space.default_architecture(p, "k3e1") for p in experiment.recipe.search_paths()]:
        parameters.append(
            {"step": "train", **architecture.to_parameters()} if strategy.name == "two-step" else {}
        )
    complaints = [complaint for values in parameters for complaint in axes.complaints(values)]
    if strategy.name in ("halving", "random"):  # paths may be any of the space, too many to list
        complaints = [text for text in complaints if "under stride_path" not in text]
    assert complaints == []


def test_paper_recipes_differ_only_where_they_say() -> None:
    paper = {
        path.name.removesuffix(".recipe.yml"): load_recipe(path) for path in RECIPES if "paper" in str(path)
    }
    assert {key: recipe.search.operators.beta for key, recipe in paper.items() if "beta" in key} == {
        "beta_0.0": 0.0,
        "beta_0.3": 0.3,
        "beta_0.6": 0.6,
        "beta_0.9": 0.9,
    }
    assert paper["paths_mbconv"].search.path.default_operation == "k3e1"
    assert sum(paper["aster"].model.stage_layers) == 22
    whole = paper["two_step"]
    defaults = Recipe(seed=0, data=whole.data)
    assert whole.model_dump() == defaults.model_dump()


def test_the_quickstart_is_the_same_on_every_machine() -> None:
    sets = load_recipe(EXAMPLES / "quickstart" / "recipe.yml").data.synth.values()
    assert len(sets) == 3 and not any(words.system_fonts or words.fonts for words in sets)
