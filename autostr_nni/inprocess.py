"""A whole search in this process, trial after trial, with no manager: for notebooks, GPU boxes and tests.

The folder holds `state.json` (the strategy, rewritten whole after every trial), `recipe.json` (the recipe as
it was understood), `trials/<id>/` and, at the end, `summary.json`. Killed and started again, a search goes on
where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from autostr_nni.files import write_atomic
from autostr_nni.progress.display import Log, as_display
from autostr_nni.progress.in_process import Progress
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.search_spaces.errors import InputError
from autostr_nni.strategies import build
from autostr_nni.strategies.core import RETRY, Metrics, Proposal, Strategy, plain
from autostr_nni.summary import RESULT, TrialRecord, read_json, summarize

Report = Callable[[dict[str, Any], bool], None]
Run = Callable[[dict[str, Any], Recipe, Path, Report], Mapping[str, Any] | None]

STATE = "state.json"
RECIPE = "recipe.json"


def run_search(
    strategy: Strategy, recipe: Recipe, folder: str | Path, run: Run | None = None, log: Log = print
) -> dict[str, Any]:
    """Search until `strategy` has finished, and return the summary.

    Args:
        strategy: as `strategies.build` gives it, or with its own state already loaded.
        recipe: what is handed to each trial; a folder of another recipe is refused.
        folder: where state and trials are kept; made if missing, continued if it holds a search.
        run: runs one trial in its folder; `training.trial.run_proposal` if None.
        log: takes a line of progress; a `progress.display.Display` may rewrite the last one.

    Returns:
        `summary.summarize` of the trials with `strategy`, `folder` and `failure`, a sentence where the search
        ended without a result and else None.

    Raises:
        InputError: the folder is in use or holds another search, or a trial found the input at fault.
    """
    if run is None:
        from autostr_nni.training.trial import run_proposal  # needs torch

        run = run_proposal
    folder = Path(folder).expanduser().resolve()
    display = as_display(log)
    with _locked(folder):
        _restore(strategy, recipe, folder, log)
        write_json(folder / RECIPE, recipe.model_dump(mode="json"))
        state = Progress(strategy, recipe, folder / "trials", display)

        def tell(line: str) -> None:
            display(line)
            state.show()

        with display.following(state.line):
            _run_all(strategy, recipe, folder, run, tell, state)
        result = outcome(strategy, folder)
        write_json(folder / "summary.json", result)
    return result


def _run_all(strategy: Strategy, recipe: Recipe, folder: Path, run: Run, log: Log, state: Progress) -> None:
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
        _save(strategy, recipe, folder)
        state.show(event=True)


def outcome(strategy: Strategy, folder: Path) -> dict[str, Any]:
    """The summary of all trials so far, with `strategy`, `failure` (a sentence or None) and `folder`."""
    records = []
    for trial in strategy.trials:
        if trial.settled:
            place = _trial_folder(folder, trial.id)
            metrics = trial.metrics if trial.status == "done" else None
            result = read_json(place / RESULT)
            records.append(TrialRecord(trial.id, trial.parameters, metrics, place, result))
    found = summarize(records)
    return {"strategy": strategy.name, "failure": strategy.failure, "folder": str(folder), **found}


def write_json(path: Path, content: Any) -> None:
    """Replace a file whole: a reader, or a restart after a power cut, sees the old content or the new."""
    write_atomic(path, json.dumps(plain(content), indent=1, ensure_ascii=False) + "\n")


def _trial_folder(folder: Path, id: str) -> Path:
    return folder / "trials" / id


@contextmanager
def _locked(folder: Path) -> Iterator[IO[str]]:
    """Make the folder and hold it for this process; the lock goes with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be used as the search's folder: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{folder}: another search is running in it; wait, or give another folder"
            ) from None
        yield file


def _restore(strategy: Strategy, recipe: Recipe, folder: Path, log: Log) -> None:
    """Load the folder's state where it has one; refuse another search's."""
    if not (folder / STATE).exists():
        _save(strategy, recipe, folder)
        return
    content = read_state(folder)
    digest, state = content["recipe"], content["state"]
    if state.get("strategy") != strategy.name:
        raise InputError(
            f"{folder}: holds a search by the strategy {state.get('strategy')!r}, not {strategy.name!r}; "
            "give another folder"
        )
    drawn = sum(not trial["id"].endswith(RETRY) for trial in state["trials"])
    if digest not in (recipe.digest(), recipe.with_count(drawn).digest()):  # a random search may have more
        raise InputError(
            f"{folder}: holds a search by another recipe (see recipe.json there); give another folder, or "
            "the recipe as it was"
        )
    strategy.load_state_dict(state)
    settled = sum(trial.settled for trial in strategy.trials)
    log(f"continuing in {folder}: {settled} trial{'s' if settled != 1 else ''} done")


