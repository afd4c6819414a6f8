"""Architectures and their written forms."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.named import NAMED, lookup
from autostr_nni.search_spaces.operation import MBConv
from autostr_nni.search_spaces.operations import OPERATIONS, parse
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.search_spaces.written import parse_architecture
from autostr_nni.system.errors import InputError

SPACE = SearchSpace()
# Stages that could be mistaken for the paper's: five of them, fifteen layers.
OTHER = SearchSpace(stage_layers=(1, 2, 3, 4, 5))


@pytest.mark.parametrize("space", [SPACE, OTHER, SearchSpace(stage_layers=(2, 2, 2, 2, 2))], ids=str)
def test_every_form_reads_back(space, tmp_path):
    rng = random.Random(1)
    paths = [*space.typical_paths(), *(space.paths.sample(rng) for _ in range(5))]
    drawn = [space.sample(rng, paths=[path]) for path in paths]
    for architecture in [*drawn, space.default_architecture(paths[0])]:
        assert parse_architecture(architecture.text, space) == architecture
        assert Architecture.from_parameters(architecture.to_parameters(), space) == architecture
        assert Architecture.from_json(architecture.to_json(space), space) == architecture
        file = tmp_path / "found.json"
        file.write_text(architecture.to_json(space), encoding="utf-8")
        assert parse_architecture(str(file), space) == architecture


def test_forms():
    architecture = lookup("autostr-iiit5k")[0]
    text = "ABABB:k5e6,k5e6,k5e6,k5e6,k5e6,k5e6,k5e6,k5e3,k5e6,k5e6,k3e3,k5e3,k5e3,skip,skip"
    assert architecture.text == str(architecture) == text
    parameters = architecture.to_parameters()
    assert list(parameters) == ["stride_path", *(f"op_{layer:02d}" for layer in range(1, 16))]
    assert parameters["stride_path"] == "ABABB" and parameters["op_08"] == "k5e3"
    # A trial carries more than the architecture.
    assert Architecture.from_parameters({"step": "train", **parameters}, SPACE) == architecture
    assert (
        parse_architecture(text.replace("ABABB", "A..B..A..B..B..").replace(",", ", "), SPACE) == architecture
    )


def test_named():
    assert set(NAMED) == {"autostr-iiit5k", "mbconv-k5e6", "aster"}
    for name in NAMED:
        architecture, stage_layers = lookup(name)
        space = dataclasses.replace(SPACE, stage_layers=stage_layers)
        assert parse_architecture(name, space) == architecture
        assert parse_architecture(architecture.text, space) == architecture
    aster, stage_layers = lookup("aster")
    assert stage_layers == (3, 4, 6, 6, 3) and aster.operations == ("res3",) * 22
    assert aster.path.text(stage_layers) == "AABBB"
    with pytest.raises(InputError, match=r"aster needs model.stage_layers \[3, 4, 6, 6, 3\]"):
        parse_architecture("aster", SPACE)
    with pytest.raises(InputError, match="did you mean aster"):
        lookup("astr")


def test_parameters_name_what_is_wrong():
    parameters = lookup("mbconv-k5e6")[0].to_parameters()
    without = {key: value for key, value in parameters.items() if key != "op_03"}
    with pytest.raises(InputError, match="parameter op_03 is missing"):
        Architecture.from_parameters(without, SPACE)
    with pytest.raises(InputError, match="parameter op_16 is too many"):
        Architecture.from_parameters({**parameters, "op_16": "k3e1"}, SPACE)
    with pytest.raises(InputError, match="unknown operation 'k5e66'"):
        Architecture.from_parameters({**parameters, "op_03": "k5e66"}, SPACE)
    with pytest.raises(InputError, match="layer 1 changes the shape"):
        Architecture.from_parameters({**parameters, "op_01": "skip"}, SPACE)
    with pytest.raises(InputError, match="AAABB is not feasible"):
        Architecture.from_parameters({**parameters, "stride_path": "AAABB"}, SPACE)


def test_json_of_another_space_is_refused_by_name():
    text = lookup("autostr-iiit5k")[0].to_json(SPACE)
    narrow = dataclasses.replace(SPACE, stage_widths=(8, 16, 32, 64, 128))
    with pytest.raises(InputError, match=r"another space: its stage_widths is \[32, 64, 128, 256, 512\]"):
        Architecture.from_json(text, narrow)
    with pytest.raises(InputError, match="another space: its projection_skip is False, here it is True"):
        Architecture.from_json(text, dataclasses.replace(SPACE, projection_skip=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [],
        lambda content: {**content, "extra": 1},
        lambda content: {**content, "space": 3},
        lambda content: {**content, "operations": "k3e1"},
        lambda content: {**content, "operations": [["k3e1"]] * 15},
        lambda content: {**content, "operations": content["operations"][:-1]},
        lambda content: {**content, "stride_path": None},
        lambda content: {**content, "space": {**content["space"], "new": 1}},
    ],
)
def test_bad_json_is_explained(change, tmp_path):
    content = json.loads(lookup("autostr-iiit5k")[0].to_json(SPACE))
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(change(content)), encoding="utf-8")
    with pytest.raises(InputError, match="bad.json"):
        parse_architecture(str(file), SPACE)


def test_what_cannot_be_read_is_explained(tmp_path):
    with pytest.raises(InputError, match="neither PATH:OPERATION"):
        parse_architecture("autostr-iit5k", SPACE)
    with pytest.raises(InputError, match=r"missing\.json: there is no such file"):
        parse_architecture(str(tmp_path / "missing.json"), SPACE)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="broken.json.*not JSON"):
        parse_architecture(str(tmp_path / "broken.json"), SPACE)
    with pytest.raises(InputError, match="15 layers, and 2 operations"):
        parse_architecture("ABABB:k3e1,k3e1", SPACE)
    with pytest.raises(InputError, match="unknown operation ''"):
        Architecture(StridePath.parse("AABBB"), ("",) * 15)


def test_operations():
    found = parse("k5e6")
    assert isinstance(found, MBConv) and (found.kernel, found.expansion) == (5, 6)
    assert parse("res3").fits(True, False) and not parse("skip").fits(True, False)
    assert [isinstance(parse(name), MBConv) for name in OPERATIONS].count(True) == 6
    for name in ("k4e1", "k3e0", "K3E1", "k3e3 ", 3, None):
        with pytest.raises(InputError, match="operation"):
            parse(name)
