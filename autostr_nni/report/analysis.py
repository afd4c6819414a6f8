"""All figures of a report as plain data: what the page, the drawings, the CSV and the JSON are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from autostr_nni import __version__
from autostr_nni.recipe.training import LEARNT_ABOVE
from autostr_nni.recipe.words.targets import target_of
from autostr_nni.report.equal_cost.costs import cost_so_far
from autostr_nni.report.equal_cost.fronts import front_data
from autostr_nni.report.nets import add_interval, epoch_data, is_largest, net_data, net_merit
from autostr_nni.report.notes import notes, only_within_seeds
from autostr_nni.report.reading.history import DONE, FAILED, RUNNING, SearchHistory, checked_recipe
from autostr_nni.report.records import Expected, OnFront, Operators, Path, Report, Search, Space
from autostr_nni.report.seeds.comparison import compare, compared
from autostr_nni.report.seeds.groups import seed_of
from autostr_nni.report.seeds.targets import targets_of
from autostr_nni.report.settings import groups, settings
from autostr_nni.runs.figures import Figures, Summary, counted, number
from autostr_nni.runs.summary import summarize
from autostr_nni.runs.told import weaknesses
from autostr_nni.runs.trial_record import TrialRecord, height, losses_of, word_accuracy
from autostr_nni.runs.verdict import rank_paths
from autostr_nni.search_spaces.counting import UNITS
from autostr_nni.strategies.front import pareto_front
from autostr_nni.strategies.steps import OPERATORS, PATH, TRAIN
from autostr_nni.strategies.trials import RETRY


def costs_of(nets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Figures that nets are compared by: MACs and parameters, and latencies where a search counted them."""
    return [key for key in UNITS if key != "latency_ms" or any(key in net for net in nets)]


def analyse(histories: Sequence[SearchHistory], draws: int = 2000, seed: int = 0) -> Report:
    """The whole report as JSON-able data.

    Keys: ``searches`` (one each: state, figures, nets, paths, operators), ``spaces`` (searches that may be
    compared, with their Pareto fronts, costs, and the comparison of strategies over seeds), ``settings``
    (where their recipes differ), ``reading`` (None: see `latency.reading_costs`), ``targets`` (searches for
    several side by side, or None), ``notes``.
    """
    searches = [search_data(history, f"s{place}") for place, history in enumerate(histories, 1)]
    _distinguish(searches, histories)
    together: list[Space] = []
    by_key = {search["key"]: history for search, history in zip(searches, histories, strict=True)}
    alike = [(group, [s for s in searches if s["key"] in group["searches"]]) for group in groups(searches)]
    comparisons = sum(compared(members, by_key) for _, members in alike)
    for group, members in alike:
        costs = costs_of([net for search in members for net in search["nets"] if net["accuracy"] is not None])
        together.append(
            {
                **group,
                "pareto": {cost: _front(members, cost) for cost in costs},
                "cost": cost_so_far(members, draws, seed),
                "comparison": compare(members, by_key, comparisons),
                "front": front_data(members, draws, seed),
            }
        )
    differing = settings(histories, [search["key"] for search in searches])
    pairs = [pair for group in together for pair in group["comparison"]["pairs"]]
    if pairs or any(search["target"] for search in searches):
        only_within_seeds(differing, by_key)
    return {
        "autostr": __version__,
        "searches": searches,
        "spaces": together,
        "settings": differing,
        "reading": None,
        "targets": targets_of(searches, by_key),
        "notes": notes(searches, together, differing),
    }


def search_data(history: SearchHistory, key: str) -> Search:
    """One search, with its name for a label."""
    trained = [trial for trial in history.trials if trial.step == TRAIN]
    places: dict[str, int] = {}  # of nets, each counted once however often it was tried
    for trial in trained:
        if not is_largest(trial.parameters):
            places.setdefault(trial.id.removesuffix(RETRY), len(places) + 1)
    nets = [net_data(t, history, places.get(t.id.removesuffix(RETRY), 0)) for t in trained]
    starts = [trial.start for trial in history.trials if trial.start is not None]
    ends = [trial.end or trial.start + trial.spent("seconds") for trial in history.trials if trial.start]
    limit = (history.recipe or {}).get("data", {}).get("validation_limit")
    for net in nets:
        add_interval(net, limit)
    found = findings(history)
    verdict, front = found["verdict"], [row["trial"] for row in found["front"]]
    ranked = sorted((net for net in nets if net["accuracy"] is not None), key=net_merit, reverse=True)
    ranked.sort(key=lambda net: net["status"] != DONE)  # those that ended before others
    ranked.sort(key=lambda net: net["trial"] not in front[-1:])  # of a front the most accurate
    return {
        "key": key,
        "name": history.name,
        "id": history.id,
        "kind": history.kind,
        "strategy": history.strategy,
        "baseline": history.facts is not None and history.facts.baseline,
        "compared": history.facts is not None and not history.facts.baseline,
        "folder": str(history.folder),
        "state": history.state,
        "sentence": history.sentence,
        "plain_end": history.state == "finished" and not history.having(FAILED),
        "planned": history.planned,
        "done": len(history.having(DONE)),
        "running": len(history.having(RUNNING)),
        "failed": [
            {"trial": t.id, "step": t.step, "path": t.parameters.get("stride_path"), "reason": t.reason}
            for t in history.having(FAILED)
        ],
        "unread": {trial.id: trial.unread for trial in history.trials if trial.unread},
        "recipe_source": history.recipe_source,
        "seed": seed_of(history),
        "target": target_of(history.recipe),
        "space": history.space,
        "images": sum(trial.spent("images_seen") for trial in history.trials),
        "seconds": sum(trial.spent("seconds") for trial in history.trials),
        "wall_seconds": max(ends) - min(starts) if ends and starts else None,
        "nets_trained": sum(trial.status == DONE for trial in trained),
        "best": ranked[0] if ranked else None,
        "front": front,
        "nets": nets,
        "paths": path_data(history),
        "operators": operator_data(history),
        "verdict": verdict,
        "doubts": weaknesses(verdict),
        "trials": [
            {
                "trial": trial.id,
                "step": trial.step,
                "status": trial.status,
                "images": trial.spent("images_seen"),
                "seconds": trial.spent("seconds"),
            }
            for trial in history.trials
        ],
        "label": history.name,
    }


