"""How many trials a strategy of a user's own has, as it tells it in the one way or the other."""

from __future__ import annotations

from autostr_nni.strategies.core import Book, Stepped
from autostr_nni.strategies.steps import PATH, TRAIN, Planned


class Counted(Book):
    steps = (PATH, TRAIN)
    planned = 7


class ByStep(Stepped):
    planned_steps = [Planned(PATH, 5), Planned(TRAIN, 2)]


def test_a_number_alone_counts_as_trials_of_the_last_step() -> None:
    assert Counted().planned_steps == [Planned(TRAIN, 7)]


def test_without_either_the_trials_that_are_known_count() -> None:
    book = Book()
    for id in ("one", "two", "two-retry"):
        book._add(id, {"step": TRAIN})
    assert (book.planned, book.planned_steps) == (2, [Planned(TRAIN, 2)])


def test_steps_are_added_up() -> None:
    assert ByStep().planned == 7