def read_state(folder: Path) -> dict[str, Any]:
    """What a search keeps: the digest of its `recipe`, that file (`source`) and the strategy's `state`."""
    path = folder / STATE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if all("id" in trial for trial in content["state"]["trials"]):
            return {"source": None, "recipe": content["recipe"], **content}
        error: Exception | str = "a trial has no id"
    except (OSError, ValueError, KeyError, TypeError) as caught:
        error = caught
    raise InputError(f"{path}: cannot be read as a search's state ({error}); give another folder")


def resume_search(
    folder: Path,
    count: int | None = None,
    run: Run | None = None,
    log: Log = print,
    prepare: Callable[[Recipe, Log], None] | None = None,
) -> dict[str, Any]:
    """Go on with the search in `folder`, by the recipe that it keeps; the outcome as of `run_search`.

    `count`: architectures in all for a random search that is given more. `prepare` sees to the recipe's data.

    Raises:
        InputError: the folder holds no search that could go on, or the search cannot be given more.
    """
    content = read_state(folder)
    name = content["state"].get("strategy")
    try:
        recorded = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / RECIPE}: the recipe of the search cannot be read ({error})") from None
    recipe = recipe_from(recorded, folder, str(folder / RECIPE), source=_source(content, folder))
    if count is not None:
        had = len([trial for trial in content["state"]["trials"] if not trial["id"].endswith(RETRY)])
        if name != "random":
            raise InputError(
                f"{folder}: a {name} search has a fixed number of trials; it cannot be given more"
            )
        if count <= had:
            raise InputError(f"{folder}: the search has {had} architectures already; give it more than that")
        recipe = recipe.with_count(count)
    if prepare is not None:
        prepare(recipe, log)
    return run_search(build(name, recipe), recipe, folder, run, log)


def _source(content: Mapping[str, Any], folder: Path) -> Path | None:
    named = content["source"]
    return (folder / named).resolve() if isinstance(named, str) else None


def _save(strategy: Strategy, recipe: Recipe, folder: Path) -> None:
    source = (
        os.path.relpath(recipe.source, folder) if recipe.source else None
    )  # the digest's paths start there
    content = {"recipe": recipe.digest(), "source": source, "state": strategy.state_dict()}
    write_json(folder / STATE, content)


def _run_one(proposal: Proposal, recipe: Recipe, folder: Path, run: Run, log: Log) -> Metrics | None:
    """Run a trial; its final metrics, or None where it broke (the traceback is left in `error.txt`)."""
    place = _trial_folder(folder, proposal.id)
    place.mkdir(parents=True, exist_ok=True)
    final: dict[str, Any] = {}

    def report(metrics: dict[str, Any], is_final: bool) -> None:
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
        write_atomic(place / "error.txt", traceback.format_exc())
        message = (str(error).splitlines() or [""])[0]
        log(f"{proposal.id}: failed: {type(error).__name__}: {message} (see {place / 'error.txt'})")
        return None
    metrics = {**(returned or {}), **final}
    log(f"{proposal.id}: done in {time.monotonic() - start:.0f} s: {progress(metrics)}")
    return metrics


def progress(metrics: Mapping[str, Any]) -> str:
    """A report in a few words."""
    parts = []
    if isinstance(metrics.get("default"), int | float):
        parts.append(f"accuracy {100 * metrics['default']:.1f} %")
    if isinstance(metrics.get("loss"), int | float):
        parts.append(f"loss {metrics['loss']:.3f}")
    if metrics.get("entropy"):  # only a search that has not decided yet has an expected cost
        parts.append(f"expected {metrics['expected_flops_m']:.1f} M MACs")
    if isinstance(metrics.get("images_seen"), int | float):
        parts.append(f"{metrics['images_seen']:,.0f} images")
    if isinstance(metrics.get("architecture"), str):
        parts.append(metrics["architecture"])
    return ", ".join(parts) or "no metrics"
