"""The recipe: data, model, training, search and seed of a search."""

from autostr_nni.recipe.data import DataSection, SynthSet
from autostr_nni.recipe.load import load_recipe, recipe_from
from autostr_nni.recipe.model import ModelSection, RectifierSection, TranslatorSection
from autostr_nni.recipe.recipe import Recipe
from autostr_nni.recipe.search import OperatorsSection, PathSection, RandomSection, SearchSection
from autostr_nni.recipe.training import EvaluationSection, OptimizerSection, TrainingSection

__all__ = [
    "DataSection",
    "EvaluationSection",
    "ModelSection",
    "OperatorsSection",
    "OptimizerSection",
    "PathSection",
    "RandomSection",
    "Recipe",
    "RectifierSection",
    "SearchSection",
    "SynthSet",
    "TrainingSection",
    "TranslatorSection",
    "load_recipe",
    "recipe_from",
]
