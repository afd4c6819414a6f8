"""What a trial did with the keys of its recipe, as values of those keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from autostr_nni import strategies
from autostr_nni.models.backbone import Backbone
from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.runs.layout import RANKED
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.strategies import build
from autostr_nni.strategies.halving import Halving
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.system.json_text import read_lines
from autostr_nni.training.run_trial import run_proposal
from tests.training.recipe_keys.watch import Seen, texts_of

OPTIMIZERS = {"Adadelta": "adadelta", "Adam": "adam", "AdamW": "adamw"}


def architecture(seen: Seen) -> Architecture:
    return Architecture.from_json((seen.folder / "architecture.json").read_text(), seen.recipe.space())


def weights_seed(seen: Seen) -> int | None:
    """The seed from which the weights come."""
    for number in range(20):
        torch.manual_seed(number)
        if torch.equal(Backbone(architecture(seen), seen.recipe.space()).stem.conv.weight, seen.stem):
            return number
    return None


def order_seed(seen: Seen) -> int | None:
    """The seed from which the order of the words comes."""
    words = texts_of(seen.task.training_set)
    for number in range(20):
        order = np.random.default_rng([number, 0]).permutation(len(words))
        if [words[index] for index in order][: len(seen.words(0))] == seen.words(0):
            return number
    return None


def optimizer(seen: Seen) -> str:
    return OPTIMIZERS[type(seen.optimizer()).__name__]


def group(key: str, number: int = 0) -> Callable[[Seen], Any]:
    """An option of the optimizer of the weights, or of the second one."""
    return lambda seen: seen.optimizer(number).param_groups[0][key]


def rates(seen: Seen) -> list[float]:
    """Each epoch's learning rate over the first one's."""
    first = [next(s.rate for s in seen.weights if s.epoch == epoch) for epoch in range(seen.epochs)]
    return [rate / first[0] for rate in first]


def planned(seen: Seen) -> list[float]:
    """The rates of all steps that the training would have without `patience`."""
    plan = seen.task.rates
    return [plan(step) for step in range(plan.total)]


def schedule(seen: Seen) -> str:
    """cosine where the rate falls to 0 after its highest, ever faster at first."""
    found = planned(seen)[-7:]
    falls = [a - b for a, b in zip(found, found[1:], strict=False)]
    return "cosine" if 0 < falls[0] < falls[1] < falls[2] and found[-1] < 0.1 * found[0] else "milestones"


def warmup_epochs(seen: Seen) -> float:
    """Epochs up to the highest rate."""
    found = planned(seen)
    return (found.index(max(found)) + 1) / seen.task.rates.steps


def milestones(seen: Seen) -> list[int]:
    found = rates(seen)
    return [epoch for epoch in range(1, len(found)) if found[epoch] != found[epoch - 1]]


def augmented(seen: Seen) -> list[str]:
    """What is done to training images."""
    return list(seen.task.augmentation.amounts)


def batch_size(seen: Seen) -> int:
    return max(len(step.texts) for step in seen.weights)


def images(seen: Seen) -> int:
    """Of each epoch; they must be equally long."""
    (found,) = {len(seen.words(epoch)) for epoch in range(seen.epochs)}
    return found


def clip(seen: Seen) -> float:
    return round(max(step.norm for step in seen.weights), 6)


def longest(seen: Seen) -> int:
    """Of the words that are learnt, on D_tra and on D_val, and of those that are read."""
    steps = [text for step in [*seen.weights, *seen.architecture] for text in step.texts]
    (found,) = {max(map(len, steps)), max(len(text) for batch in seen.read for text in batch)}
    return found


def longest_in(seen: Seen) -> list[int]:
    return [max(map(len, seen.words(epoch))) for epoch in range(seen.epochs)]


def warmup(seen: Seen) -> int:
    """Epochs before the first step of the architecture parameters."""
    return min(step.epoch for step in seen.architecture)


def arch_every(seen: Seen) -> int:
    """Steps of the weights between two of the architecture parameters, and before an epoch's first."""
    warm = sum(step.epoch < warmup(seen) for step in seen.weights)
    places = [warm, *(step.before for step in seen.architecture)]
    (found,) = {after - before for before, after in zip(places, places[1:], strict=False)}
    return found


def channels(seen: Seen) -> list[int]:
    """Of the stem and of every layer."""
    return [shape[0] for shape in seen.shapes()]


def strides(seen: Seen) -> list[list[int]]:
    """Those that the net's paths are made of."""
    written = json.loads((seen.folder / "architecture.json").read_text())["space"]["alphabet"]
    return [[*stride] for stride in written]


def stages(seen: Seen) -> list[int]:
    """Layers of each stage: every stage has a width of its own."""
    found = channels(seen)[1:]
    return [found.count(width) for width in dict.fromkeys(found)]


def convolutions(seen: Seen) -> list[int]:
    parts = seen.recognizer.rectifier.convolutions
    return [part.out_channels for part in parts if isinstance(part, torch.nn.Conv2d)]


