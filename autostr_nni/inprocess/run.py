"""A whole search in this process, trial after trial, with no manager: for notebooks, GPU boxes and tests.

The folder holds the search's state (`inprocess_state`), `trials/<id>/` and, at the end, `summary.json`.
Killed and started again, a search goes on where it was.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path

from autostr_nni.inprocess.places import Places
from autostr_nni.inprocess.progress import InProcessProgress
from autostr_nni.inprocess.several import run_several
from autostr_nni.inprocess.told import Run, broke, progress, trial_folder
from autostr_nni.progress.display import Log, as_display
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.checks.places import unused_places
from autostr_nni.runs.figures import Figures, Outcome, figures
from autostr_nni.runs.layout import FAULT, RECIPE, SUMMARY, TRIALS
from autostr_nni.runs.records import read_result
from autostr_nni.runs.search_folder import (
    check_recorded,
    find_state,
    locked,
    recipe_to_go_on_by,
    record_strategy,
    save_state,
    strategy_of,
    write_json,
)
from autostr_nni.runs.summary import summarize
from autostr_nni.runs.trial_record import TrialRecord
from autostr_nni.strategies import find
from autostr_nni.strategies.core import Book, Proposal, saved_trials
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.system.errors import InputError

ONE = Places()


def run_search(
    strategy: Strategy,
    recipe: Recipe,
    folder: str | Path,
    run: Run | None = None,
    log: Log = print,
    places: Places = ONE,
) -> Outcome:
    """Search until `strategy` has finished, and return the summary.

    Args:
        strategy: as `strategies.build` gives it, or with its own state already loaded.
        recipe: what is handed to each trial; a folder of another recipe is refused.
        folder: where state and trials are kept; made if missing, continued if it holds a search.
        run: runs one trial in its folder; `training.run_trial.run_proposal` if None. With several at a time
            it must be possible to pickle.
        log: takes a line of progress; a `progress.display.Display` may rewrite the last one.
        places: how many trials run at a time, and on which GPUs. Several have processes of their own.

    Returns:
        `summary.summarize` of the trials with `strategy`, `folder` and `failure`, a sentence where the search
        ended without a result and else None.

    Raises:
        InputError: the folder is in use or holds another search, or a trial found the input at fault.
    """
    if run is None and places.most == 1:
        from autostr_nni.training.run_trial import run_proposal  # needs torch

        run = run_proposal
    folder = Path(folder).expanduser().resolve()
    display = as_display(log)
    with locked(folder):
        begun = _restore(strategy, recipe, folder, log)
        if not strategy.finished:  # a search that was given more has not ended
            (folder / SUMMARY).unlink(missing_ok=True)
        write_json(folder / RECIPE, recipe.model_dump(mode="json"))
        record_strategy(strategy, folder)
        if not begun:  # with its state a search is one, and the rest is there
            save_state(strategy, recipe, folder)
        if unused := unused_places(strategy.name, recipe, places.most):
            log(unused)
        state = InProcessProgress(strategy, recipe, folder / TRIALS, display, places.most)

        def tell(line: str) -> None:
            display(line)
            state.show()

        with display.following(state.line):
            if places.most > 1:
                run_several(strategy, recipe, folder, run, tell, state, places)
            else:
                assert run is not None
                _run_all(strategy, recipe, folder, run, tell, state)
        result = outcome(strategy, folder, recipe)
        write_json(folder / SUMMARY, result)
    return result


def _run_all(
    strategy: Strategy, recipe: Recipe, folder: Path, run: Run, log: Log, state: InProcessProgress
) -> None:
    """Trial after trial, until the strategy has finished."""
    while not strategy.finished:
        strategy.suggest()
        # One at a time, in the strategy's order; a retry comes right after what it repeats.
        waiting = strategy.pending()
        if not waiting:
            raise RuntimeError(f"the strategy {strategy.name} proposes nothing and has not finished")
        proposal = waiting[0]
        state.start(proposal.id)
        metrics = _run_one(proposal, recipe, folder, run, log)
        strategy.observe(proposal.id, metrics)
        save_state(strategy, recipe, folder)
        state.show(ended=proposal.id)


def outcome(strategy: Strategy, folder: Path, recipe: Recipe) -> Outcome:
    """The summary of all trials so far, with `strategy`, `failure` (a sentence or None) and `folder`.

    A search whose best net has learnt nothing has failed.
    """
    records = []
    for trial in strategy.trials:
        if trial.settled:
            place = trial_folder(folder, trial.id)
            metrics = figures(trial.metrics or {}) if trial.status == "done" else None
            result = read_result(place)
            records.append(TrialRecord(trial.id, trial.parameters, metrics, place, result))
    found = summarize(records, recipe.evaluation.learnt_above, recipe.search.front.size)
    failure = strategy.failure or found["verdict"]["best"]
    faults = [(id, trial_folder(folder, id) / FAULT) for id in found["failed"]]
    if strategy.failure and faults and faults[-1][1].is_file():
        id, fault = faults[-1]
        last = (fault.read_text(encoding="utf-8").splitlines() or [""])[
            -1
        ]  # of a traceback: the error itself
        failure = f"{strategy.failure}; {id} failed: {last} (see {fault})"
    return {"strategy": strategy.name, "failure": failure, "folder": str(folder), **found}


def _restore(strategy: Strategy, recipe: Recipe, folder: Path, log: Log) -> bool:
    """Load the folder's state; False where it has none. Refuse another search's."""
    content, complaint = find_state(folder)
    if complaint:
        log(complaint)
    if content is None:
        if complaint or (folder / RECIPE).is_file():  # a state that was removed leaves trials of its recipe
            check_recorded(recipe, folder)
        return False
    digest, state = content["recipe"], content["state"]
    if state.get("strategy") != strategy.name:
        raise InputError(
            f"{folder}: holds a search by the strategy {state.get('strategy')!r}, not {strategy.name!r}; "
            "give another folder"
        )
    if isinstance(strategy, Book) and strategy.grows:  # it may have been given more
        recipe = strategy.grown(recipe, strategy.drawn(saved_trials(state)))
    check_recorded(recipe, folder, digest)
    strategy.load_state_dict(state)
    settled = sum(trial.settled for trial in strategy.trials)
    log(f"continuing in {folder}: {settled} trial{'s' if settled != 1 else ''} done")
    return True


def resume_search(
    folder: Path,
    count: int | None = None,
    run: Run | None = None,
    log: Log = print,
    prepare: Callable[[Recipe, Log], None] | None = None,
    places: Callable[[Recipe], Places] = lambda recipe: ONE,
) -> Outcome:
    """Go on with the search in `folder` (`recipe_to_go_on_by`); the outcome as of `run_search`.

    `count`: nets in all, for a search that grows. `prepare` sees to the recipe's data.

    Raises:
        InputError: the folder holds no search that could go on, or the search cannot be given more.
    """
    content, _ = find_state(folder)
    recipe = recipe_to_go_on_by(folder, content, log)
    kind = find(*strategy_of(folder, content["state"] if content else None))
    if count is not None:
        had = kind.drawn(saved_trials(content["state"])) if content else 0
        if not kind.grows:
            raise InputError(
                f"{folder}: a {kind.name} search has a fixed number of trials; it cannot be given more"
            )
        if count <= had:
            raise InputError(f"{folder}: the search has {had} architectures already; give it more than that")
        recipe = kind.grown(recipe, count)
    if prepare is not None:
        prepare(recipe, log)
    return run_search(kind.from_recipe(recipe), recipe, folder, run, log, places(recipe))


def _run_one(proposal: Proposal, recipe: Recipe, folder: Path, run: Run, log: Log) -> Figures | None:
    """Run a trial; its final metrics, or None where it broke (the traceback is left in `error.txt`)."""
    place = trial_folder(folder, proposal.id)
    place.mkdir(parents=True, exist_ok=True)
    final: Figures = {}

    def report(metrics: Figures, is_final: bool) -> None:
        if is_final:
            final.update(metrics)
        else:
            log(f"{proposal.id}: {progress(metrics)}")

    log(f"{proposal.id}: started")
    start = time.monotonic()
    try:
        returned = run(dict(proposal.parameters), recipe, place, report)
    except InputError:
        raise  # the next trial would meet the same: let the user mend it
    except Exception as error:
        broke(proposal.id, place, error, traceback.format_exc(), log)
        return None
    metrics: Figures = {**(returned or {}), **final}
    log(f"{proposal.id}: done in {time.monotonic() - start:.0f} s: {progress(metrics)}")
    return metrics