def findings(history: SearchHistory) -> Summary:
    """The search's own summary of the trials that are done; it judges no best net while another may come."""
    recipe = checked_recipe(history.recipe)
    above, size = (recipe.evaluation.learnt_above, recipe.search.front.size) if recipe else (LEARNT_ABOVE, 1)
    records = [TrialRecord(t.id, t.parameters, t.metrics, t.folder, t.result) for t in history.having(DONE)]
    found = summarize(records, above, size)
    if history.state != "finished":
        found["verdict"]["best"] = None
    return found


def path_data(history: SearchHistory) -> list[Path]:
    """Step 1: the stride paths by validation loss (Eq. 2), those without a result last.

    A path that climbed is one row, of its longest training; what was trained longer comes first.
    """
    chosen = {trial.parameters.get("stride_path") for trial in history.trials if trial.step == OPERATORS}
    rows: list[Path] = []
    done = [trial for trial in history.having(DONE) if trial.step == PATH]
    losses = {trial.id: losses_of(trial.folder) for trial in done}
    top = {trial.parameters.get("stride_path"): trial for trial in sorted(done, key=height)}
    for trial in history.trials:
        if trial.step != PATH or (trial in done and trial is not top[trial.parameters.get("stride_path")]):
            continue
        best = trial.metrics or {}
        path = trial.parameters.get("stride_path")
        rows.append(
            {
                "path": path,
                "trial": trial.id,
                "status": trial.status,
                "loss": number(best, "loss"),
                "accuracy": word_accuracy(best),
                "macs_m": number(best, "macs_m"),
                "images": trial.spent("images_seen") + trial.before("images_seen"),
                "seconds": trial.spent("seconds") + trial.before("seconds"),
                "compared_after": height(trial) or None,
                "chosen": path in chosen and trial.status == DONE,
                "epochs": [epoch_data(line) for line in trial.epochs],
                "loss_error": None,
                "behind": None,
                "behind_error": None,
                "tied": None,  # of one that was trained less than the first, which is not compared by loss
            }
        )
    rows.sort(key=lambda row: (row["loss"] is None, -(row["compared_after"] or 0), row["loss"] or 0.0))
    together = [row for row in rows if row["loss"] is not None and _alike(row, rows[0])]
    ranking = rank_paths([losses.get(row["trial"]) for row in together])
    for row, ranked in zip(together, ranking, strict=True):
        row["loss_error"], row["tied"] = ranked.error, ranked.tied
        row["behind"], row["behind_error"] = ranked.behind, ranked.behind_error
    return rows


def _alike(row: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Whether two paths were trained equally long, so that their losses may be compared."""
    return bool(row["compared_after"] == first["compared_after"])


def operator_data(history: SearchHistory) -> list[Operators]:
    """Step 2: probabilities of every layer's operations, their entropy and the expected cost over time."""
    found: list[Operators] = []
    for trial in history.trials:
        if trial.step != OPERATORS or not (trial.epochs or trial.probabilities):
            continue
        found.append(
            {
                "trial": trial.id,
                "path": trial.parameters.get("stride_path"),
                "status": trial.status,
                "architecture": (trial.metrics or {}).get("architecture"),
                "epochs": [
                    {**epoch_data(line), "entropy": number(line, "entropy"), **_expected(line)}
                    for line in trial.epochs
                ],
                "probabilities": trial.probabilities,
            }
        )
    return found


def _expected(line: Figures) -> Expected:
    key = f"expected_{counted(line)}"
    return cast(Expected, {key: number(line, key)})


def _distinguish(searches: list[Search], histories: Sequence[SearchHistory]) -> None:
    """Give every search a label of its own: its name, with the id where names repeat."""
    names = [history.name for history in histories]
    for place, (search, history) in enumerate(zip(searches, histories, strict=True), 1):
        label = history.name
        if names.count(label) > 1:
            label = f"{label} {history.id}" if history.id != label else f"{label} ({place})"
        search["label"] = label


def _front(searches: Sequence[Search], cost: str) -> list[OnFront]:
    """Nets on the Pareto front of validation accuracy over a cost, by rising cost."""
    known: list[tuple[str, Mapping[str, Any]]] = [
        (search["key"], net)
        for search in searches
        for net in search["nets"]
        if net["status"] == DONE and net["accuracy"] is not None and net.get(cost) is not None
    ]
    on_front = pareto_front([(net[cost], net["accuracy"]) for _, net in known])
    return [{"search": known[place][0], "trial": known[place][1]["trial"]} for place in on_front]
