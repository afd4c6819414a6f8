"""Weights to start from: those of another net of the same architecture, its classes matched by character."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from autostr_nni.data.charset import Charset
from autostr_nni.reading.checkpoint import Trained, load_trained
from autostr_nni.recipe.weight import changes
from autostr_nni.system.errors import InputError, shown

#: Weights with a row per class: the characters, the end of a word and, in the embedding, its beginning.
OF_CLASSES = ("decoder.classify.weight", "decoder.classify.bias", "decoder.embedding.weight")
SHOWN = 40  # characters that are listed


def start_from(net: Trained, path: Path) -> str | None:
    """Put the weights of a saved net into ``net``, which has not been trained yet.

    Characters that the saved net does not know keep their fresh weights.

    Returns:
        A sentence about characters that only one of both knows; None where they know the same.

    Raises:
        InputError: the saved net is of another architecture or size: which key of the recipe differs.
    """
    trained = load_trained(path)
    mine, theirs = net.architecture, trained.architecture
    if (theirs.path, theirs.operations) != (mine.path, mine.operations):
        raise InputError(f"{path}: its weights are of another architecture, {theirs.text}, than {mine.text}")
    known, wanted = (Charset.named(one.recipe.data.charset).characters for one in (trained, net))
    fresh, weights = net.recognizer.state_dict(), trained.recognizer.state_dict()
    for name in OF_CLASSES:
        if name in fresh and name in weights and fresh[name].shape[1:] == weights[name].shape[1:]:
            weights[name] = _by_character(fresh[name], weights[name], wanted, known)
    if {name: value.shape for name, value in weights.items()} != {
        name: value.shape for name, value in fresh.items()
    }:
        raise InputError(f"{path}: its weights are of another size of net{_differences(net, trained)}")
    net.recognizer.load_state_dict(weights)
    return _told(wanted, known)


def _by_character(fresh: Tensor, saved: Tensor, mine: str, theirs: str) -> Tensor:
    """``fresh`` rows, with those of ``saved`` of characters that both have and of a word's end and start."""
    rows = {character: row for row, character in enumerate(theirs)}
    known = [(row, rows[character]) for row, character in enumerate(mine) if character in rows]
    special = len(fresh) - len(mine)  # the end of a word, and its beginning
    known += [(len(mine) + extra, len(theirs) + extra) for extra in range(special)]
    to, of = torch.tensor(known).unbind(1)
    result = fresh.clone()
    result[to] = saved[of]
    return result


def _differences(net: Trained, trained: Trained) -> str:
    """The sizes that differ, by key with both values."""
    now, then = ({"model": one.recipe.model.model_dump(mode="json")} for one in (net, trained))
    found = [f"{key} is {shown(here)} and was {shown(there)}" for key, here, there in changes(now, then)]
    return f": {', '.join(found)}; put it back" if found else ""


def _told(mine: str, theirs: str) -> str | None:
    new = "".join(character for character in mine if character not in theirs)
    gone = "".join(character for character in theirs if character not in mine)
    parts = []
    if new:
        parts.append(f"{len(new)} characters that it does not know start afresh ({shown(new, SHOWN)})")
    if gone:
        parts.append(f"{len(gone)} of its characters are not in data.charset ({shown(gone, SHOWN)})")
    return "; ".join(parts) or None
