"""Where the trials of a search in several processes run: how many at a time, and which GPUs each is given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from autostr_nni.recipe import Recipe


@dataclass(frozen=True)
class Places:
    """Room for ``most`` trials at a time, on the GPUs with these numbers; with none, trials run on CPU."""

    most: int = 1
    gpus: tuple[int, ...] = ()

    def wanted(self, parameters: Mapping[str, Any], recipe: Recipe) -> int:
        """GPUs of a trial: as the recipe says; ``auto`` is a fair share, and all for an operator search."""
        training = recipe.training
        if not self.gpus or training.device == "cpu":
            return 0
        alone = parameters.get("step") == "operators"
        devices = recipe.operator_devices if alone else training.devices
        if devices == "auto":
            return len(self.gpus) if alone else max(1, len(self.gpus) // self.most)
        return min(devices, len(self.gpus))

    def given(
        self, parameters: Mapping[str, Any], recipe: Recipe, held: Collection[int]
    ) -> tuple[int, ...] | None:
        """The GPUs for one more trial, while others hold some; None if it has to wait for them."""
        free = [gpu for gpu in self.gpus if gpu not in held]
        wanted = self.wanted(parameters, recipe)
        return tuple(free[:wanted]) if wanted <= len(free) else None
