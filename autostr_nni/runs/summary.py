"""What a search found, told from its finished trials: stride paths by loss, the architecture, its accuracy.

Light: reads JSON files only. The NNI launcher and the in-process runner end with the same summary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from autostr_nni.recipe.training import LEARNT_ABOVE
from autostr_nni.recipe.words.metric import WORD_ACCURACY, metric_of
from autostr_nni.runs.figures import (
    Row,
    RowFigure,
    Summary,
    Verdict,
    counted,
    number,
)
from autostr_nni.runs.layout import RECIPE
from autostr_nni.runs.trial_record import TrialRecord, architecture_text, height, losses_of, read_search
from autostr_nni.runs.verdict import (
    Score,
    judge_best,
    judge_nets,
    judge_operators,
    judge_paths,
    judge_ranking,
    judge_rungs,
    rank_paths,
)
from autostr_nni.strategies.front import handed_over
from autostr_nni.strategies.steps import NET, OPERATORS, PATH, RANKING, RUNG, TRAIN
from autostr_nni.strategies.trials import merit
from autostr_nni.system.json_text import read_json

ROW_FIGURES: tuple[RowFigure, ...] = get_args(RowFigure)


def summarize(
    trials: Iterable[TrialRecord], learnt_above: float = LEARNT_ABOVE, front_size: int = 1
) -> Summary:
    """The findings as plain data: ``paths`` by loss, ``architectures`` by merit, and ``best``.

    Where several nets are wanted (``front_size``, the recipe's `search.front`), ``front`` has them by rising
    cost; the last is the best one.

    ``verdict`` says what they do not show (`judge`).
    """
    trials = list(trials)
    good = [trial for trial in trials if trial.metrics is not None]
    paths = rank_by_loss(furthest(t for t in good if t.step == PATH))
    trained = [trial for trial in good if trial.step == TRAIN]
    trained.sort(key=lambda t: merit(t.metrics), reverse=True)
    front = front_of(trained, learnt_above, front_size)
    found = next((t for t in reversed(good) if t.step == OPERATORS), None)
    ranking = next((t for t in reversed(good) if t.step == RANKING), None)
    rungs = [trial for trial in good if trial.step == RUNG]
    summary: Summary = {
        "trials": len(trials),
        "failed": [t.id for t in trials if t.metrics is None],
        "paths": [_row(t) for t in paths],
        "found": (found.metrics or {}).get("architecture") if found else None,
        "architectures": [_row(t) for t in trained],
        "best": None,
        "front": [_with_tests(trial) for trial in front],
        "verdict": judge(paths, found, trained, learnt_above, rungs, ranking),
    }
    if trained:
        summary["best"] = _with_tests([*trained[:1], *front][-1])
    return summary


def front_of(trained: Sequence[TrialRecord], learnt_above: float, size: int) -> list[TrialRecord]:
    """The nets that a search hands over, by rising cost; none where the best alone is wanted."""
    nets = [(number(trial.metrics, counted(trial.metrics)), trial.metrics) for trial in trained]
    return [trained[place] for place in handed_over(nets, size, learnt_above)] if size > 1 else []


def summary_of(search: Path) -> Summary:
    """The findings of a search in a folder, by the recipe that it keeps there."""
    recipe = read_json(search / RECIPE)
    evaluation, front = _section(recipe, "evaluation"), _section(_section(recipe, "search"), "front")
    above, size = number(evaluation, "learnt_above"), front.get("size")
    return summarize(read_search(search), _or(above, LEARNT_ABOVE), size if type(size) is int else 1)


def _section(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part of a recipe as it was kept; empty where it is damaged or absent."""
    found = content.get(key)
    return found if isinstance(found, Mapping) else {}


def best_of_all(
    trials: Iterable[TrialRecord], minimize: bool = False, learnt_above: float = LEARNT_ABOVE
) -> Summary:
    """The same of a search by another's tuner, whose trials are ranked by their metric alone."""
    trials = list(trials)
    summary = summarize(trials, learnt_above)
    summary["best"], summary["front"] = None, []
    scored = [trial for trial in trials if trial.metrics is not None and trial.figure is not None]
    trained = [trial for trial in scored if trial.step == TRAIN] or scored
    trained.sort(key=lambda trial: trial.figure or 0.0, reverse=not minimize)
    summary["architectures"] = [_row(trial) for trial in trained]
    if trained:
        summary["best"] = {**_row(trained[0]), "test": trained[0].result.get("test")}
    return summary


def judge(
    paths: Sequence[TrialRecord],
    found: TrialRecord | None,
    trained: Sequence[TrialRecord],
    above: float,
    rungs: Sequence[TrialRecord] = (),
    ranking: TrialRecord | None = None,
) -> Verdict:
    """What the findings do not show, in sentences; None for what there is nothing to say of.

    ``best``: the best net has learnt nothing, so there is no result. ``paths``: the ranking is within noise.
    ``rungs``: nets went on by what they could not read yet. ``operators``: the operations are not decided.
    ``ranking``: nets were ranked by a supernet that could not read.
    ``nets``: the choice among trained nets is within noise. Paths come by their loss, nets by their accuracy.
    """
    paths = [trial for trial in paths if height(trial) == height(paths[0])]  # others are not compared by loss
    ranked = rank_paths([losses_of(trial.folder) for trial in paths])
    first = paths[0].metrics if paths else None
    words, accuracy = number(first, "words"), [t.word_accuracy for t in paths if t.word_accuracy is not None]
    ours = trained and architecture_text(trained[0].parameters) is not None
    best = trained[0] if ours else None
    return {
        "best": judge_best(best.word_accuracy, number(best.metrics, "blind"), above) if best else None,
        "paths": judge_paths(
            [str(trial.parameters.get("stride_path")) for trial in paths],
            ranked,
            None if words is None else int(words),
            max(accuracy, default=None),
            number(first, "blind"),
            above,
        ),
        "rungs": judge_rungs([_score(trial) for trial in (*rungs, *trained)], above),
        "operators": judge_operators(_probabilities(found)),
        "ranking": judge_ranking(_score(ranking), above) if ranking else None,
        # what is no share of words has no such chance
        "nets": judge_nets([_score(trial) for trial in trained], above)
        if best and metric_of(best.metrics) is WORD_ACCURACY
        else None,
    }


def _score(trial: TrialRecord) -> Score:
    told, epochs = trial.metrics, trial.parameters.get("epochs")
    whole = epochs if type(epochs) is int else None
    net = architecture_text(trial.parameters)
    scores = trial.word_accuracy, number(told, "words"), number(told, "blind")
    return Score(*scores, whole, number(told, "loss"), net)


def furthest(paths: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Of every stride path the trial that was trained longest."""
    found: dict[str, TrialRecord] = {}
    for trial in sorted(paths, key=height):
        found[str(trial.parameters.get("stride_path"))] = trial
    return list(found.values())


def rank_by_loss(paths: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Paths that were trained longest first, then by their loss."""
    return sorted(paths, key=lambda t: (-height(t), _or(number(t.metrics, "loss"), math.inf)))


def _probabilities(found: TrialRecord | None) -> list[dict[str, float]]:
    """The last probabilities of an operator search; none where they are not known."""
    layers = found.result.get("probabilities") if found else None
    sound = isinstance(layers, list) and all(
        isinstance(layer, dict) and all(number(layer, name) is not None for name in layer) for layer in layers
    )
    return list(layers) if layers and sound else []


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _with_tests(trial: TrialRecord) -> Row:
    """The row of a net with what it reads of the test sets."""
    return {**_row(trial), "test": trial.result.get("test", (trial.metrics or {}).get("test"))}


def _row(trial: TrialRecord) -> Row:
    row: Row = {"trial": trial.id, "stride_path": trial.parameters.get("stride_path")}
    text = architecture_text(trial.parameters)
    if trial.step == PATH and height(trial):
        row["epochs"] = height(trial)
    if NET in trial.parameters:
        row["net"] = str(trial.parameters[NET])
    if text is not None:
        row["architecture"] = text
    elif row["stride_path"] is None:  # of a user's own trials
        row["parameters"] = dict(trial.parameters)
    row["word_accuracy"] = trial.word_accuracy
    metric = metric_of(trial.metrics)
    if metric is not WORD_ACCURACY:
        row["metric"], row["figure"] = metric.name, trial.figure
    for key in ROW_FIGURES:
        row[key] = number(trial.metrics, key)
    if (cost := counted(trial.metrics)) != "macs_m":
        row["cost"] = cost
    if (latency := number(trial.metrics, "latency_ms")) is not None:
        row["latency_ms"] = latency
    row["folder"] = str(trial.folder) if trial.folder else None
    return row