def localization(seen: Seen) -> list[int]:
    """What the localization net sees is as many numbers as its first fully connected layer takes."""
    height, width = seen.recognizer.rectifier.localization
    pools = 2 ** (len(convolutions(seen)) - 1)
    numbers = convolutions(seen)[-1] * (height // pools) * (width // pools)
    assert seen.recognizer.rectifier.hidden[1].in_features == numbers
    return [height, width]


def patience(seen: Seen) -> int:
    best = max(seen.lines, key=lambda line: (line["default"], -line["loss"]))
    assert len(seen.lines) < seen.recipe.training.epochs
    return int(seen.lines[-1]["epoch"] - best["epoch"])


def candidates(seen: Seen) -> list[tuple[str, ...]]:
    return [block.names for block in seen.task.supernet.choice_blocks]


def drawn(seen: Seen) -> list[Architecture]:
    """The architectures of the random baseline."""
    space = seen.recipe.space()
    trials = strategies.build("random", seen.recipe).trials
    return [Architecture.from_parameters(t.parameters, space) for t in trials if "net" not in t.parameters]


def random_band(seen: Seen) -> float:
    """0.05 where all random nets have so many million MACs, which not all of them have without a band."""
    return 0.05 if min(macs_of(net, seen.recipe.space()) for net in drawn(seen)) >= 50_000 else 0.0


def has_largest(seen: Seen) -> bool:
    """Whether the random baseline trains the largest net besides."""
    return strategies.build("random", seen.recipe).trials[0].parameters.get("net") == "largest"


def typical(seen: Seen) -> str:
    return "typical" if {a.path for a in drawn(seen)} <= set(seen.recipe.space().typical_paths()) else "all"


def proposed(seen: Seen) -> list[str]:
    return [trial.parameters["stride_path"] for trial in strategies.build("two-step", seen.recipe).trials]


def bilstm(seen: Seen) -> bool:
    """That of the operator search; nets alone have theirs in any case."""
    return seen.recognizer.encoder.lstm is not None


def sets(last: str) -> Callable[[Seen], list[str]]:
    def found(seen: Seen) -> list[str]:
        learnt = {text[-1] for step in seen.weights for text in step.texts}
        chosen = {text[-1] for step in seen.architecture for text in step.texts}
        read = {text[-1] for batch in seen.read for text in batch}
        known = {"0": "train", "1": "validation", "2": "test"}
        return sorted(known[letter] for letter in (learnt if last == "learnt" else chosen | read))

    return found


def budget(seen: Seen) -> float:
    """The most MACs in millions of all that is drawn and of the net that is found; the budget binds."""
    space = seen.recipe.space()
    macs = [total(backbone_costs(net, space)).macs for net in [architecture(seen), *drawn(seen)]]
    macs += [seen.task.arch.total(step.drawn) for step in [*seen.weights, *seen.architecture]]
    most = max(macs) / 1e6
    limit = seen.recipe.search.operators.budget_m
    return limit if 0.8 * limit < most <= limit else most


def tests(seen: Seen) -> list[str]:
    return list(seen.result["test"])


def translator(seen: Seen) -> str:
    """Which of the two the recognizer has."""
    return "ctc" if isinstance(seen.recognizer.decoder, CTCDecoder) else "attention"


def two_step(seen: Seen) -> TwoStep:
    """The strategy that the recipe makes."""
    made = build("two-step", seen.recipe)
    assert isinstance(made, TwoStep)
    return made


def finalists(seen: Seen) -> set[str]:
    """The nets that an operator search gives to be tried."""
    return set(seen.result["metrics"]["finalists"].split())


def shares(seen: Seen) -> tuple[float, float]:
    """Of the supernet's steps: those of one net alone, and those before all draws are fair."""
    steps, draws = len(seen.weights), seen.task.draws
    assert steps == seen.task.steps
    assert {draws.at(step) for step in range(draws.alone)} == {draws.first}
    return draws.alone / steps, draws.opened / steps


def ranked(seen: Seen) -> list[dict[str, Any]]:
    """The nets ranked on the supernet that was watched."""
    folder = seen.folder.parent / "ranking"
    run_proposal({"step": "ranking"}, seen.recipe, folder, lambda metrics, final: None)
    return read_lines(folder / RANKED)


def population(seen: Seen) -> int:
    """Nets ranked before the first figures were told."""
    lines = ranked(seen)
    images = read_metrics(seen.folder.parent / "ranking")[0]["images_seen"]
    return next(place for place, line in enumerate(lines, 1) if line["images_seen"] == images)


def trained_on(seen: Seen) -> int:
    """Nets that a ranking gives to be trained."""
    ranked(seen)
    return len(read_result(seen.folder.parent / "ranking")["metrics"]["finalists"].split())


def halving(seen: Seen) -> Halving:
    """The strategy that the recipe makes."""
    made = build("halving", seen.recipe)
    assert isinstance(made, Halving)
    return made
