"""What an evaluation counts: whole sets, and labels as they are."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image

from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.models.translator import Reading
from autostr_nni.reading.checkpoint import Trained
from autostr_nni.reading.evaluation import evaluate_sets, open_set, open_test_set
from autostr_nni.recipe import recipe_from


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 16), "white").save(file, "PNG")
    return file.getvalue()


def prepared(folder: Path, labels: list[str]) -> Trained:
    write_lmdb(folder / "words", [(picture(), label.encode().decode()) for label in labels])
    recipe = recipe_from(
        {
            "data": {"train": ["words"], "validation": ["words"], "charset": "lowercase", "max_length": 5},
            "model": {
                "image": [32, 64],
                "stem_width": 8,
                "stage_widths": [8] * 5,
                "stage_layers": [1] * 5,
                "rectifier": {"enabled": False},
                "translator": {"encoder_layers": 0, "decoder": 8, "attention": 8, "embedding": 8},
            },
        },
        folder,
    )
    space = recipe.space()
    torch.manual_seed(0)
    architecture = space.default_architecture(space.typical_paths()[0], "k3e1")
    recognizer = build_recognizer(architecture, space, recipe.model, 37)
    return Trained(recognizer, recipe, architecture, space, {})


def always(word: str):
    """A decoder's greedy reading of nothing but one word."""
    ids = ["0123456789abcdefghijklmnopqrstuvwxyz".index(c) for c in word] + [36]

    def greedy_and_logits(features, targets, max_length):
        reading = Reading(torch.tensor([ids] * len(features)), torch.ones(len(features)))
        return reading, torch.zeros(*targets.shape, 37)

    return greedy_and_logits


def test_words_longer_than_the_recipes_count(tmp_path: Path) -> None:
    net = prepared(tmp_path, ["abc", "abcdefghij", "x" * 30, "!?"])
    assert len(open_set(net.recipe, net.recipe.data.train)) == 1
    assert len(open_test_set(net.recipe, net.recipe.data.train[0])) == 2
    net.recognizer.decoder.greedy_and_logits = always("abc")
    row = evaluate_sets(net, {"all words": net.recipe.data.train[0]})["all words"]
    assert row["words"] == 2 and row["correct"] == 1 and row["word_accuracy"] == 0.5
    assert row["skipped"] == {"too long": 1, "no known character": 1}


def test_compares_with_the_label_as_it_is(tmp_path: Path) -> None:
    net = prepared(tmp_path, ["Abc", "a-bc", "abc", "abcé"])
    net.recognizer.decoder.greedy_and_logits = always("abc")
    row = evaluate_sets(net, {"s": net.recipe.data.train[0]})["s"]
    # The 36-character protocol folds case and drops the hyphen, and the letter that it does not know.
    assert row["word_accuracy"] == 1.0
    assert row["case_sensitive_accuracy"] == 0.25
