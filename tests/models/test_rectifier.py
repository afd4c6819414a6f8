"""The rectifier starts as the identity, bends exactly as told, and learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy.interpolate import RBFInterpolator

from autostr_nni.models.rectifier import Rectifier, ThinPlateSpline, border_points

SMALL = {"output": (8, 20), "localization": (8, 16), "points": 6, "channels": (4, 6, 8), "features": 16}


def plain_grid(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([x, y], dim=-1)


def test_border_points_run_along_top_and_bottom():
    points = border_points(20)
    assert points.shape == (20, 2)
    assert set(points[:10, 1].tolist()) == {0.05} and set(points[10:, 1].tolist()) == {0.95}
    assert torch.allclose(points[:10, 0], torch.linspace(0.05, 0.95, 10, dtype=torch.float64))
    assert torch.equal(points[:10, 0], points[10:, 0])


def test_a_new_rectifier_resizes_and_nothing_else():
    torch.manual_seed(0)
    rectifier = Rectifier().eval()
    images = torch.rand(2, 3, 64, 256) * 2 - 1
    expected = F.interpolate(images, (32, 100), mode="bilinear", align_corners=True)
    with torch.no_grad():
        assert (rectifier(images) - expected).abs().max() < 1e-3


def test_a_new_rectifier_of_the_same_size_is_the_identity():
    torch.manual_seed(0)
    rectifier = Rectifier(**SMALL).eval()
    images = torch.rand(2, 3, 8, 20) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(rectifier(images), images, atol=1e-4)


@pytest.mark.parametrize("points", [6, 20])
def test_spline_reproduces_affine_maps(points):
    spline = ThinPlateSpline(7, 11, points)
    matrix = torch.tensor([[0.5, 0.1], [-0.2, 0.4]])
    shift = torch.tensor([0.25, 0.3])
    moved = border_points(points).float() @ matrix.T + shift
    grid = spline(moved[None])
    expected = (plain_grid(7, 11) @ matrix.T + shift) * 2 - 1
    assert torch.allclose(grid[0], expected, atol=1e-4)


def test_spline_is_the_thin_plate_spline_of_a_library():
    torch.manual_seed(1)
    target = border_points(10)
    moved = (target * 0.6 + 0.2 + 0.05 * torch.randn(10, 2, dtype=torch.float64)).float()
    grid = (ThinPlateSpline(9, 13, 10)(moved[None])[0] + 1) / 2
    reference = RBFInterpolator(target.numpy(), moved.numpy(), kernel="thin_plate_spline", degree=1)
    expected = torch.from_numpy(reference(plain_grid(9, 13).reshape(-1, 2).numpy())).float()
    assert torch.allclose(grid.reshape(-1, 2), expected, atol=1e-4)


def test_spline_takes_the_output_points_to_the_predicted_ones():
    # A 3 x 3 grid with a margin of 0.05 meets no control point; a fine grid comes close to all of them.
    torch.manual_seed(0)
    spline = ThinPlateSpline(101, 101, 6)
    predicted = (border_points(6) + 0.04 * torch.randn(6, 2, dtype=torch.float64)).clamp(0, 1).float()
    grid = (spline(predicted[None])[0] + 1) / 2
    for target, point in zip(border_points(6), predicted, strict=True):
        column, row = (target * 100).round().int().tolist()
        assert torch.allclose(grid[row, column], point, atol=2e-3), (row, column)


def test_the_grid_stays_inside_the_image():
    grid = ThinPlateSpline(5, 9, 6)(torch.randn(4, 6, 2) * 3)
    assert grid.shape == (4, 5, 9, 2)
    assert grid.min() >= -1 and grid.max() <= 1


def test_gradients_reach_the_localization_network():
    torch.manual_seed(0)
    rectifier = Rectifier(**SMALL)
    images = torch.rand(4, 3, 16, 40)
    (rectifier(images) * torch.rand(4, 3, 8, 20)).sum().backward()
    for parameter in (rectifier.last.weight, rectifier.last.bias):
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0
    # The last weights are zero at the start, so what lies before begins to learn after one step.
    with torch.no_grad():
        rectifier.last.weight.add_(0.01 * torch.randn_like(rectifier.last.weight))
    rectifier.zero_grad()
    (rectifier(images) * torch.rand(4, 3, 8, 20)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in rectifier.parameters())


def test_moved_points_move_the_picture():
    rectifier = Rectifier(**SMALL).eval()
    with torch.no_grad():
        # Look at the left half only.
        rectifier.last.bias.view(-1, 2)[:, 0].mul_(0.5)
        images = plain_grid(16, 41)[..., 0].expand(1, 3, 16, 41)
        out = rectifier(images)
    assert torch.allclose(out[0, 0], plain_grid(8, 20)[..., 0] * 0.5, atol=1e-3)


def test_a_lone_word_can_be_trained_on():
    rectifier = Rectifier(**SMALL).train()
    before = rectifier.hidden[2].running_mean.clone()
    out = rectifier(torch.rand(1, 3, 16, 40))
    assert out.shape == (1, 3, 8, 20) and out.isfinite().all()
    assert torch.equal(rectifier.hidden[2].running_mean, before)
    rectifier(torch.rand(3, 3, 16, 40))
    assert not torch.equal(rectifier.hidden[2].running_mean, before)


def test_the_spline_is_no_part_of_the_weights():
    assert not any("spline" in key for key in Rectifier(**SMALL).state_dict())


def test_in_half_precision_the_points_stay_where_they_are():
    torch.manual_seed(0)
    rectifier = Rectifier().eval()
    images = torch.rand(2, 3, 64, 256) * 2 - 1
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        points = rectifier.control_points(images)
        rectified = rectifier(images)
    with torch.no_grad():
        expected = F.grid_sample(images, rectifier.spline(points), align_corners=True)
        assert points.dtype == torch.float32
        assert (points - border_points(20).float()).abs().max() < 1e-6
        assert torch.allclose(rectified, expected, atol=1e-5)
