"""Evaluation images per second: greedy decoding beside the encoder alone and beside a beam of older code.

    python benchmarks/decode.py [--batch 64] [--runs 7] [--words 1000] [--threads N] [--json]
        [--checkpoint best.ckpt]

The net is autostr-iiit5k with rectifier at the paper's sizes, with random weights: a bias on the end of the
word, the same for every contender, makes each word end after exactly 8 characters. The older code's way is
written out here: it projects the features for the attention anew for every character, takes always 100 steps,
and keeps 5 beams. Then greedy texts are compared, word for word, with a reference that reads words one by one
without any of the savings. Batches lie in memory; contenders take turns; medians of all runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import Batch
from autostr_nni.export.words import rendered_words
from autostr_nni.models.folded_batch_norm import folded
from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.models.translator import AttentionDecoder
from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.reading.evaluation import Reader
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.freed_memory import keep_freed_memory

LENGTH = 8
LONGEST = 25
CHARSET = Charset.named("printable")


class EndsAfter(nn.Module):
    """Scores of characters that make every word end after `LENGTH`: counts its calls, one for each step."""

    def __init__(self, classify: nn.Linear) -> None:
        super().__init__()
        self.classify, self.calls = classify, 0
        self.weight = classify.weight  # the recognizer asks for its type

    def forward(self, state: Tensor) -> Tensor:
        scores: Tensor = self.classify(state).clone()
        if state.dim() == 3:  # all steps at once: teacher forcing
            return scores
        self.calls += 1
        scores[:, -1] = 1e4 if self.calls > LENGTH else -1e4
        return scores


def plain_step(decoder: AttentionDecoder, symbol: Tensor, state: Tensor, features: Tensor) -> Tensor:
    """The next state, with everything computed anew."""
    energy = torch.tanh(decoder.project_features(features) + decoder.project_state(state)[:, None])
    attention = torch.softmax(decoder.score(energy), dim=1)
    context = (attention * features).sum(1)
    return decoder.gru(torch.cat([decoder.embedding(symbol), context], 1), state)


def plain_greedy(decoder: AttentionDecoder, features: Tensor) -> list[int]:
    """One word ``[1, T, C]``, character by character."""
    symbol = torch.tensor([decoder.bos])
    state = features.new_zeros(1, decoder.gru.hidden_size)
    ids = []
    for _ in range(LONGEST + 1):
        state = plain_step(decoder, symbol, state, features)
        symbol = decoder.classify(state).argmax(1)
        ids.append(int(symbol))
    return ids


def older_beam(decoder: AttentionDecoder, features: Tensor, steps: int = 100, width: int = 5) -> Tensor:
    """Symbols ``[B, steps]`` of the best of ``width`` beams after all of ``steps`` steps."""
    batch = len(features)
    wide = features.repeat_interleave(width, 0)
    state = wide.new_zeros(batch * width, decoder.gru.hidden_size)
    symbol = torch.full((batch * width,), decoder.bos)
    scores = torch.tensor([0.0] + [-torch.inf] * (width - 1)).repeat(batch, 1)
    first = torch.arange(batch)[:, None] * width
    ids = torch.empty(batch * width, 0, dtype=torch.long)
    for _ in range(steps):
        state = plain_step(decoder, symbol, state, wide)
        log_p = F.log_softmax(decoder.classify(state), 1).view(batch, width, -1)
        scores, best = (scores[:, :, None] + log_p).flatten(1).topk(width, 1)
        rows = (first + best // log_p.shape[2]).flatten()
        symbol = (best % log_p.shape[2]).flatten()
        ids = torch.cat([ids[rows], symbol[:, None]], 1)
        state = state[rows]
    return ids.view(batch, width, steps)[:, 0]


def full_size() -> tuple[Recognizer, Recipe]:
    """The net and a recipe that names its charset and sizes; its features tell words apart."""
    recipe = recipe_from({"data": {"train": ["none"], "validation": ["none"]}}, None)
    net = build_recognizer(lookup("autostr-iiit5k")[0], SearchSpace(), recipe.model, CHARSET.classes).eval()
    with torch.no_grad():
        net.decoder.score.weight.mul_(40)
        net.decoder.classify.weight.mul_(6)
        for weight in net.encoder.parameters():
            weight.mul_(3)
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):  # statistics of words, so that no layer is flat
                part.momentum = None
        net.train().features(torch.from_numpy(rendered_words(recipe, 32, seed=1)))
    return net.eval(), recipe


def measure(net: Recognizer, images: np.ndarray, batch: int, runs: int) -> dict[str, Any]:
    """Medians in seconds for one batch, and their ratios."""
    pixels = torch.from_numpy(images[:batch])
    ends = net.decoder.classify
    assert isinstance(ends, EndsAfter)
    words = torch.randint(0, CHARSET.eos, (batch, LENGTH + 1))
    words[:, -1] = CHARSET.eos
    lengths = torch.full((batch,), LENGTH + 1)
    loaded = Batch(pixels, words, lengths, ["word"] * batch, 0)
    fast = folded(net)  # what `autostr evaluate` and `autostr read` use
    fast.decoder.classify = ends  # one count of steps serves both
    ends.calls = 0
    right = loaded._replace(targets=fast.read(pixels, LONGEST).ids)
    reader = Reader(fast, CHARSET, LONGEST)
    contenders: dict[str, Callable[[], object]] = {
        "encoder": lambda: fast.features_by_parts(pixels),
        "encoder and greedy": lambda: fast.read(pixels, LONGEST),
        "evaluation, all words read wrong": lambda: reader.add(loaded),
        "evaluation, all words read right": lambda: reader.add(right),
        "encoder and our beam of 5": lambda: fast.read(pixels, LONGEST, 5),
        "encoder, BatchNorm not folded": lambda: net.features_by_parts(pixels),
        "the same and older beam of 5": lambda: older_beam(net.decoder, net.features(pixels)),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for run in range(runs + 1):
        for name, contender in contenders.items():
            ends.calls = 0
            started = time.perf_counter()
            contender()
            if run:  # the first is a warm-up
                times[name].append(time.perf_counter() - started)
    found = {name: statistics.median(values) for name, values in times.items()}
    encoder, greedy, older = (
        found["encoder"],
        found["encoder and greedy"],
        found["the same and older beam of 5"],
    )
    return {
        **{f"{name}, images per second": batch / seconds for name, seconds in found.items()},
        "greedy adds to the encoder": greedy / encoder - 1,
        "greedy over older beam": older / greedy,
        **{f"{name}, over older beam": older / found[name] for name in contenders if "evaluation" in name},
    }


def spread_ends(net: Recognizer, images: np.ndarray, batch: int) -> None:
    """Make the end of the word so likely that words of all lengths come out."""
    features = net.features(torch.from_numpy(images[:batch]))
    symbol = torch.full((batch,), net.decoder.bos)
    state = torch.zeros(batch, net.decoder.gru.hidden_size)
    gaps = []
    for _ in range(LENGTH + 1):
        state = plain_step(net.decoder, symbol, state, features)
        scores = net.decoder.classify(state)
        best, symbol = scores[:, :-1].max(1)
        gaps.append(best - scores[:, -1])
    net.decoder.classify.bias[-1] += torch.cat(gaps).quantile(0.1)


def parting(
    net: Recognizer, fast: Recognizer, pixels: Tensor, ids: list[int], place: int
) -> dict[str, float]:
    """At a place where a word was read otherwise: the reference's lead, and what rounding does there."""
    targets = torch.tensor([ids])
    scores, others = (one.decoder.plain(one.features(pixels), targets)[0, place] for one in (net, fast))
    first, second = scores.topk(2).values
    return {"lead of the first": float(first - second), "rounding": float((scores - others).abs().max())}


