"""Measures a space: rounds over all its blocks, and whole nets among them, until the time is up."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from autostr_nni.latency.chains import covering, drawn
from autostr_nni.latency.kept_rounds import KeptRounds, Round
from autostr_nni.latency.prediction import Timed, check, drift, fitted_constant
from autostr_nni.latency.runtime import Runtime, start
from autostr_nni.latency.settings import Settings, Tell, machine
from autostr_nni.reading.memory import memory_told
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.latency import FORMAT, LARGEST_ERROR, VERSION, backbone_blocks, blocks_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.files import write_atomic

#: Whole nets that the constant is fitted on, and other ones that predictions are checked on.
FITTED, CHECKED = 10, 20
#: How often a round comes to each of them, at different moments.
TIMES = 2
#: Rounds that there are at least, however long they take: what disturbs one of them changes no median.
FEWEST = 3


def measure(space: SearchSpace, settings: Settings, file: Path, minutes: float, tell: Tell) -> dict[str, Any]:
    """Measure a space, write the table, and return what is in it.

    Args:
        space: whose blocks are timed.
        settings: on what; checked before.
        file: of the table. Rounds are kept beside it until the table is written, and a later call with the
            same space, settings and machine goes on from them.
        minutes: no round is begun that would end later, once there are three.
        tell: gets a line after each round.

    Raises:
        InputError: the space has too few nets to check a table on, or another measurement is kept there.
        OutOfMemory: the batch is too large.
    """
    nets = drawn(space, FITTED + CHECKED, random.Random(0))
    about = {
        "version": VERSION,
        "settings": asdict(settings),
        "machine": machine(settings),
        "space": space.describe(),
    }
    with closing(KeptRounds(file, about, len(blocks_of(space)), len(nets))) as kept:
        _measure(space, settings, nets, kept, minutes, tell)
        head = {"format": FORMAT, "device": settings.device, "batch": settings.batch}
        content = {**head, **about, **result(space, kept.rounds, nets)}
        write_atomic(file, text_of(content))
        kept.remove()
    return content


def _measure(
    space: SearchSpace,
    settings: Settings,
    nets: Sequence[Architecture],
    kept: KeptRounds,
    minutes: float,
    tell: Tell,
) -> None:
    """Rounds until the time is over."""
    if kept.rounds:
        count = len(kept.rounds)
        tell(f"going on after {count} round{'s' * (count > 1)} kept in {kept.path}")
    with memory_told("--batch", settings.batch):
        runtime: Runtime | None = None
        while not _enough(kept.rounds, minutes):
            runtime = runtime or start(space, settings)
            kept.add(one_round(space, runtime, nets, len(kept.rounds)))
            spent = sum(done.seconds for done in kept.rounds)
            tell(f"round {len(kept.rounds)}: {kept.rounds[-1].seconds:.0f} s, {spent / 60:.1f} min in all")


def _enough(rounds: Sequence[Round], minutes: float) -> bool:
    """Whether another round as long as the last would end too late."""
    seconds = [done.seconds for done in rounds]
    return len(rounds) >= FEWEST and sum(seconds) + seconds[-1] > 60 * minutes


def one_round(space: SearchSpace, runtime: Runtime, nets: Sequence[Architecture], number: int) -> Round:
    """Time every block within nets that cover all, and the whole nets among these, in an order of its own."""
    started = time.perf_counter()
    rng = random.Random(f"round {number}")
    jobs = [
        *((net, True) for net in covering(space, rng)),
        *((net, False) for net in nets for _ in range(TIMES)),
    ]
    rng.shuffle(jobs)
    stem: list[int] = []
    found: dict[Any, list[int]] = defaultdict(list)
    whole: dict[Architecture, list[int]] = defaultdict(list)
    for net, in_parts in jobs:
        if not in_parts:
            whole[net] += runtime.whole(net)
            continue
        first, *layers = zip(*runtime.parts(net), strict=True)
        stem += first
        for block, times in zip(backbone_blocks(net, space), layers, strict=True):
            found[block] += times
    return Round(
        seconds=round(time.perf_counter() - started, 3),
        stem=round(median(stem)),
        blocks=[round(median(found[block])) for block in blocks_of(space)],
        nets=[round(median(whole[net])) for net in nets],
    )


def result(space: SearchSpace, rounds: Sequence[Round], nets: Sequence[Architecture]) -> dict[str, Any]:
    """The table's values out of all rounds, and its check on whole nets."""
    stem = round(median(done.stem for done in rounds))
    blocks = blocks_of(space)
    times = [round(median(column)) for column in zip(*(done.blocks for done in rounds), strict=True)]
    measured = [round(median(column)) for column in zip(*(done.nets for done in rounds), strict=True)]
    of = dict(zip(blocks, times, strict=True))
    timed = [
        Timed(
            net.text, stem + sum(of[block] for block in backbone_blocks(net, space)), ns, macs_of(net, space)
        )
        for net, ns in zip(nets, measured, strict=True)
    ]
    constant = fitted_constant(timed[:FITTED])
    checked = check(timed[FITTED:], constant)
    return {
        "unit": "nanoseconds of one pass of a batch",
        "rounds": len(rounds),
        "seconds": round(sum(done.seconds for done in rounds), 1),
        "drift": round(drift([done.blocks for done in rounds]), 4),
        "constant_ns": constant,
        "constant_from": [asdict(net) for net in timed[:FITTED]],
        "stem": {"channels": space.stem_width, "height": space.height, "width": space.width, "ns": stem},
        "check": {"fit": checked["median_error"] <= LARGEST_ERROR, **checked},
        "blocks": [[*block[:5], list(block[5]), ns] for block, ns in zip(blocks, times, strict=True)],
    }


def text_of(content: dict[str, Any]) -> str:
    """The file's text: a block a line."""
    blocks = ",\n  ".join(json.dumps(block) for block in content["blocks"])
    head = json.dumps({**content, "blocks": []}, indent=1)
    return head.removesuffix("[]\n}") + f"[\n  {blocks}\n ]\n}}\n"
