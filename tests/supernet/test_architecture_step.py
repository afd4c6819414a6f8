"""Eq. 3, 4 and 5 against references written from the paper alone, in double precision."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from autostr_nni.models.recognizer import Recognizer
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.architecture_step import architecture_step, choice_gradient, frozen
from autostr_nni.supernet.supernet import Supernet

SPACE = SearchSpace(
    width=16,
    out_width=4,
    stem_width=4,
    stage_widths=(4, 4, 6, 6, 6),
    stage_layers=(2, 1, 1, 1, 2),
    projection_skip=True,
)
PATH = SPACE.typical_paths()[1]
MODEL = ModelSection.model_validate(
    {
        "rectifier": {
            "image": [32, 24],
            "localization": [8, 16],
            "points": 6,
            "channels": [3, 4],
            "features": 5,
        },
        "image": [32, 16],
        "translator": {"encoder_layers": 1, "hidden": 4, "decoder": 6, "attention": 5, "embedding": 3},
    }
)
G = 2e6


def setup(seed: int) -> tuple[Recognizer, Supernet, ArchitectureParameters, list[int]]:
    """A double precision supernet inside a whole recognizer, far from uniform probabilities, and a draw."""
    torch.manual_seed(seed)
    supernet = Supernet(PATH, SPACE)
    network = Recognizer(supernet, 5, MODEL).double().train()
    macs = [list(layer.values()) for layer in MACS.table(PATH, SPACE)]
    generator = torch.Generator().manual_seed(seed)
    parameters = ArchitectureParameters(macs, fixed=1000, init=1.0, generator=generator).double()
    return network, supernet, parameters, parameters.draw(generator)


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(3, 3, 32, 24, generator=generator, dtype=torch.float64) * 2 - 1
    return images, torch.tensor([[0, 1, 4], [2, 4, -100], [4, -100, -100]])


class Gated(nn.Module):
    """The reference's choice block: every candidate runs, weighted by a gate that autograd can see."""

    def __init__(self, operations: nn.ModuleList, active: int) -> None:
        super().__init__()
        self.operations = operations
        self.gates = torch.zeros(len(operations), dtype=torch.float64)
        self.gates[active] = 1.0
        self.gates.requires_grad_()

    def forward(self, x: Tensor) -> Tensor:
        return sum(gate * op(x) for gate, op in zip(self.gates, self.operations, strict=True))


def enumerated(
    network: Recognizer, alphas: list[Tensor], macs: list[tuple[int, ...]], draw: list[int], beta: float
) -> tuple[float, list[Tensor]]:
    """L_rec and the gradient of r * L_rec: dL/dY * op_j(X) by autograd through gates, then sums spelt out."""
    network = copy.deepcopy(network)
    gated = [Gated(list(block), i) for block, i in zip(network.backbone.blocks, draw, strict=True)]
    network.backbone.blocks = nn.ModuleList(gated)
    images, targets = batch()
    loss = network.loss(images, targets)
    loss.backward()
    probabilities = [[math.exp(a) for a in alpha.tolist()] for alpha in alphas]
    probabilities = [[e / sum(row) for e in row] for row in probabilities]
    expected = sum(
        f * p for fs, ps in zip(macs, probabilities, strict=True) for f, p in zip(fs, ps, strict=True)
    )
    ratio = math.log(expected) / math.log(G)
    gradients = []
    for block, p, f in zip(gated, probabilities, macs, strict=True):
        row = []
        for i in range(len(p)):
            eq5 = rise = 0.0
            for j in range(len(p)):
                slope = p[j] * ((i == j) - p[i])  # dp_j / dalpha_i
                eq5 += float(block.gates.grad[j]) * slope
                rise += f[j] * slope
            # r = ratio ** beta, so dr = beta * ratio ** (beta - 1) * d(expected) / (expected * log G)
            dr = beta * ratio ** (beta - 1) * rise / (expected * math.log(G))
            row.append(ratio**beta * eq5 + loss.item() * dr)
        gradients.append(torch.tensor(row, dtype=torch.float64))
    return loss.item(), gradients


def step(
    network: Recognizer, supernet: Supernet, parameters: ArchitectureParameters, draw: list[int], beta: float
) -> Tensor:
    supernet.choose(draw)
    images, targets = batch()
    return architecture_step(network, supernet, parameters, lambda: network.loss(images, targets), G, beta)


@pytest.mark.parametrize("beta", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gradient_is_the_enumerated_sum(seed, beta):
    network, supernet, parameters, draw = setup(seed)
    loss, expected = enumerated(network, list(parameters.alphas), parameters.costs, draw, beta)
    found = step(network, supernet, parameters, draw, beta)
    assert float(found) == pytest.approx(loss, rel=1e-12) and not found.requires_grad
    for alpha, reference in zip(parameters.alphas, expected, strict=True):
        assert float((alpha.grad - reference).norm() / reference.norm()) < 1e-9


def test_gradient_is_the_enumerated_sum_where_skips_follow_each_other():
    """An identity's output is its input: two blocks then watch the very same tensor."""
    network, supernet, parameters, draw = setup(3)
    draw = [block.names.index("skip") for block in supernet.choice_blocks]
    _, expected = enumerated(network, list(parameters.alphas), parameters.costs, draw, 0.6)
    step(network, supernet, parameters, draw, 0.6)
    for alpha, reference in zip(parameters.alphas, expected, strict=True):
        assert float((alpha.grad - reference).norm() / reference.norm()) < 1e-9


def test_the_regulariser_matters_in_the_gradient():
    gradients = []
    for beta in (0.0, 0.6):
        network, supernet, parameters, draw = setup(0)
        step(network, supernet, parameters, draw, beta)
        gradients.append(torch.cat([alpha.grad for alpha in parameters.alphas]))
    assert not torch.allclose(*gradients, rtol=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.6, 0.9])
