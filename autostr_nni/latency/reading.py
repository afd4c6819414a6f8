"""What reading a word costs, part by part: rectifier, backbone, encoder, and a decoder of either kind.

With PyTorch a net is as `autostr read` has it: BatchNorms folded, decoded greedily, on a CPU a few images at
a time; with onnxruntime as `autostr export` writes it. Weights are random, which changes no time but that of
PyTorch's attention decoder: it takes a step for every character, and here each word has `CHARACTERS` of them
and its end. An exported one takes as many steps as the longest word has, whatever it reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, TypedDict, cast

import torch
from torch import Tensor

from autostr_nni.latency.clock import Clock, CudaClock
from autostr_nni.latency.runtime import for_reading
from autostr_nni.latency.settings import Settings, machine
from autostr_nni.models.cost import PARTS
from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.models.recognizer import Recognizer, build_recognizer, input_size, normalise
from autostr_nni.models.traceable import FeatureReader
from autostr_nni.models.translator import AttentionDecoder
from autostr_nni.reading.memory import memory_told
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace

CHARACTERS = 8
TRANSLATORS = ("attention", "ctc")
#: Rounds at least and at most, and seconds for each net between the two.
LEAST, MOST, SECONDS = 9, 201, 3.0
_NEVER = -1e9  # the logit of what is never told

#: Milliseconds of the parts, by translator.
Times = dict[str, Sequence[float]]


@dataclass(frozen=True)
class Net:
    """What a recognizer is built of."""

    architecture: Architecture
    space: SearchSpace
    model: ModelSection
    classes: int
    max_length: int


class Part(TypedDict):
    """A part's milliseconds, and its share of the whole."""

    name: str
    ms: float
    share: float


class Reading(TypedDict):
    """Milliseconds of a batch with one translator, and those of its parts in order."""

    ms: float
    parts: list[Part]


class Timed(TypedDict):
    """How nets were timed, and of each what it found by translator."""

    settings: dict[str, Any]
    machine: dict[str, Any]
    characters: int
    rounds: int
    nets: list[dict[str, Reading]]


def reading_times(nets: Sequence[Net], settings: Settings) -> Timed:
    """What reading a batch costs with each net, with attention and with CTC.

    Medians of rounds in which all nets take turns, each after it has read once. The encoder is the BiLSTM;
    scaling the pixels counts to the rectifier.

    Raises:
        OutOfMemory: the batch is too large.
    """
    with _threads(settings.threads), memory_told("--batch", settings.batch):
        if settings.runtime == "onnxruntime-cpu":
            from autostr_nni.latency.onnx_reading import profiled

            count, found = profiled(nets, settings)
        else:
            count, found = clocked(nets, settings)
    return {
        "settings": asdict(settings),
        "machine": machine(settings),
        "characters": CHARACTERS,
        "rounds": count,
        "nets": [{kind: _reading(times) for kind, times in net.items()} for net in found],
    }


def in_rounds(nets: Sequence[Net], one: Callable[[], None]) -> int:
    """Time ``one`` round after another, `LEAST` to `MOST` as the nets have time; how many there were."""
    until, count = time.perf_counter() + SECONDS * len(nets), 0
    while nets and (count < LEAST or (count < MOST and time.perf_counter() < until)):
        one()
        count += 1
    return count


def clocked(nets: Sequence[Net], settings: Settings) -> tuple[int, list[Times]]:
    """Rounds, and of every net the median milliseconds of its parts by translator, with PyTorch."""
    clock = CudaClock() if settings.runtime == "torch-cuda" else Clock()
    found: list[list[list[int]]] = [[] for _ in nets]
    made = [steps_of(net, settings) for net in nets]

    def one() -> None:
        for (steps, images), passes in zip(made, found, strict=True):
            passes += clock.passes(steps, images, 1)

    count = in_rounds(nets, one)
    return count, [_by_translator([median(times) / 1e6 for times in zip(*p, strict=True)]) for p in found]


@torch.no_grad()
def recognizer_of(net: Net, kind: str) -> Recognizer:
    """A net with random weights, ready for reading."""
    translator = net.model.translator.model_copy(update={"kind": kind})
    model = net.model.model_copy(update={"translator": translator})
    built = FeatureReader(build_recognizer(net.architecture, net.space, model, net.classes))
    return cast(FeatureReader, for_reading(built, images_of(net, 4))).recognizer


def images_of(net: Net, batch: int) -> Tensor:
    """Images as a net takes them, of noise."""
    return torch.randint(0, 256, (batch, 3, *input_size(net.model)), dtype=torch.uint8)


@torch.no_grad()
def steps_of(net: Net, settings: Settings) -> tuple[list[Callable[[Any], Any]], Sequence[Tensor]]:
    """The parts of reading one after another, and the images that they begin with.

    These are rectifier, backbone, encoder, the attention decoder, and CTC, which gets the same features.
    """
    device, dtype = settings.runtime.removeprefix("torch-"), getattr(torch, settings.precision)
    ready = recognizer_of(net, "attention").to(device, dtype)
    ctc = CTCDecoder(ready.encoder.out_features, net.classes).eval().to(device, dtype)
    attention = ready.decoder
    assert isinstance(attention, AttentionDecoder)
    attention.classify.bias[attention.eos] = _NEVER  # no word ends early

    def straighten(parts: Sequence[Tensor]) -> list[Tensor]:
        return [ready.rectifier(normalise(part, dtype)) for part in parts]

    def look(parts: Sequence[Tensor]) -> list[Tensor]:
        return [ready.backbone(part) for part in parts]

    def encode(parts: Sequence[Tensor]) -> Tensor:
        return torch.cat([ready.encoder(part) for part in parts])

    def attend(features: Tensor) -> Tensor:
        attention.greedy(features, CHARACTERS)
        return features

    def classify(features: Tensor) -> Tensor:
        ctc.greedy(features, CHARACTERS)
        return features

    images = ready.split(images_of(net, settings.batch).to(device))
    return [straighten, look, encode, attend, classify], images


def _by_translator(ms: Sequence[float]) -> Times:
    """Of the milliseconds of all steps, those of reading with each translator."""
    shared, decoders = ms[: -len(TRANSLATORS)], ms[-len(TRANSLATORS) :]
    return {kind: (*shared, last) for kind, last in zip(TRANSLATORS, decoders, strict=True)}


def _reading(times: Sequence[float]) -> Reading:
    whole = sum(times)
    parts: list[Part] = [
        {"name": name, "ms": ms, "share": ms / whole} for name, ms in zip(PARTS, times, strict=True)
    ]
    return {"ms": whole, "parts": parts}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
