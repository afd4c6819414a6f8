"""The smallest recognizer that has all parts: widths of 8, images of 32x32 behind a rectifier of 32x64."""

from __future__ import annotations

from typing import Any

from autostr_nni.search_spaces.space import SearchSpace


def space_of(layers: int) -> SearchSpace:
    """The search space with so many layers in every stage."""
    return SearchSpace(width=32, out_width=8, stem_width=8, stage_widths=(8,) * 5, stage_layers=(layers,) * 5)


def section_of(layers: int) -> dict[str, Any]:
    """The recipe's section `model` for the same."""
    return {
        "image": [32, 32],
        "stem_width": 8,
        "stage_widths": [8] * 5,
        "stage_layers": [layers] * 5,
        "rectifier": {
            "image": [32, 64],
            "localization": [8, 16],
            "points": 6,
            "channels": [4, 6, 8],
            "features": 16,
        },
        "translator": {"encoder_layers": 1, "hidden": 8, "decoder": 12, "attention": 8, "embedding": 6},
    }