def test_eq_3_equals_its_closed_form(beta):
    _, _, parameters, _ = setup(4)
    value = parameters.regulariser(G, beta)
    found = torch.autograd.grad(value, list(parameters.alphas))
    alphas = [alpha.detach().clone().requires_grad_() for alpha in parameters.alphas]
    expected = 0.0
    for alpha, macs in zip(alphas, parameters.costs, strict=True):
        p = torch.exp(alpha) / torch.exp(alpha).sum()
        for j, flops in enumerate(macs):
            expected = expected + flops * p[j]
    closed = (torch.log(expected) / math.log(G)) ** beta
    slopes = torch.autograd.grad(closed, alphas)
    assert float(value) == pytest.approx(float(closed), rel=1e-12)
    for ours, theirs in zip(found, slopes, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-15)
    assert parameters.expected() == pytest.approx(float(expected) + 1000, rel=1e-9)


def test_choice_gradient_by_hand():
    # p = (1/4, 3/4), products (2, 10): sum_j = (2/4)(d_i1 - p_i) + (30/4)(d_i2 - p_i)
    found = choice_gradient(torch.tensor([2.0, 10.0]), torch.tensor([0.25, 0.75]))
    assert found.tolist() == pytest.approx([0.5 * 0.75 - 7.5 * 0.25, -0.5 * 0.75 + 7.5 * 0.25])


def test_an_architecture_step_leaves_weights_and_statistics_alone():
    network, supernet, parameters, draw = setup(5)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    step(network, supernet, parameters, draw, 0.6)
    assert all(p.grad is None for p in network.parameters())
    assert all(p.requires_grad for p in network.parameters())
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms and all(m.track_running_stats for m in norms)
    assert all(alpha.grad is not None and alpha.grad.abs().sum() > 0 for alpha in parameters.alphas)


def test_batch_statistics_are_used_while_they_are_not_recorded():
    network, *_ = setup(0)
    norm = network.backbone.stem.bn
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64) * 5 + 3
    with frozen(network):
        inside = norm(x)
    assert torch.allclose(inside, norm(x))
    assert norm.num_batches_tracked == 1


def test_a_failing_loss_leaves_the_network_as_it_was():
    network, supernet, parameters, _ = setup(0)

    def loss() -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        architecture_step(network, supernet, parameters, loss, G, 0.6)
    assert all(p.requires_grad for p in network.parameters())
    assert not any(block.probing for block in supernet.choice_blocks)
    assert network.backbone.stem.bn.track_running_stats


def test_frozen_weights_stay_frozen():
    network, *_ = setup(0)
    network.decoder.requires_grad_(False)
    with frozen(network):
        pass
    assert not any(p.requires_grad for p in network.decoder.parameters())
    assert all(p.requires_grad for p in network.backbone.parameters())


def test_every_candidate_runs_once_and_keeps_no_graph():
    network, supernet, parameters, draw = setup(6)
    runs: dict[tuple[int, int], list[bool]] = {}
    for layer, block in enumerate(supernet.choice_blocks):
        for j, operation in enumerate(block):
            operation.register_forward_hook(
                lambda m, args, out, key=(layer, j): runs.setdefault(key, []).append(out.requires_grad)
            )
    step(network, supernet, parameters, draw, 0.6)
    for layer, block in enumerate(supernet.choice_blocks):
        for j in range(len(block)):
            assert runs[layer, j] == [j == draw[layer]]


def test_probing_is_over_after_the_step():
    network, supernet, parameters, draw = setup(7)
    step(network, supernet, parameters, draw, 0.6)
    images, targets = batch()
    network.loss(images, targets).backward()
    assert all(block.products is None for block in supernet.choice_blocks)


def test_same_draw_same_gradient_bit_for_bit():
    gradients = []
    for _ in range(2):
        network, supernet, parameters, draw = setup(8)
        step(network, supernet, parameters, draw, 0.6)
        gradients.append([alpha.grad for alpha in parameters.alphas])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_on_a_gpu(device, dtype, close):
    network, supernet, parameters, draw = setup(1)
    loss = step(network, supernet, parameters, draw, 0.6)
    other, net, copied, _ = setup(1)
    images, targets = (value.to(device) for value in batch())
    other.to(device, dtype)
    copied.to(device, dtype)
    net.choose(draw)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    found = architecture_step(other, net, copied, lambda: other.loss(images.to(dtype), targets), G, 0.6)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    assert float(found) == pytest.approx(float(loss), rel=close)
    for ours, expected in zip(copied.alphas, parameters.alphas, strict=True):
        assert float((ours.grad.cpu() - expected.grad).norm()) <= close * float(expected.grad.norm())
