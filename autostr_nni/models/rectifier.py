"""The rectification module: a spatial transformer that straightens text with a thin-plate spline.

Paper section 4.2; the spline follows ASTER: control points are predicted in the input image, and the grid
maps fixed points of the output image to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Distance of the control points from the border of the output image, as a share of its size.
MARGIN = 0.05
# Features enter the last layer scaled down, so that its first steps move the points only a little.
FEATURE_SCALE = 0.1


def border_points(count: int) -> Tensor:
    """``count`` points (x, y) in [0, 1]: half along the top edge, half along the bottom; ``[count, 2]``."""
    half = count // 2
    x = torch.linspace(MARGIN, 1 - MARGIN, half, dtype=torch.float64)
    top = torch.stack([x, torch.full_like(x, MARGIN)], dim=1)
    bottom = torch.stack([x, torch.full_like(x, 1 - MARGIN)], dim=1)
    return torch.cat([top, bottom])


def radial_basis(a: Tensor, b: Tensor) -> Tensor:
    """The spline's kernel r^2 log r (written with r^2) between points ``[n, 2]`` and ``[m, 2]``."""
    squared = (a[:, None] - b[None]).square().sum(-1)
    return torch.where(squared > 0, 0.5 * squared * torch.log(squared.clamp_min(1e-300)), 0.0)


class ThinPlateSpline(nn.Module):
    """Sampling grid ``[B, height, width, 2]`` in [-1, 1] from control points ``[B, points, 2]`` in [0, 1]."""

    def __init__(self, height: int, width: int, points: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        target = border_points(points)
        # Solving the spline is linear in the predicted points, so grid = matrix @ points, known once.
        system = torch.zeros(points + 3, points + 3, dtype=torch.float64)
        affine = torch.cat([torch.ones(points, 1, dtype=torch.float64), target], dim=1)
        system[:points, :points] = radial_basis(target, target)
        system[:points, points:] = affine
        system[points:, :points] = affine.T
        # As in ASTER, first and last pixels lie on the border: with grid_sample's align_corners the border
        # points then sample the image unchanged.
        y, x = torch.meshgrid(
            torch.linspace(0, 1, height, dtype=torch.float64),
            torch.linspace(0, 1, width, dtype=torch.float64),
            indexing="ij",
        )
        pixels = torch.stack([x.flatten(), y.flatten()], dim=1)
        basis = torch.cat(
            [radial_basis(pixels, target), torch.ones(len(pixels), 1, dtype=torch.float64), pixels], 1
        )
        matrix = torch.linalg.solve(system.T, basis.T).T[:, :points]
        self.register_buffer("matrix", matrix.float(), persistent=False)
        self.matrix: Tensor

    def forward(self, points: Tensor) -> Tensor:
        grid = self.matrix.to(points.dtype) @ points
        return (grid.clamp(0, 1) * 2 - 1).view(-1, self.height, self.width, 2)


class FeatureNorm(nn.BatchNorm1d):
    """BatchNorm of ``[B, features]`` that takes its running statistics for a training batch of one.

    One row has no variance: the last batch of an epoch may hold a single word.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or len(x) > 1:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class Rectifier(nn.Module):
    """Spatial transformer: ``[B, 3, h, w]`` images to rectified ``[B, 3, height, width]``.

    Args:
        output: height and width of the rectified image, (32, 100) in the paper.
        localization: height and width that the localization network sees, (32, 64).
        points: number of control points, even, 20 in the paper.
        channels: widths of the 3x3 convolutions; all but the last are followed by 2x2 max-pooling.
        features: width of the hidden fully connected layer.
    """

    def __init__(
        self,
        output: tuple[int, int] = (32, 100),
        localization: tuple[int, int] = (32, 64),
        points: int = 20,
        channels: Sequence[int] = (32, 64, 128, 256, 256, 256),
        features: int = 512,
    ) -> None:
        super().__init__()
        self.localization = localization
        self.points = points
        layers: list[nn.Module] = []
        cin = 3
        for index, cout in enumerate(channels):
            layers += [nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout)]
            layers.append(nn.ReLU(inplace=True))
            if index < len(channels) - 1:
                layers.append(nn.MaxPool2d(2))
            cin = cout
        shrink = 2 ** (len(channels) - 1)
        flat = cin * (localization[0] // shrink) * (localization[1] // shrink)
        self.convolutions = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(flat, features), FeatureNorm(features), nn.ReLU(inplace=True)
        )
        self.last = nn.Linear(features, points * 2)
        self.spline = ThinPlateSpline(*output, points)
        self.reset_points()

    def reset_points(self) -> None:
        """Start from the identity: the last layer predicts the border points whatever it sees."""
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            self.last.bias.copy_(border_points(self.points).flatten())

    def control_points(self, images: Tensor) -> Tensor:
        """Predicted control points ``[B, points, 2]``, (x, y) as shares of the image's size."""
        small = F.interpolate(images, self.localization, mode="bilinear", align_corners=True)
        features = self.hidden(self.convolutions(small))
        with whole_precision(features):
            points: Tensor = self.last(features.to(self.last.weight.dtype) * FEATURE_SCALE)
        return points.view(-1, self.points, 2)

    def forward(self, images: Tensor) -> Tensor:
        points = self.control_points(images)
        with whole_precision(points):
            grid = self.spline(points)
        return F.grid_sample(images, grid.to(images.dtype), align_corners=True)


def whole_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Within, autocast lowers nothing: in bfloat16 points would lie a pixel and more from where they are."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
