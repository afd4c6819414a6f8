"""Colours of letters and background that can be told apart."""

from __future__ import annotations

import colorsys
import random

import numpy as np

from autostr_nni.data.synth.style import Style

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def luminance(colour: np.ndarray) -> float:
    """Brightness of an RGB colour, 0 to 255."""
    return float(colour @ LUMINANCE)


def any_colour(rng: random.Random) -> np.ndarray:
    """A colour as things in the street have them: float32 [3], 0 to 255."""
    pick = rng.random()
    if pick < 0.48:  # black, grey, white
        value = rng.choice([rng.uniform(0, 70), rng.uniform(180, 255), rng.uniform(0, 255)])
        tint = [value + rng.gauss(0, 6) for _ in range(3)]
        return np.clip(np.array(tint, dtype=np.float32), 0, 255)
    saturation = rng.betavariate(1.5, 3.0) if pick < 0.85 else rng.uniform(0.6, 1.0)
    value = rng.uniform(0.15, 1.0)
    # Red, orange, yellow and blue are commoner than green and purple.
    hue = rng.choice([rng.gauss(0.05, 0.06), rng.gauss(0.6, 0.05), rng.random()]) % 1
    rgb = colorsys.hsv_to_rgb(hue, saturation, value)
    return np.array(rgb, dtype=np.float32) * 255


def colour_pair(rng: random.Random, style: Style) -> tuple[np.ndarray, np.ndarray]:
    """Colours of letters and background whose luminance differs enough for the style."""
    faint = rng.random() < style.faint
    low, high = style.faint_range if faint else style.contrast
    for _ in range(60):
        letters, ground = any_colour(rng), any_colour(rng)
        if low <= abs(luminance(letters) - luminance(ground)) <= high:
            return letters, ground
    black, white = np.full(3, 20, dtype=np.float32), np.full(3, 235, dtype=np.float32)
    return (black, white) if rng.random() < 0.5 else (white, black)


def away_from(colours: list[np.ndarray], rng: random.Random, contrast: float) -> np.ndarray:
    """A colour whose luminance is ``contrast`` away from all given ones, or as far as chance brings it."""
    best, distance = any_colour(rng), -1.0
    for _ in range(12):
        candidate = any_colour(rng)
        away = min(abs(luminance(candidate) - luminance(colour)) for colour in colours)
        if away >= contrast:
            return candidate
        if away > distance:
            best, distance = candidate, away
    return best
