"""Which strategy a tuner of ours runs, told from its part of an experiment file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODULE = "autostr_nni.nni.tuner"
#: The tuner of any strategy, which its classArgs name.
GENERIC = f"{MODULE}.StrategyTuner"
#: Classes that have a strategy of their own, by which experiment files name them since the first version.
NAMED = {
    "TwoStepTuner": "two-step",
    "HalvingTuner": "halving",
    "OneShotTuner": "one-shot",
    "RandomTuner": "random",
}
OURS = (*(f"{MODULE}.{name}" for name in NAMED), GENERIC)
KNOWN = " or ".join(OURS)


def strategy_of(tuner: Mapping[str, Any]) -> str | None:
    """What the tuner names as its strategy (`strategies.find`); None with another's tuner."""
    name = tuner.get("className") or ""
    if name == GENERIC:
        given = (tuner.get("classArgs") or {}).get("strategy")
        return given if isinstance(given, str) else None
    module, _, kind = str(name).rpartition(".")
    return NAMED.get(kind) if module == MODULE else None


def code_of(tuner: Mapping[str, Any]) -> Path | None:
    """The folder of a strategy's module."""
    folder = tuner.get("codeDirectory")
    return Path(folder) if isinstance(folder, str) and folder else None
