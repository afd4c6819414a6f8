"""What a search left on disk: running, stopped, half-failed or finished. Light: reads files only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autostr_nni.recipe import Recipe
from autostr_nni.recipe.load import recipe_from
from autostr_nni.runs.figures import Figures, TrialResult, number
from autostr_nni.runs.layout import ARCHITECTURE, CLIMBED, FAULT, METRICS, PROBABILITIES, STDERR
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.strategies.registry import Facts
from autostr_nni.strategies.steps import TRAIN
from autostr_nni.system.errors import InputError
from autostr_nni.system.extensions import not_run
from autostr_nni.system.json_text import read_json, read_lines, unread_lines

DONE, FAILED, RUNNING, CUT_OFF = "done", "failed", "running", "cut off"


@dataclass(frozen=True)
class TrialHistory:
    """One trial. ``metrics`` is its final report; ``epochs`` are those of every epoch, also where it failed.

    ``status``: "done", "failed", "running", or "cut off" for one that was under way when its search stopped.
    ``start`` and ``end`` are seconds since 1970, where they are known.
    """

    id: str
    parameters: Mapping[str, Any]
    status: str
    metrics: Figures | None = None
    epochs: list[Figures] = field(default_factory=list)
    result: TrialResult = field(default_factory=TrialResult)
    probabilities: list[dict[str, Any]] = field(default_factory=list)
    folder: Path | None = None
    reason: str | None = None
    start: float | None = None
    end: float | None = None
    climbed: Mapping[str, Any] = field(default_factory=dict)
    unread: int = 0  # lines of its files that are damaged and were left out

    @property
    def step(self) -> str:
        return str(self.parameters.get("step", TRAIN))

    def spent(self, key: str) -> float:
        """``images_seen`` or ``seconds`` that the trial cost so far, also after its best epoch.

        What a promoted net had cost before is its earlier trials'.
        """
        values = [number(line, key) for line in (*self.epochs, self.metrics or {})]
        return max(0.0, max((v for v in values if v is not None), default=0.0) - self.before(key))

    def before(self, key: str) -> float:
        """``images_seen`` or ``seconds`` of the trials whose checkpoint this one went on from."""
        return number(self.climbed, key) or 0.0


@dataclass(frozen=True)
class SearchHistory:
    """One search: its trials in the order they started, and all that is known about it."""

    id: str
    name: str
    kind: str  # "NNI experiment", "in-process search", "training"
    strategy: str  # its name, "single net" or "unknown"
    folder: Path
    state: str  # "running", "finished", "failed", "stopped" or "unfinished"
    trials: list[TrialHistory]
    planned: int | None = None
    failure: str | None = None
    recipe: Mapping[str, Any] | None = None
    recipe_source: str | None = None
    space: Mapping[str, Any] | None = None
    facts: Facts | None = None  # of a strategy of ours or of a user's own

    def having(self, status: str) -> list[TrialHistory]:
        """The trials of a status."""
        return [trial for trial in self.trials if trial.status == status]

    @property
    def sentence(self) -> str:
        """Which it is (`_state_sentence`), and whether modules of the user's own were not run for it."""
        named = (self.recipe or {}).get("extensions")
        lost = checked_recipe(self.recipe) is None and isinstance(named, list)
        return self._state_sentence + (not_run(map(str, named or ())) if lost else "")

    @property
    def _state_sentence(self) -> str:
        """Which it is: finished, running, stopped or failed, in part or whole, with the counts."""
        done, failed = len(self.having(DONE)), len(self.having(FAILED))
        planned = max(self.planned or 0, done)
        if self.state == "finished" and not failed:
            planned = done  # what was planned was only about so many, where results decide it
        counts = f"{done} of {planned} trials done" if planned else "no trial done"
        under_way = len(self.having(RUNNING)) + len(self.having(CUT_OFF))
        if failed:
            counts += f", {failed} failed"
        part = ", in part failed" if failed else ""
        if self.state == "finished":
            return f"finished{part}: {counts}"
        if self.state == "running":
            return f"running{part}: {counts}, {under_way} under way; what follows is what there is so far"
        if self.state == "failed":
            reason = self.failure or "it gives no reason"
            return f"failed: {reason}; {counts}"
        if self.state == "unfinished":
            return f"unfinished: {self.failure}"
        return f"stopped before it was finished{part}: {counts}; what follows is what there is so far"


def read_trial(
    folder: Path | None,
    id: str,
    parameters: Mapping[str, Any],
    status: str,
    metrics: Figures | None = None,
    **more: Any,
) -> TrialHistory:
    """A trial with what lies in its folder; ``metrics`` are used where no result.json tells them."""
    if folder is None or not folder.is_dir():
        return TrialHistory(id, dict(parameters), status, metrics, **more)
    result = read_result(folder)
    epochs = read_metrics(folder) or more.pop("epochs", [])
    more.pop("epochs", None)
    final = result.get("metrics") or metrics
    more["climbed"] = read_json(folder / CLIMBED)
    told_probabilities = read_lines(folder / PROBABILITIES)
    probabilities = [line for line in told_probabilities if _are_probabilities(line)]
    more["unread"] = sum(unread_lines(folder / name) for name in (METRICS, PROBABILITIES))
    more["unread"] += len(told_probabilities) - len(probabilities)
    if not probabilities and result.get("probabilities"):
        last = epochs[-1]["epoch"] if epochs and "epoch" in epochs[-1] else None
        told = {"epoch": last, "layers": result["probabilities"]}
        probabilities = [told] if _are_probabilities(told) else []
    if status == FAILED:
        more["reason"] = last_words(folder) or more.get("reason")
    kept = final if status == DONE else None
    return TrialHistory(id, dict(parameters), status, kept, epochs, result, probabilities, folder, **more)


def _are_probabilities(line: Mapping[str, Any]) -> bool:
    """Whether a line tells the probabilities of every layer's operations after an epoch."""
    layers = line.get("layers")
    if not isinstance(layers, list) or not layers or number(line, "epoch") is None:
        return False
    return all(
        isinstance(layer, Mapping) and layer and all(number(layer, name) is not None for name in layer)
        for layer in layers
    )


def last_words(folder: Path) -> str | None:
    """The last line that a failed trial wrote about its failure."""
    for name in (FAULT, STDERR):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1][:300]
    return None


def space_of(trials: list[TrialHistory], recipe: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The description of the space that was searched: as a trial recorded it, else of the recipe."""
    for trial in trials:
        if trial.folder is not None:
            space = read_json(trial.folder / ARCHITECTURE).get("space")
            if isinstance(space, dict):
                return space
    loaded = checked_recipe(recipe)
    return None if loaded is None else loaded.space().describe()


def checked_recipe(recipe: Mapping[str, Any] | None) -> Recipe | None:
    """The recipe as an object; None where there is none or this version cannot read it."""
    try:
        return None if recipe is None else recipe_from(dict(recipe), Path("/"))
    except InputError:
        return None


def usable_recipe(path: Path) -> dict[str, Any] | None:
    """A recipe that a search kept; None where it is absent or no recipe of any version."""
    content = read_json(path)
    sections = [content.get(key) or {} for key in ("data", "model", "training", "search", "evaluation")]
    if not content or not all(isinstance(section, Mapping) for section in sections):
        return None
    rendered = sections[0].get("synth") or {}
    whole = isinstance(rendered, Mapping) and all(isinstance(spec, Mapping) for spec in rendered.values())
    return content if whole else None
