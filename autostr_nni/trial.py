"""A trial of an NNI experiment: ``python -m autostr_nni.trial --recipe recipe.yml`` as its ``trialCommand``.

Takes the parameters that NNI made for this very trial, runs that step of the search in the trial's folder
(``$NNI_OUTPUT_DIR``) and reports to NNI. Started again under the same id it goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import hashlib
import json
import locale
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.nni.state import note_no_space
from autostr_nni.runs.doing import PREPARES, STARTS, tell_doing
from autostr_nni.runs.figures import Figures
from autostr_nni.system.errors import InputError, TrainingFailed
from autostr_nni.system.files import NoSpace, write_atomic
from autostr_nni.system.leaving import leave, pass_over_children, stoppable
from autostr_nni.system.locks import hold
from autostr_nni.system.threads import wait_asleep
from autostr_nni.warm.command import run_warm

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0; after a sentence on stderr 1 for a training that failed and 2 for bad input; 130 when
    NNI cancels the trial."""
    parser = argparse.ArgumentParser(
        prog="python -m autostr_nni.trial", description="One trial of an NNI experiment."
    )
    parser.add_argument("--recipe", required=True, type=Path, help="the search's recipe")
    arguments = parser.parse_args(argv)
    _ensure_utf8(sys.argv[1:] if argv is None else list(argv))
    if "NNI_OUTPUT_DIR" in os.environ:
        tell_doing(Path(os.environ["NNI_OUTPUT_DIR"]), STARTS)
    status = run_warm() if argv is None else None
    if status is not None:
        return status
    wait_asleep()
    try:
        with stoppable(signal.SIGINT, signal.SIGTERM):
            run(arguments.recipe)
    except InputError as error:
        print(f"autostr: error: {error}", file=sys.stderr)
        return 2
    except TrainingFailed as error:
        print(f"autostr: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("autostr: the trial was cancelled", file=sys.stderr)
        return 130
    finally:
        end_children()
    return 0


def run(recipe_path: Path) -> Figures:
    """The trial itself; returns its final metrics."""
    from autostr_nni.nni.trial_side.parameters import own_parameter
    from autostr_nni.recipe import load_recipe

    return run_parameters(load_recipe(recipe_path), own_parameter())


def run_parameters(recipe: Recipe, parameters: dict[str, Any]) -> Figures:
    """Run a step of the search in this trial's folder and report to NNI; returns the final metrics."""
    from autostr_nni.runs.layout import PARAMETERS

    folder = Path(os.environ["NNI_OUTPUT_DIR"])
    tell_doing(folder, PREPARES)
    prepare_once(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / PARAMETERS, json.dumps({"parameters": parameters}, indent=1) + "\n")
    print(f"trial {os.environ.get('NNI_TRIAL_JOB_ID')}: {parameters}", flush=True)

    from autostr_nni.runs.layout import FAULT
    from autostr_nni.runs.records import read_metrics
    from autostr_nni.training.going_on.continuing import take_over
    from autostr_nni.training.run_trial import run_proposal

    take_over(folder, repeated_by(folder, parameters))
    front = recipe.search.front.size > 1
    reports = Reports(str(parameters.get("step", "")), lines=partial(read_metrics, folder), front=front)
    try:
        metrics = run_proposal(parameters, recipe, folder, reports)
    except NoSpace as error:
        note_no_space(folder, str(error))
        raise
    except Exception as error:
        if not isinstance(error, InputError):
            write_atomic(folder / FAULT, traceback.format_exc())
        raise
    if not reports.final:
        reports(metrics, True)
    return metrics


def repeated_by(folder: Path, parameters: dict[str, Any]) -> list[Path]:
    """Folders of other trials with these parameters: a trial that failed is repeated under another name."""
    from autostr_nni.runs.layout import PARAMETERS
    from autostr_nni.system.json_text import read_json

    others = [path.parent for path in folder.parent.glob(f"*/{PARAMETERS}") if path.parent != folder]
    return [other for other in others if read_json(other / PARAMETERS).get("parameters") == parameters]


def prepare_once(recipe: Recipe) -> None:
    """Render the recipe's sets where nobody has, and look at them all: a plain ``nnictl create`` does not.

    The experiment's first trial on this machine does so, and the others wait for it.
    """
    from autostr_nni.data.sets.apart import prepare_apart

    assert recipe.source is not None
    experiment = os.environ["NNI_EXP_ID"]
    key = hashlib.sha256(f"{experiment} {recipe.source}".encode()).hexdigest()[:16]
    lock = Path(tempfile.gettempdir()) / f"autostr-{os.getuid()}-{key}.lock"
    told = partial(print, "waiting for another trial, which renders the words of the recipe", flush=True)
    with hold(lock, wait=told):
        looked_at = lock.read_text(encoding="utf-8") == experiment
        if not (looked_at and all(folder.exists() for folder in recipe.data.synth)):
            prepare_apart(recipe.source)
            lock.write_text(experiment, encoding="utf-8")


class Reports:
    """Sends reports to NNI, every epoch's once. What NNI does not take is said and sent with the next report;
    the files of the trial are the truth.

    ``lines`` reads the metrics of the trial's epochs, those before a restart included; ``front``: the search
    is for several nets.
    """

    def __init__(
        self, step: str, tries: int = 5, lines: Callable[[], list[Figures]] = list, front: bool = False
    ) -> None:
        from autostr_nni.nni.trial_side.reported import Reported

        self.final = False
        self._step, self._tries, self._front = step, tries, front
        self._reported = Reported(lines)

    def __call__(self, metrics: Figures, final: bool) -> None:
        import nni

        from autostr_nni.nni.trial_side.figures import for_nni

        if final and self.final:
            return
        self.final = self.final or final
        for epoch in self._reported.owed(metrics, final):
            if "epoch" in epoch:
                nni.trial.overwrite_intermediate_seq(int(epoch["epoch"]))
            if self._send(nni.report_intermediate_result, for_nni(epoch, self._step, False), 1):
                self._reported.sent(epoch)
        if final:
            self._send(nni.report_final_result, for_nni(metrics, self._step, True, self._front), self._tries)

    def _send(self, send: Callable[[Any], None], report: Mapping[str, Any], tries: int) -> bool:
        import requests

        for attempt in range(tries):
            try:
                send(report)
                return True
            except requests.RequestException as error:
                print(f"autostr: warning: NNI does not take a report: {error}", file=sys.stderr)
                time.sleep(2**attempt if tries > 1 else 0)
        return False


def _ensure_utf8(arguments: list[str]) -> None:
    """Start over in UTF-8 mode if the locale is another: NNI opens the trial's log in its encoding."""
    encoding = codecs.lookup(locale.getpreferredencoding(False)).name
    if encoding != "utf-8" and not sys.flags.utf8_mode:
        command = [sys.executable, "-X", "utf8", "-m", "autostr_nni.trial", *arguments]
        os.execve(sys.executable, command, {**os.environ, "PYTHONUTF8": "1"})


def end_children() -> None:
    """NNI kills a trial's own process only: take loaders' workers along."""
    import psutil

    pass_over_children()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()


if __name__ == "__main__":
    leave(main())
