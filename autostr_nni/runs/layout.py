"""What lies where in a search's folder and in those of its trials: the names of all files. Light."""

from __future__ import annotations

from pathlib import Path

# --- of a search ---------------------------------------------------------------------------------------
SUMMARY = "summary.json"  # what it found, as its command told it
RECIPE = "recipe.json"  # the recipe as it was understood; also beside a net that was trained by itself
RECORD = "search.json"  # which strategy searches here
STATE = "state.json"  # of a search without NNI: its strategy and trials
NNI_STATE = "autostr_state.json"  # of an experiment whose tuner is one of ours
DATABASE = Path("db") / "nni.sqlite"  # NNI's own, of an experiment
LOGS = "log"  # NNI's
LOCK = ".lock"  # held while a search without NNI runs
RESUME_LOCK = ".resume.lock"  # held while an experiment is gone on with, or shown
TRIALS = "trials"

# --- of a trial ----------------------------------------------------------------------------------------
PARAMETERS = "parameters.json"
METRICS = "metrics.jsonl"  # one line per epoch
RESULT = "result.json"  # of a trial that has ended well
ARCHITECTURE = "architecture.json"
LAST = "last.ckpt"  # to go on from
BEST = "best.ckpt"  # the net of the best epoch
PULSE = "pulse.json"  # images and seconds so far, told within an epoch too
WORD_LOSSES = "word_losses.json"  # of a path: the loss of every validation word after the last epoch
CLIMBED = "climbed.json"  # what had been spent by the trials whose checkpoint this one goes on from
RANKED = "ranked.jsonl"  # of a ranking: one line per net
FINALIST = "{}.ckpt"  # of a ranking: a finalist with the weights that it inherits, by its name
PROBABILITIES = "probabilities.jsonl"  # of the operator search: one line per epoch
FAULT = "error.txt"  # of one that broke down by itself: its traceback
STDERR = "trial.stderr"  # NNI's
NO_SPACE = "no_space.txt"  # of one that could write no more: the sentence


def trial_folder(search: Path, trial: str) -> Path:
    """Where a trial keeps its files: below NNI's environment, where the search has one, else in `trials`."""
    found = [*search.glob(f"environments/*/{TRIALS}/{trial}"), search / TRIALS / trial]
    return max((path for path in found if path.is_dir()), key=_furthest, default=search / TRIALS / trial)


def trial_folders(search: Path) -> list[Path]:
    """The folders of all trials that have left one, of an NNI experiment or of a search without NNI."""
    found = [*search.glob(f"{TRIALS}/*/"), *search.glob(f"environments/*/{TRIALS}/*/")]
    names = {path.name for path in found if path.is_dir()}
    return sorted(trial_folder(search, name) for name in names)


def _furthest(folder: Path) -> tuple[bool, float]:
    """Which of a trial's folders counts: on machines with one home it may have left several."""
    return (folder / RESULT).is_file(), folder.stat().st_mtime


def through_nni(folder: Path) -> bool:
    """Whether a folder holds a search through NNI."""
    return any((folder / name).is_file() for name in (DATABASE, NNI_STATE))


def is_search(folder: Path) -> bool:
    """Whether a folder holds a search, through NNI or without it."""
    return through_nni(folder) or (folder / STATE).is_file()


def is_training(folder: Path) -> bool:
    """Whether a folder is that of one trial, or of `autostr train`."""
    return any((folder / name).is_file() for name in (METRICS, ARCHITECTURE, RESULT))


def changed(search: Path) -> float:
    """When a search last had a result, in seconds since 1970; without any, when it began."""
    for name in (NNI_STATE, STATE, DATABASE):
        if (search / name).is_file():
            return (search / name).stat().st_mtime
    return 0.0
