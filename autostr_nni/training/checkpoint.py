"""A trained recognizer as one file: recipe, architecture and weights, in plain types only."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from autostr_nni.data.charset import Charset
from autostr_nni.files import write_atomic
from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.errors import InputError
from autostr_nni.search_spaces.space import SearchSpace

FORMAT = "autostr_nni recognizer 1"


@dataclass
class Trained:
    """A recognizer with what it was made from."""

    recognizer: Recognizer
    recipe: Recipe
    architecture: Architecture
    space: SearchSpace
    metrics: dict[str, Any]


def save_file(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all. Raises NoSpace where the disk is full."""
    packed = io.BytesIO()  # torch tells nothing of a full disk that a user could act on
    torch.save(content, packed)
    write_atomic(path, packed.getvalue())


def save_trained(path: Path, trained: Trained) -> None:
    """Save a recognizer for `autostr evaluate`, `read` and `export`."""
    save_file(
        path,
        {
            "format": FORMAT,
            "recipe": trained.recipe.model_dump_json(),
            "stage_layers": list(trained.space.stage_layers),
            "architecture": trained.architecture.to_json(trained.space),
            "metrics": json.dumps(trained.metrics),
            "weights": trained.recognizer.state_dict(),
        },
    )


def load_trained(path: Path | str, device: str = "cpu") -> Trained:
    """Load a saved recognizer, in evaluation mode.

    Raises:
        InputError: no such file, not a recognizer's checkpoint, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; a trial leaves one as best.ckpt in its folder")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); train again or use another file"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: holds no recognizer of autostr; give the best.ckpt of a trained net")
    try:
        recipe = recipe_from(json.loads(content["recipe"]), path.parent, str(path))
        space = replace(recipe.space(), stage_layers=tuple(content["stage_layers"]))
        architecture = Architecture.from_json(content["architecture"], space)
        classes = Charset.named(recipe.data.charset).classes
        recognizer = build_recognizer(architecture, space, recipe.model, classes)
        recognizer.load_state_dict(content["weights"])
        metrics = json.loads(content["metrics"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: lacks a part of a recognizer's checkpoint; the file is damaged") from None
    except RuntimeError:
        raise InputError(f"{path}: its weights do not fit its own recipe; the file is damaged") from None
    recognizer.to(device).eval()
    return Trained(recognizer, recipe, architecture, space, metrics)


def load_weights(recognizer: Recognizer, path: Path) -> None:
    """Put the weights of a saved recognizer into one of the same architecture.

    Raises:
        InputError: the checkpoint is of another architecture or size.
    """
    try:
        recognizer.load_state_dict(load_trained(path).recognizer.state_dict())
    except RuntimeError:
        raise InputError(f"{path}: its weights are of another architecture or size of net") from None


def pick_device(name: str | None) -> str:
    """The device asked for, or a GPU where there is one. Raises InputError for one that is not there."""
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device: {name} is asked for and this machine has no usable GPU; use cpu")
    try:
        return str(torch.device(name))
    except RuntimeError:
        raise InputError(f"--device: {name!r} is no device; use cpu or cuda") from None
