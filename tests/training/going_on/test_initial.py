"""Weights to start from: what fits is taken, part by part, classes by character; the rest stays as drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.reading.checkpoint import Trained, load_trained
from autostr_nni.recipe import Recipe
from autostr_nni.runs.layout import BEST
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError
from autostr_nni.training.going_on.initial import Init, check_inits, start_from
from autostr_nni.training.one_shot.supernet_training import build_one_shot
from autostr_nni.training.operator_task import build_supernet_recognizer


@pytest.fixture
def best(finished, steps) -> Path:
    return finished(steps["train"])[0] / BEST


def fresh(trained: Trained, recipe: Recipe, operation: str | None = None) -> Recognizer:
    """A net of a recipe that has not been trained: the saved architecture, or one operation everywhere."""
    architecture = trained.architecture
    if operation:
        architecture = trained.space.default_architecture(architecture.path, operation)
    torch.manual_seed(99)
    return build_recognizer(architecture, recipe.space(), recipe.model, len(recipe.data.charset) + 1)


def started(best: Path, make_recipe, changes=None, operation=None):
    """A fresh net of a changed recipe that starts from the saved one, the saved one, and what is told."""
    trained, recipe = load_trained(best), make_recipe(changes)
    net = fresh(trained, recipe, operation)
    told = start_from(net, recipe, Init("training.init", best))
    assert told[0].startswith(f"weights of {best}: ")
    return net, trained.recognizer, [told[0].removeprefix(f"weights of {best}: "), *told[1:]]


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


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


def test_the_same_net(best, make_recipe):
    net, saved, told = started(best, make_recipe)
    assert told == ["rectifier, stem, BiLSTM, translator, layers 1, 3 to 6"]  # layer 2 is a skip
    assert same(net, saved)


def test_classes_in_another_order_are_the_same_characters(best, make_recipe):
    charset = charset_of(make_recipe)
    other = charset[::-1]
    net, saved, told = started(best, make_recipe, {"data.charset": other})
    assert len(told) == 1
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
    assert told[1:] == [
        "  2 characters that it does not know start afresh ('Zж'); "
        f"1 of its characters are not in data.charset ('{charset[0]}')"
    ]
    assert same(net.encoder, saved.encoder)


def test_another_architecture_takes_the_layers_of_its_own_operations(best, make_recipe):
    """The saved net has k3e1, skip, k5e3, k3e1, k3e3, k5e1."""
    net, saved, told = started(best, make_recipe, operation="k3e1")
    assert told == [
        "rectifier, stem, BiLSTM, translator, layers 1, 4",
        "  begins afresh: layer 2 (skip there), layer 3 (k5e3 there), layer 5 (k3e3 there), "
        "layer 6 (k5e1 there)",
    ]
    untouched = fresh(load_trained(best), make_recipe(), "k3e1")
    for place, (mine, theirs) in enumerate(zip(net.backbone.blocks, saved.backbone.blocks, strict=True), 1):
        assert same(mine, theirs if place in (1, 4) else untouched.backbone.blocks[place - 1])


def test_what_is_of_another_size_stays_as_it_was_drawn(best, make_recipe):
    changes = {"model.translator.hidden": 12, "model.stage_widths": [4, 4, 8, 6, 6]}
    net, saved, told = started(best, make_recipe, changes)
    assert told[0] == "rectifier, stem, layers 1, 3, 6"
    assert told[1:] == [
        "  in part: translator (of another size there), layers 4, 5 (of another size there)",
        "  begins afresh: BiLSTM (of another size there)",
    ]
    untouched = fresh(load_trained(best), make_recipe(changes))
    assert same(net.encoder, untouched.encoder)
    assert same(net.decoder.classify, saved.decoder.classify)
    assert same(net.decoder.gru, untouched.decoder.gru)  # its weights go together, whatever their shapes


def test_another_translator(best, make_recipe):
    """CTC's last class is a blank and not a word's end, and its sizes may be the same by chance."""
    net, _, told = started(best, make_recipe, {"model.translator.kind": "ctc", "model.translator.hidden": 4})
    assert net.decoder.classify.weight.shape == load_trained(best).recognizer.decoder.classify.weight.shape
    assert "begins afresh: BiLSTM (of another size there), translator (attention there)" in told[1]
    net, _, told = started(best, make_recipe, {"model.rectifier.enabled": False, "data.charset": "xyz"})
    assert "rectifier" not in told[0] and "3 characters that it does not know" in told[-1]


def test_a_second_layer_of_the_bilstm_begins_afresh(best, make_recipe):
    net, saved, told = started(best, make_recipe, {"model.translator.encoder_layers": 2})
    assert "  in part: BiLSTM (more of it here)" in told
    assert torch.equal(net.encoder.lstm.weight_ih_l0_reverse, saved.encoder.lstm.weight_ih_l0_reverse)


def test_a_choice_block_takes_its_candidate(best, make_recipe):
    recipe, saved = make_recipe(), load_trained(best)
    built = []
    for _ in range(2):
        torch.manual_seed(7)
        path = StridePath.parse("BBABA", recipe.space().stage_layers)
        built.append(build_supernet_recognizer(path, recipe.space(), recipe, 5)[0])
    net, untouched = built
    told = start_from(net, recipe, Init("search.init", best))
    assert told[0].endswith(": rectifier, stem, BiLSTM, translator, the operation of layers 1, 3 to 6")
    assert told[1:] == ["  begins afresh: layer 2 (skip there)"]
    for layer, operation in enumerate(saved.architecture.operations):
        mine, drawn = net.backbone.blocks[layer], untouched.backbone.blocks[layer]
        for name in mine.names:
            taken = name == operation != "skip"
            assert same(mine[name], saved.recognizer.backbone.blocks[layer] if taken else drawn[name])


def test_the_supernet_of_all_paths_takes_it_for_every_stride(best, make_recipe):
    recipe, saved = make_recipe(), load_trained(best)
    net, supernet = build_one_shot(recipe.space(), recipe, 5)
    start_from(net, recipe, Init("search.init", best))
    assert same(net.decoder, saved.recognizer.decoder)
    made = supernet.blocks[2]["k5e3"].at
    assert len(made) == 3 and all(same(m, saved.recognizer.backbone.blocks[2]) for m in made.values())


NOTHING = {
    "model.translator": {"kind": "ctc", "encoder_layers": 1, "hidden": 8},
    "model.stem_width": 5,
    "model.stage_widths": [5, 5, 7, 7, 7],
    "model.rectifier.enabled": False,
}


def test_an_init_that_fits_nothing(best, make_recipe):
    for key in ("training.init", "search.init"):
        recipe = make_recipe({**NOTHING, key: str(best)})
        with pytest.raises(InputError) as error:
            check_inits(recipe)
        told = str(error.value)
        assert told.startswith(f"{key}: nothing of {best} fits: stem (of another size there), BiLSTM (")
        assert "translator (attention there), layers 1, 3 to 6 (of another size there)" in told
        assert told.endswith("; give a net of the same model, or none")
        with pytest.raises(InputError, match=f"^{key}: nothing of .* fits"):
            start_from(fresh(load_trained(best), recipe, "k3e1"), recipe, Init(key, best))
        check_inits(make_recipe({**NOTHING, "model.stage_widths": [5, 5, 6, 6, 6], key: str(best)}))


def test_a_file_that_has_changed_since_the_recipe_was_read(best, make_recipe, tmp_path):
    (tmp_path / "net.ckpt").write_bytes(best.read_bytes())
    recipe = make_recipe({"training.init": str(tmp_path / "net.ckpt")})
    init = Init.of("training.init", recipe.training.init)
    assert init is not None and init.load().architecture == load_trained(best).architecture
    with open(tmp_path / "net.ckpt", "ab") as file:
        file.write(b"more")
    with pytest.raises(
        InputError, match=r"^training.init: .*net.ckpt: is not the file that the recipe was read with"
    ):
        init.load()
