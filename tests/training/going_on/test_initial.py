"""Weights to start from: classes are matched by character, and another size of net is told by its keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.reading.checkpoint import Trained, load_trained
from autostr_nni.runs.layout import BEST
from autostr_nni.system.errors import InputError
from autostr_nni.training.going_on.initial import start_from


@pytest.fixture
def best(finished, steps) -> Path:
    return finished(steps["train"])[0] / BEST


def started(best: Path, make_recipe, changes=None, operation=None):
    """A fresh net of a changed recipe that starts from the saved one; the saved one; what is told."""
    trained, recipe = load_trained(best), make_recipe(changes)
    architecture = trained.architecture
    if operation:
        architecture = trained.space.default_architecture(architecture.path, operation)
    torch.manual_seed(99)
    net = build_recognizer(architecture, trained.space, recipe.model, len(recipe.data.charset) + 1)
    told = start_from(Trained(net, recipe, architecture, trained.space, {}), best)
    return net, trained.recognizer, told


def rows(net, charset: str) -> dict[str, list[float]]:
    """What the net has of each character, and of the end and the beginning of a word."""
    decoder = net.decoder
    classes = torch.cat([decoder.classify.weight, decoder.classify.bias[:, None]], 1)
    named = [*charset, "end"]
    found = {name: classes[row].tolist() for row, name in enumerate(named)}
    embedded = {f"{name} given": decoder.embedding.weight[row].tolist() for row, name in enumerate(named)}
    return {**found, **embedded, "start": decoder.embedding.weight[len(named)].tolist()}


def charset_of(make_recipe) -> str:
    charset = make_recipe().data.charset
    assert len(charset) == len(set(charset)) >= 3 and charset not in ("printable", "lowercase", "digits")
    return charset


def test_the_same_classes(best, make_recipe):
    net, saved, told = started(best, make_recipe)
    assert told is None
    for name, value in saved.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)


def test_classes_in_another_order_are_the_same_characters(best, make_recipe):
    charset = charset_of(make_recipe)
    other = charset[::-1]
    net, saved, told = started(best, make_recipe, {"data.charset": other})
    assert told is None
    assert rows(net, other) == rows(saved, charset)
    assert not torch.equal(net.decoder.classify.weight, saved.decoder.classify.weight)


def test_characters_that_only_one_knows(best, make_recipe):
    charset = charset_of(make_recipe)
    other = "Z" + charset[1:] + "ж"
    net, saved, told = started(best, make_recipe, {"data.charset": other})
    mine, theirs = rows(net, other), rows(saved, charset)
    for name in mine.keys() & theirs.keys():
        assert mine[name] == theirs[name], name
    assert not {tuple(mine["Z"]), tuple(mine["ж"])} & {tuple(row) for row in theirs.values()}
    assert told == (
        "2 characters that it does not know start afresh ('Zж'); "
        f"1 of its characters are not in data.charset ('{charset[0]}')"
    )
    assert torch.equal(net.encoder.lstm.weight_hh_l0, saved.encoder.lstm.weight_hh_l0)


def test_another_size_is_told_by_its_keys(best, make_recipe):
    hidden = make_recipe().model.translator.hidden
    with pytest.raises(InputError) as error:
        started(best, make_recipe, {"model.translator.hidden": hidden * 2, "data.charset": "abc"})
    key = f"model.translator.hidden is {hidden * 2} and was {hidden}"
    assert str(error.value) == f"{best}: its weights are of another size of net: {key}; put it back"
    with pytest.raises(InputError, match="model.translator.kind is 'ctc' and was 'attention'"):
        started(best, make_recipe, {"model.translator.kind": "ctc"})
    with pytest.raises(InputError, match="model.rectifier.enabled is False and was True"):
        started(best, make_recipe, {"model.rectifier.enabled": False})


def test_another_architecture(best, make_recipe):
    with pytest.raises(InputError, match="its weights are of another architecture, .*, than "):
        started(best, make_recipe, operation="k5e6")
