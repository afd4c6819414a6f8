"""What reading costs with onnxruntime, part by part, by its profile of whole exported nets."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import onnx

from autostr_nni.export.about import INPUT, OUTPUTS
from autostr_nni.export.formats import onnx_session, write_onnx
from autostr_nni.export.write import decoding_inside
from autostr_nni.latency import reading
from autostr_nni.latency.onnx_runtime import by_part
from autostr_nni.latency.reading import TRANSLATORS, Net, Times
from autostr_nni.latency.settings import Settings
from autostr_nni.models.cost import PARTS


def profiled(nets: Sequence[Net], settings: Settings) -> tuple[int, list[Times]]:
    """Rounds, and of every net the median milliseconds of its parts by translator.

    In a round every net is run twice with each translator, and the first time does not count.
    """
    with tempfile.TemporaryDirectory() as folder:
        sessions: list[tuple[Any, Any]] = []
        for number, net in enumerate(nets):
            images = reading.images_of(net, settings.batch)
            for kind in TRANSLATORS:
                profile = Path(folder) / f"{number}-{kind}"
                sessions.append((onnx_session(model_of(net, kind), profile), images.numpy()))

        def one() -> None:
            for session, images in sessions:
                for _ in range(2):
                    session.run(None, {INPUT: images})

        count = reading.in_rounds(nets, one)
        found = [_medians(session, 2 * count) for session, _ in sessions]
    per_net = [found[start : start + len(TRANSLATORS)] for start in range(0, len(found), len(TRANSLATORS))]
    return count, [dict(zip(TRANSLATORS, times, strict=True)) for times in per_net]


def _medians(session: Any, runs: int) -> list[float]:
    """Milliseconds of every part, of every other run."""
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    passes = by_part(events, runs, len(PARTS))[1::2]
    return [median(times) / 1e6 for times in zip(*passes, strict=True)]


def model_of(net: Net, kind: str) -> bytes:
    """The exported net, whose nodes and values tell by their names which part they are of."""
    recognizer = reading.recognizer_of(net, kind)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.onnx"
        whole = decoding_inside(recognizer, net.max_length)
        write_onnx(whole, reading.images_of(net, 2), file, OUTPUTS["recognizer"], {})
        model = onnx.load(file)
    named_by_part(model.graph)
    content: bytes = model.SerializeToString()
    return content


def named_by_part(graph: onnx.GraphProto) -> None:
    """Let the names of the nth part's nodes and values begin with `partn/`, n as in `PARTS`.

    A node without a part's module in its name belongs to the part after it, and behind all is the decoder.
    """
    part, parts = len(PARTS) - 1, []
    for node in reversed(graph.node):
        own = (number for number, name in enumerate(PARTS[:-1]) if f"/{name}/" in node.name)
        part = next(own, part)
        parts.append(part)
    names: dict[str, str] = {}
    for node, number in zip(graph.node, reversed(parts), strict=True):
        node.name = f"part{number}/{node.name}"
        node.input[:] = [names.get(name, name) for name in node.input]
        for place, name in enumerate(node.output):
            node.output[place] = names.setdefault(name, f"part{number}/{name}")
    for output in graph.output:
        output.name = names[output.name]
    del graph.value_info[:]
