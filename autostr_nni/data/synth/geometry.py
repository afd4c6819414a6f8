"""Where a flat word comes to lie in the picture: bent baseline, slant, rotation, perspective.

A map leads from the word's plane, centred on its ink and in units of the ink's height, to the picture. The
picture is drawn with the inverse map, taken at the corners of a grid and bilinear between them.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image

from autostr_nni.data.synth.letters import Letters
from autostr_nni.data.synth.style import Style

#: Wider pictures than this many heights are squeezed; those of several words.
WIDEST, WIDEST_LINE = 14.0, 28.0
#: Narrower ones get more room at the sides.
_NARROWEST = 0.45


@dataclass(frozen=True)
class Bend:
    """A bent baseline: an arc of signed radius (0: straight) and a wave across half the width."""

    radius: float = 0.0
    wave: float = 0.0
    half: float = 1.0

    def forward(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Plane of the straight word to plane of the bent one."""
        if self.radius:
            angle, reach = x / self.radius, self.radius - y
            return reach * np.sin(angle), self.radius - reach * np.cos(angle)
        return x, y + self.wave * np.sin(x / self.half * math.pi)

    def backward(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of ``forward``."""
        if self.radius:
            sign = math.copysign(1.0, self.radius)
            reach = self.radius - y
            angle = np.arctan2(x * sign, reach * sign)
            return angle * self.radius, self.radius - sign * np.hypot(x, reach)
        return x, y - self.wave * np.sin(x / self.half * math.pi)


def project(matrix: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Apply a homography [3, 3] to points."""
    across = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    down = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    return across / depth, down / depth


def _draw_bend(aspect: float, rng: random.Random, style: Style) -> Bend:
    if aspect < 1.5 or rng.random() >= style.curve:
        return Bend()
    if rng.random() < 0.25:
        return Bend(wave=rng.uniform(-0.25, 0.25), half=aspect / 2)
    # The inner side must not fold: the radius stays above the height.
    angle = math.radians(rng.uniform(0.2, 1.0) * style.bend)
    radius = max(aspect / 2 / angle, 1.2)
    return Bend(radius=radius if rng.random() < 0.6 else -radius)


def _draw_matrix(aspect: float, stretch: float, rng: random.Random, style: Style) -> np.ndarray:
    usual, largest = style.rotation
    largest /= max(1.0, aspect * stretch / 3)  # a long steep word would be lost in its picture
    angle = rng.uniform(-largest, largest) if rng.random() < style.steep else rng.gauss(0, usual)
    angle = math.radians(max(-largest, min(largest, angle)))
    slant = rng.uniform(*style.slant) if rng.random() < 0.5 else 0.0
    shape = np.array([[stretch, -slant, 0], [0, 1, 0], [0, 0, 1]])
    # The depth changes by at most a factor over the word, whatever its length.
    half = max(aspect * stretch / 2, 0.5)
    tilt_x = max(-0.4, min(0.4, rng.gauss(0, style.perspective))) / half
    tilt_y = max(-0.4, min(0.4, rng.gauss(0, style.perspective / 2)))
    lean = np.array([[1, 0, 0], [0, 1, 0], [tilt_x, tilt_y, 1]])
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    matrix: np.ndarray = turn @ lean @ shape
    return matrix


def place_letters(
    letters: Letters, height: int, rng: random.Random, style: Style, widest: float = WIDEST
) -> Image.Image:
    """Draw a word's letters into a picture as wide as it comes, up to ``widest`` heights: premultiplied RGBa.

    The picture has the given height, or up to twice as much where a bent or steep word needs it.
    """
    left, top, right, bottom = letters.box
    unit = max(bottom - top, 1.0)
    middle = ((left + right) / 2, (top + bottom) / 2)
    stretch = math.exp(rng.uniform(math.log(style.stretch[0]), math.log(style.stretch[1])))
    aspect = (right - left) / unit
    bend = _draw_bend(aspect, rng, style)
    matrix = _draw_matrix(aspect, stretch, rng, style)
    x0, y0, x1, y1 = _bounds(bend, matrix, aspect, rng, style)
    height = round(height * min(2.0, max(1.0, 0.6 * (y1 - y0))))
    scale = height / (y1 - y0)
    width = round(min((x1 - x0) * scale, widest * height))
    size = (letters.pixels.shape[1], letters.pixels.shape[0])
    picture = Image.frombytes("RGBa", size, letters.pixels.tobytes())
    to_plane = np.array([[(x1 - x0) / width, 0, x0], [0, 1 / scale, y0], [0, 0, 1]])
    inverse = np.linalg.inv(matrix) @ to_plane
    if not bend.radius and not bend.wave:  # one homography, exact
        whole = np.array([[unit, 0, middle[0]], [0, unit, middle[1]], [0, 0, 1]]) @ inverse
        values = (whole / whole[2, 2]).ravel()[:8].tolist()
        kind = Image.Transform.PERSPECTIVE
        return picture.transform((width, height), kind, values, Image.Resampling.BILINEAR)
    mesh = _mesh(bend, inverse, (width, height), unit, middle)
    return picture.transform((width, height), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _mesh(
    bend: Bend, inverse: np.ndarray, size: tuple[int, int], unit: float, middle: tuple[float, float]
) -> list[tuple[tuple[int, int, int, int], list[float]]]:
    """Boxes of the picture, each with the corners of its source, counter-clockwise from the upper left."""
    columns, rows = max(4, min(16, size[0] // 18)), 3
    edges_x = [round(size[0] * column / columns) for column in range(columns + 1)]
    edges_y = [round(size[1] * row / rows) for row in range(rows + 1)]
    grid_x, grid_y = np.meshgrid(np.array(edges_x, dtype=float), np.array(edges_y, dtype=float))
    x, y = bend.backward(*project(inverse, grid_x, grid_y))
    source = np.stack([x * unit + middle[0], y * unit + middle[1]], axis=-1).tolist()
    mesh = []
    for r in range(rows):
        for c in range(columns):
            corners = source[r][c] + source[r + 1][c] + source[r + 1][c + 1] + source[r][c + 1]
            mesh.append(((edges_x[c], edges_y[r], edges_x[c + 1], edges_y[r + 1]), corners))
    return mesh


def _bounds(
    bend: Bend, matrix: np.ndarray, aspect: float, rng: random.Random, style: Style
) -> tuple[float, float, float, float]:
    """The picture's edges around the placed word, with random room: left, top, right, bottom."""
    along = np.linspace(-aspect / 2, aspect / 2, 13)
    x = np.concatenate([along, along, along[:1].repeat(2), along[-1:].repeat(2)])
    y = np.concatenate([np.full(13, -0.5), np.full(13, 0.5), [-0.2, 0.2, -0.2, 0.2]])
    px, py = project(matrix, *bend.forward(x, y))
    low, high = style.margin
    # Mostly little room: crops are tight.
    room = [low + (high - low) * rng.betavariate(1.2, 3.0) for _ in range(4)]
    x0, y0 = px.min() - room[0] * 1.3, py.min() - room[1]
    x1, y1 = px.max() + room[2] * 1.3, py.max() + room[3]
    lacking = _NARROWEST * (y1 - y0) - (x1 - x0)
    if lacking > 0:
        x0, x1 = x0 - lacking / 2, x1 + lacking / 2
    return float(x0), float(y0), float(x1), float(y1)
