"""onnxruntime on a CPU, on nets as `autostr export` writes them.

onnxruntime rearranges the maps of a whole net at its two ends alone, so a block that runs by itself costs
what it never costs in a net. Blocks are exported one by one and joined to nets, and onnxruntime's profile
tells how long each node took.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from autostr_nni.export.about import INPUT
from autostr_nni.export.formats import onnx_session, write_onnx
from autostr_nni.latency.runtime import PASSES, for_reading
from autostr_nni.latency.settings import Settings
from autostr_nni.models.backbone import Backbone, build_stem
from autostr_nni.models.operations import build_operation
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.latency import Block, backbone_blocks
from autostr_nni.search_spaces.space import SearchSpace

_OUTPUT = "features"
_SIDE = 16
#: What all names of a part's nodes and values begin with; onnxruntime makes its own names out of them.
_PART = re.compile(r"part(\d+)/")


class OnnxRuntime:
    """onnxruntime's CPU provider with its usual optimizations."""

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.space = space
        self.images = torch.rand(settings.batch, 3, space.height, space.width).mul_(2).sub_(1).numpy()
        self.stem = exported(build_stem(space.stem_width), torch.randn(2, 3, _SIDE, _SIDE))
        self.blocks: dict[tuple[Any, ...], onnx.ModelProto] = {}
        self.nets: dict[Architecture, Any] = {}

    def parts(self, net: Architecture) -> list[list[int]]:
        models = [self.stem, *(self._block(block) for block in backbone_blocks(net, self.space))]
        model = joined(models, self.space)
        with tempfile.TemporaryDirectory() as folder:
            session = onnx_session(model.SerializeToString(), Path(folder) / "profile")
            for _ in range(PASSES + 1):
                session.run(None, {INPUT: self.images})
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        return by_part(events, PASSES + 1, len(models))[1:]

    def whole(self, net: Architecture) -> list[int]:
        if net not in self.nets:
            example = torch.randn(2, *self.images.shape[1:])
            self.nets[net] = onnx_session(exported(Backbone(net, self.space), example).SerializeToString())
        passes = []
        for _ in range(PASSES + 1):
            before = time.perf_counter_ns()
            self.nets[net].run(None, {INPUT: self.images})
            passes.append(time.perf_counter_ns() - before)
        return passes[1:]

    def _block(self, block: Block) -> onnx.ModelProto:
        op, cin, cout, _, _, stride = block
        key = (op, cin, cout, stride)
        if key not in self.blocks:
            module = build_operation(op, cin, cout, stride, self.space.projection_skip)
            self.blocks[key] = exported(module, torch.randn(2, cin, _SIDE, _SIDE))
        return self.blocks[key]


def exported(module: nn.Module, example: Tensor) -> onnx.ModelProto:
    """A module as ONNX, as `autostr export` writes a net."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "part.onnx"
        write_onnx(for_reading(module, example), example, file, (_OUTPUT,), {})
        return onnx.load(file)


def joined(models: Sequence[onnx.ModelProto], space: SearchSpace) -> onnx.ModelProto:
    """One net of parts in their order; the names of the nth part begin with `partn/`."""
    net = onnx.ModelProto()
    net.ir_version = models[0].ir_version
    net.opset_import.extend(models[0].opset_import)
    graph = net.graph
    graph.name = "net"
    sizes: list[str | int | None] = ["batch", 3, space.height, space.width]
    graph.input.append(onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, sizes))
    last = INPUT
    for number, model in enumerate(models):
        last = _append(graph, model.graph, f"part{number}/", last)
    graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, [None] * 4))
    return net


def _append(graph: onnx.GraphProto, part: onnx.GraphProto, prefix: str, source: str) -> str:
    """Add a part's nodes and weights to a graph; the name of what the part gives."""
    names = {"": "", part.input[0].name: source}

    def renamed(name: str) -> str:
        return names.setdefault(name, prefix + name)

    for tensor in part.initializer:
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = renamed(tensor.name)
    for node in part.node:
        added = graph.node.add()
        added.CopyFrom(node)
        added.name = prefix + node.name
        added.input[:] = [renamed(name) for name in node.input]
        added.output[:] = [renamed(name) for name in node.output]
    return renamed(part.output[0].name)


def by_part(events: Sequence[dict[str, Any]], passes: int, parts: int) -> list[list[int]]:
    """Nanoseconds of every part in every pass, out of onnxruntime's profile.

    A node without a part in its name rearranges a map for the node after it, and counts to that one's part;
    what follows the last part is of the net's end.

    Raises:
        RuntimeError: the profile is not of so many equal passes.
    """
    kernels = [
        event
        for event in events
        if event.get("cat") == "Node" and str(event.get("name")).endswith("_kernel_time")
    ]
    nodes, rest = divmod(len(kernels), passes)
    if rest or not nodes:
        raise RuntimeError(f"onnxruntime's profile has {len(kernels)} nodes in {passes} passes")
    found = []
    for start in range(0, len(kernels), nodes):
        times, part = [0] * parts, None
        for event in reversed(kernels[start : start + nodes]):
            name = _PART.search(event["name"])
            part = int(name[1]) if name else part
            if part is not None:
                times[part] += int(event["dur"]) * 1000  # it gives microseconds
        found.append(times)
    return found