def equal_texts(net: Recognizer, images: np.ndarray, batch: int, charset: Charset) -> dict[str, Any]:
    """How many words our greedy decoding and the reference read alike; of the others, how near a tie was."""
    alike, lengths, ties = 0, set(), []
    fast = folded(net)
    for start in range(0, len(images), batch):
        pixels = torch.from_numpy(images[start : start + batch])
        features = net.features(pixels)
        ours = fast.read(pixels, LONGEST).ids.tolist()
        for number, ids in enumerate(ours):
            expected = plain_greedy(net.decoder, features[number : number + 1])
            text = charset.decode(expected)
            alike += charset.decode(ids) == text
            lengths.add(len(text))
            if charset.decode(ids) != text:
                place = next(n for n, (a, b) in enumerate(zip(ids, expected, strict=False)) if a != b)
                ties.append(parting(net, fast, pixels[number : number + 1], expected, place))
    return {
        "words": len(images),
        "read alike": alike,
        "shortest": min(lengths),
        "longest": max(lengths),
        "read otherwise": ties,
    }


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description="Evaluation images per second.")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--words", type=int, default=1000, help="words whose texts are compared")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--checkpoint", type=Path, help="compare the texts of this trained net as well")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    keep_freed_memory()  # as `autostr evaluate`, for all alike
    torch.manual_seed(0)
    net, recipe = full_size()
    net.decoder.classify = EndsAfter(net.decoder.classify)
    images = rendered_words(recipe, max(args.words, args.batch))
    with torch.inference_mode():
        result = measure(net, images, args.batch, args.runs)
    with torch.no_grad():
        assert isinstance(net.decoder.classify, EndsAfter)
        net.decoder.classify = net.decoder.classify.classify
        spread_ends(net, images, args.batch)
        result |= equal_texts(net, images, args.batch, CHARSET)
        if args.checkpoint:
            trained = load_trained(args.checkpoint)
            charset = Charset.named(trained.recipe.data.charset)
            words = rendered_words(trained.recipe, args.words)
            found = equal_texts(trained.recognizer.eval(), words, args.batch, charset)
            result |= {f"trained net: {key}": value for key, value in found.items()}
    if args.json:
        print(json.dumps({"threads": torch.get_num_threads(), "batch": args.batch, **result}, indent=2))
        return
    for key, value in result.items():
        print(f"{key:<50}{value:>10.3f}" if isinstance(value, float) else f"{key:<50}{value!s:>10}")


if __name__ == "__main__":
    main()
