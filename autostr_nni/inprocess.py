"""A whole search in this process, trial after trial, with no manager: for notebooks, GPU boxes and tests.

The folder holds `state.json` (the strategy, rewritten whole after every trial), `recipe.json` (the recipe as
it was understood), `trials/<id>/` and, at the end, `summary.json`. Killed and started again, a search goes on
where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from autostr_nni.recipe import Recipe
from autostr_nni.search_spaces.errors import InputError
from autostr_nni.strategies.core import Metrics, Proposal, Strategy, plain
from autostr_nni.summary import RESULT, TrialRecord, read_json, summarize

Report = Callable[[dict[str, Any], bool], None]
Run = Callable[[dict[str, Any], Recipe, Path, Report], Mapping[str, Any] | None]
Log = Callable[[str], None]

STATE = "state.json"


def run_search(
    strategy: Strategy, recipe: Recipe, folder: str | Path, run: Run | None = None, log: Log = print
) -> dict[str, Any]:
    """Search until `strategy` has finished, and return the summary.

    Args:
        strategy: as `strategies.build` gives it, or with its own state already loaded.
        recipe: what is handed to each trial; a folder of another recipe is refused.
        folder: where state and trials are kept; made if missing, continued if it holds a search.
        run: runs one trial in its folder; `training.trial.run_proposal` if None.
        log: takes a line of progress.

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
    with _locked(folder):
        _restore(strategy, recipe, folder, log)
        write_json(folder / "recipe.json", recipe.model_dump(mode="json"))
        while not strategy.finished:
            strategy.suggest()
            # One at a time, in the strategy's order; a retry comes right after what it repeats.
            waiting = strategy.pending()
            if not waiting:
                raise RuntimeError(f"the strategy {strategy.name} proposes nothing and has not finished")
            proposal = waiting[0]
            metrics = _run_one(proposal, recipe, folder, run, log)
            strategy.observe(proposal.id, metrics)
            _save(strategy, recipe, folder)
        result = outcome(strategy, folder)
        write_json(folder / "summary.json", result)
    return result


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
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(plain(content), file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name must outlive a power cut too
    finally:
        os.close(folder)


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
    path = folder / STATE
    if not path.exists():
        _save(strategy, recipe, folder)
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digest, state = content["recipe"], dict(content["state"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read as a search's state ({error}); give another folder"
        ) from None
    if state.get("strategy") != strategy.name:
        raise InputError(
            f"{folder}: holds a search by the strategy {state.get('strategy')!r}, not {strategy.name!r}; "
            "give another folder"
        )
    if digest != recipe.digest():
        raise InputError(
            f"{folder}: holds a search by another recipe (see recipe.json there); give another folder, or "
            "the recipe as it was"
        )
    strategy.load_state_dict(state)
    settled = sum(trial.settled for trial in strategy.trials)
    log(f"continuing in {folder}: {settled} trial{'s' if settled != 1 else ''} done")


def _save(strategy: Strategy, recipe: Recipe, folder: Path) -> None:
    write_json(folder / STATE, {"recipe": recipe.digest(), "state": strategy.state_dict()})


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
        (place / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
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
