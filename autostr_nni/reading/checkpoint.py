"""A trained recognizer as one file: recipe, architecture and weights, in plain types only."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from autostr_nni.data.charset import Charset
from autostr_nni.data.sets.usable import EVALUATED_LENGTH
from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.runs.figures import Figures, figures
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import write_atomic
from autostr_nni.system.text_files import is_file

EXPORTED = (".onnx", ".pt", ".pt2")
FORMAT = "autostr_nni recognizer 1"
PARTS = ("recipe", "stage_layers", "architecture", "metrics", "weights")


class Damaged(InputError):
    """The file itself is at fault, not the machine that reads it."""


@dataclass
class Trained:
    """A recognizer with what it was made from, and is read by."""

    recognizer: Recognizer
    recipe: Recipe
    architecture: Architecture
    space: SearchSpace
    metrics: Figures

    @property
    def longest(self) -> int:
        """Most characters that `autostr read` and an exported file give of a word.

        With CTC as many as of a test word, which costs nothing. Attention takes a step for each in a file,
        needed or not, so that it stops at those that it was trained on.
        """
        ctc = self.recipe.model.translator.kind == "ctc"
        return longest_read(self.recipe) if ctc else self.recipe.data.max_length


def longest_read(recipe: Recipe) -> int:
    """Most characters of a test word: it may have more than those to train on."""
    return max(recipe.data.max_length, EVALUATED_LENGTH)


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
    if not is_file(str(path)):
        raise InputError(f"{path}: no such checkpoint; a trial leaves one as best.ckpt in its folder")
    try:
        content = load_file(path, "train again or use another file")
    except Damaged:
        if path.suffix not in EXPORTED:
            raise
        raise InputError(f"{path}: is an exported net; give the best.ckpt that it was made of") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: holds no recognizer of autostr; give the best.ckpt of a trained net")
    if not set(PARTS) <= content.keys():
        raise InputError(f"{path}: lacks a part of a recognizer's checkpoint; the file is damaged")
    try:
        recipe = recipe_from(json.loads(content["recipe"]), path.parent, str(path))
        space = replace(recipe.space(), stage_layers=tuple(content["stage_layers"]))
        architecture = Architecture.from_json(content["architecture"], space)
        classes = Charset.named(recipe.data.charset).classes
        # On no device: what a damaged recipe asks for is not made before the weights are seen to be there.
        with torch.device("meta"):
            empty = build_recognizer(architecture, space, recipe.model, classes)
        _check_weights(content["weights"], empty)
        recognizer = build_recognizer(architecture, space, recipe.model, classes)
        recognizer.load_state_dict(content["weights"])
        metrics = figures(json.loads(content["metrics"]))
    except InputError as error:
        told = str(error)
        raise InputError(told if str(path) in told else f"{path}: {told}") from None
    except (TypeError, ValueError, AttributeError, RecursionError):
        raise InputError(f"{path}: lacks a part of a recognizer's checkpoint; the file is damaged") from None
    except (RuntimeError, MemoryError):
        raise InputError(f"{path}: its weights do not fit its own recipe; the file is damaged") from None
    recognizer.to(device).eval()
    return Trained(recognizer, recipe, architecture, space, metrics)


def load_file(path: Path, advice: str) -> Any:
    """What a checkpoint holds, on the CPU. No code of it is run, and nothing larger than the file is made.

    Raises InputError where it cannot be read: Damaged, which ends with `advice`, where the file is at fault.
    """
    try:
        check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's words to programmers about what a damaged file says
            # Mapped, a tensor cannot reach beyond the file; read, torch would trust the size that it claims.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (PermissionError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "out of memory"
        raise InputError(f"{path}: cannot be read ({reason.lower()})") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise Damaged(f"{path}: not a readable checkpoint ({type(error).__name__}); {advice}") from None


def check_archive(path: Path) -> None:
    """Raise ValueError where a file is no whole archive as torch writes them: stored, not compressed."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not stored or sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("an archive that grows when it is unpacked")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} is damaged")


def _check_weights(weights: Any, net: torch.nn.Module) -> None:
    """Raise where these are not the net's weights: dense, finite, of its names, shapes and types."""
    wanted = net.state_dict()
    if not isinstance(weights, dict) or weights.keys() != wanted.keys():
        raise RuntimeError("other names")
    for name, value in weights.items():
        expected = wanted[name]
        alike = isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized
        if not alike or value.shape != expected.shape or value.dtype != expected.dtype:
            raise RuntimeError(f"another {name}")
        if not torch.isfinite(value).all():
            raise ValueError(f"a damaged {name}")


def pick_device(name: str | None) -> str:
    """The device asked for, or a GPU where there is one. Raises InputError for one that is not there."""
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if found is None:
        raise InputError(f"--device: {name!r} is no device; use cpu, cuda or cuda:1")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device: {name} is asked for and this machine has no usable GPU; use cpu")
    if found[1] is not None and int(found[1]) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise InputError(f"--device: {name} is asked for and the last GPU of this machine is cuda:{last}")
    return name
