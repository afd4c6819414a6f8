"""The tiny trained nets of the tests of training."""

from tests.training.conftest import _one_thread, finished, make_recipe, make_words, sets, steps  # noqa: F401
