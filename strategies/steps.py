"""What a trial does: its parameter `step`, by which trials, progress and reports know it.

A strategy proposes trials of these steps; how one is carried out is `training.run_trial`'s.
"""

from __future__ import annotations

from typing import NamedTuple

#: A stride path with one operation in all layers, trained a little; paths are ranked by its loss (step 1).
PATH = "path"
#: The search for the operations on a stride path (step 2).
OPERATORS = "operators"
#: The training of one supernet of all paths and operations.
SUPERNET = "supernet"
#: Nets ranked on the supernet's weights, by evolution.
RANKING = "ranking"
#: A net that is trained up to its parameter `epochs`, to be compared with others at the same height.
RUNG = "rung"
#: A net that is trained to the end, from scratch (step 3) or from weights that it inherits.
TRAIN = "train"

#: All steps, with the words for what they spend in drawings.
STEPS = {
    PATH: "paths",
    OPERATORS: "operators",
    SUPERNET: "supernet",
    RANKING: "ranking",
    RUNG: "rungs",
    TRAIN: "training",
}
#: Steps that search among nets: their figures are compared with no other trial's.
SEARCHING = (OPERATORS, SUPERNET, RANKING)
#: Those that find an `architecture`.
FINDING = (OPERATORS, RANKING)

#: The parameter that names the weights, of its search's ranking, with which a net begins.
WEIGHTS = "weights"

#: The parameter that names a net which stands apart from those that a search draws, and the name of the
#: largest one that it may have.
NET, LARGEST = "net", "largest"


class Planned(NamedTuple):
    """Trials that a search has before it: their step and how many.

    Where nets are compared on the way, ``end`` is the epoch that these are trained to and ``begin`` the one
    that they go on from; how many there will be is then an estimate, within a budget of epochs. ``waits``:
    they begin when the step before has ended, and not beside its trials.
    """

    step: str
    trials: int
    begin: int = 0
    end: int | None = None
    waits: bool = True


def step_words(step: str) -> str:
    """The words for a step; the step itself where it is of a user's own trials."""
    return STEPS.get(step, step)
