"""PyTorch and onnxruntime time the parts of nets, and join them as they are in whole nets."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from autostr_nni.latency.runtime import PASSES, start
from autostr_nni.latency.settings import Settings
from autostr_nni.models.backbone import Backbone
from autostr_nni.search_spaces.latency import backbone_blocks
from autostr_nni.search_spaces.space import SearchSpace


@pytest.fixture(autouse=True)
def threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["torch-cpu", "onnxruntime-cpu"])
def test_times_of_parts_and_wholes(space: SearchSpace, name: str) -> None:
    if name == "onnxruntime-cpu":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    runtime = start(space, Settings(name, batch=2))
    net = space.default_architecture(space.at(7).path)
    passes = runtime.parts(net)
    assert len(passes) == PASSES
    for times in passes:
        assert len(times) == 1 + space.layers and min(times) >= 0 and sum(times) > 0
        assert all(type(time) is int for time in times)
    whole = runtime.whole(net)
    assert len(whole) == PASSES and min(whole) > 0


def test_torch_runs_the_blocks_one_after_another(space: SearchSpace) -> None:
    """The parts of a net, made apart, are as the net's own: shapes fit, in the layout and type of reading."""
    from autostr_nni.latency.torch_runtime import TorchRuntime

    runtime = TorchRuntime(space, Settings(batch=3))
    net = space.at(11)
    x = runtime.images
    assert x.is_contiguous(memory_format=torch.channels_last)
    for block in backbone_blocks(net, space):
        module = runtime._module(block)
        assert not module.training
        assert not [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    runtime.whole(net)
    (kept,) = runtime.nets.values()
    assert not [part for part in kept.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        out = kept(x)
    assert out.shape == (3, 4, 16) and 0.01 < float(out.abs().mean()) < 100


def test_joined_parts_compute_what_the_net_does(space: SearchSpace) -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from autostr_nni.export.about import INPUT
    from autostr_nni.export.formats import onnx_session
    from autostr_nni.latency.onnx_runtime import exported, joined

    torch.manual_seed(0)
    net = space.sample(random.Random(3))
    module = Backbone(net, space).eval()
    images = torch.randn(2, 3, space.height, space.width)
    inputs, parts = [images], [module.stem, *module.blocks]
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = 1.0
    with torch.no_grad():
        for part in parts:
            part.train()(inputs[-1])  # the statistics that `exported` takes
            inputs.append(part.eval()(inputs[-1]))
    models = [exported(part, x) for part, x in zip(parts, inputs, strict=False)]
    whole = joined(models, space)
    onnx.checker.check_model(whole)
    (found,) = onnx_session(whole.SerializeToString()).run(None, {INPUT: images.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), inputs[-1], rtol=1e-3, atol=1e-3)


def node(name: str, dur: int) -> dict[str, Any]:
    return {"cat": "Node", "name": f"{name}_kernel_time", "dur": dur}


def test_nodes_are_counted_to_their_parts() -> None:
    pytest.importorskip("onnxruntime")
    from autostr_nni.latency.onnx_runtime import by_part

    one = [
        node("part0/conv_nchwc", 5),
        node("ReorderOutput", 2),  # for the node after it
        node("part1/slice", 3),
        node("ReorderInput", 4),
        node("fused part1/conv", 10),
        node("part11/conv", 7),
        node("ReorderOutput_2", 100),  # of the net's end
    ]
    other = [
        {"cat": "Session", "name": "model_run", "dur": 500},
        {"cat": "Node", "name": "x_fence", "dur": 9},
    ]
    twice = [{**event, "dur": 2 * event["dur"]} for event in one]
    first, second = by_part([*other, *one, *other, *twice], passes=2, parts=12)
    assert first == [5_000, 19_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7_000]
    assert second == [2 * ns for ns in first]
    with pytest.raises(RuntimeError, match="8 nodes in 3 passes"):
        by_part([*one, one[0]], passes=3, parts=12)


@pytest.mark.gpu
def test_a_gpu_takes_the_time_itself(space: SearchSpace) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    runtime = start(space, Settings("torch-cuda", batch=4, precision="bfloat16"))
    net = space.at(7)
    times = runtime.parts(net)
    assert len(times) == PASSES and all(min(one) >= 0 and sum(one) > 0 for one in times)
    assert min(runtime.whole(net)) > 0
