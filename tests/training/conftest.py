"""Tiny words of bars, and a recipe small enough to train in a second."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.training.run_trial import run_proposal

PATH = {"step": "path", "stride_path": "AABBB"}
OPERATORS = {"step": "operators", "stride_path": "ABABB"}
SUPERNET = {"step": "supernet"}
TRAIN = {
    "step": "train",
    "stride_path": "ABABB",
    **{f"op_{layer:02d}": op for layer, op in enumerate(("k3e1", "skip", "k5e3", "k3e1", "k3e3", "k5e1"), 1)},
}


PROPOSALS = [
    PATH,
    OPERATORS,
    pytest.param(SUPERNET, marks=pytest.mark.slow("twice as long as the other steps together")),
    TRAIN,
]


@pytest.fixture(scope="session", params=PROPOSALS, ids=lambda parameters: parameters["step"])
def proposal(request) -> dict[str, str]:
    """One proposal of each step."""
    return dict(request.param)


@pytest.fixture(scope="session")
def steps() -> dict[str, dict[str, str]]:
    """The proposals by step."""
    return {parameters["step"]: dict(parameters) for parameters in (PATH, OPERATORS, SUPERNET, TRAIN)}


def word_image(text: str, rng: random.Random) -> bytes:
    """A PNG of the word: every character is a bar, whose height is its value."""
    image = Image.new("RGB", (10 * len(text) + 4, 16), (rng.randrange(200, 256),) * 3)
    draw = ImageDraw.Draw(image)
    for place, character in enumerate(text):
        left = 4 + 10 * place
        draw.rectangle([left, 12 - 3 * int(character), left + 5, 14], fill=(rng.randrange(60),) * 3)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def words(count: int, seed: int) -> list[tuple[bytes, str]]:
    """Encoded images and texts of one to three characters out of 0123."""
    rng = random.Random(seed)
    texts = ["".join(rng.choices("0123", k=rng.randint(1, 3))) for _ in range(count)]
    return [(word_image(text, rng), text) for text in texts]


@pytest.fixture
def make_words() -> Callable[[int, int], list[tuple[bytes, str]]]:
    """`words(count, seed)`."""
    return words


@pytest.fixture(scope="session")
def sets(tmp_path_factory) -> Path:
    """A folder with the sets train, validation and test."""
    folder = tmp_path_factory.mktemp("sets")
    for seed, (name, count) in enumerate({"train": 20, "validation": 10, "test": 6}.items()):
        write_lmdb(folder / name, words(count, seed))
    return folder


@pytest.fixture(scope="session")
def make_recipe(sets) -> Callable[..., Recipe]:
    """`make_recipe({"training.epochs": 2})`: the tiny recipe with changes by dotted key."""

    def make(changes: dict[str, Any] | None = None) -> Recipe:
        content = json.loads(json.dumps(RECIPE))
        for key, value in (changes or {}).items():
            *sections, last = key.split(".")
            section = content
            for name in sections:
                section = section.setdefault(name, {})
            section[last] = value
        return recipe_from(content, sets)

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory, make_recipe) -> Callable[[dict[str, str]], tuple[Path, list[Any]]]:
    """`finished(proposal)`: the folder and the (metrics, final) reports of a trial that ran through."""
    done: dict[str, tuple[Path, list[Any]]] = {}

    def get(proposal: dict[str, str]) -> tuple[Path, list[Any]]:
        step = proposal["step"]
        if step not in done:
            folder, reports = tmp_path_factory.mktemp(step), []
            run_proposal(proposal, make_recipe(), folder, lambda *report: reports.append(report))
            done[step] = folder, reports
        return done[step]

    return get


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


RECIPE: dict[str, Any] = {
    "seed": 1,
    "data": {
        "train": ["train"],
        "validation": ["validation"],
        "test": {"plain": "test"},
        "charset": "0123",
        "max_length": 4,
        "workers": 0,
    },
    "model": {
        "image": [32, 16],
        "stem_width": 4,
        "stage_widths": [4, 4, 6, 6, 6],
        "stage_layers": [2, 1, 1, 1, 1],
        "rectifier": {
            "image": [32, 24],
            "localization": [8, 16],
            "points": 6,
            "channels": [3, 4],
            "features": 5,
        },
        "translator": {"encoder_layers": 1, "hidden": 6, "decoder": 8, "attention": 6, "embedding": 4},
    },
    "training": {"batch_size": 8, "epochs": 3, "milestones": [2], "device": "cpu", "threads": 1},
    "search": {
        "path": {"epochs": 3},
        "one_shot": {"epochs": 3, "recalibration": 9, "words": 6, "nets": 6, "population": 3},
        "operators": {"warmup_epochs": 1, "epochs": 2, "arch_every": 2, "arch_optimizer": {"lr": 0.05}},
    },
    "evaluation": {"batch_size": 4},
}
