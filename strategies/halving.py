"""Successive halving over stride paths and operations together, with neighbours of the leaders as candidates.

Many nets are trained for a short while; of those that were trained equally long the best go on from their
own checkpoints, up to a full training (Jamieson and Talwalkar 2016; asynchronous as in Li et al. 2020). A net
that reaches the top has had the very training that random search gives each of its nets. Full trainings come
last: they cost most, and what climbs first is seldom the best. Where nets are ranked by a proxy, the best of
the top is trained once more, without it.

For a front of several nets those go on that no other is both cheaper and better than, the most different
first: by accuracy alone all would cost about what the budget allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS, Price
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError

from .candidates import Candidates
from .climbing import Climbing
from .core import BUDGET, RETRY, Trial, reasons
from .ladder import Ladder, ladder_of
from .steps import RUNG, TRAIN, Planned

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe


_FULL, _FULL_OF_FRONT = 1 / 3, 1 / 2  # of the budget in nets: the full trainings


class Halving(Climbing):
    """Asynchronous successive halving whose proposals depend on results alone, not on who came first.

    The k-th proposal looks at the first k - `lookback` ones only, and waits until these are settled. So many
    trials can run at a time, and a search is the same however many do, and after any stop.
    """

    name = "halving"
    label = "halving {place}"
    steps: ClassVar[tuple[str, ...]] = (RUNG, TRAIN)
    settings = ("search.init", "search.halving", "search.proxy", "search.front", *BUDGET)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Halving:
        """By the recipe's ladder and budget."""
        options = recipe.search.halving
        return cls(
            recipe.space(),
            Ladder(options.rungs or ladder_of(recipe.training.epochs), options.reduction),
            options.nets,
            recipe.seed,
            most=recipe.search.operators.budget,
            least=int(options.min_m * 1e6),
            explore=options.explore,
            lookback=options.lookback,
            proxy=recipe.has_proxy,
            front=recipe.search.front.size,
            learnt_above=recipe.evaluation.learnt_above,
            price=recipe.price,
        )

    def __init__(
        self,
        space: SearchSpace,
        ladder: Ladder,
        nets: int,
        seed: int,
        most: int,
        least: int = 0,
        explore: float = 0.5,
        lookback: int = 4,
        proxy: bool = False,
        front: int = 1,
        learnt_above: float = 0.0,
        price: Price = MACS,
    ) -> None:
        """Open the first candidates.

        Args:
            space: where candidates are drawn.
            ladder: when nets are compared.
            nets: the budget, in full trainings; each epoch of each trial counts.
            seed: the same seed and results propose the same nets.
            most, least: what a backbone may cost.
            explore: share of the later candidates that are drawn from the whole space.
            lookback: how many of the last proposals a proposal does not look at: so many run at a time.
            proxy: nets are ranked by a proxy, and the best are trained from scratch at the end.
            front: so many nets along cost and accuracy are wanted; 1: the most accurate alone.
            learnt_above: validation words, 0 to 1, that a net of a front has to read more than.
            price: what costs are counted in.

        Raises:
            InputError: the budget is below the trainings of all nets wanted, or no net is of such a cost.
        """
        super().__init__(space, ladder, proxy, front, learnt_above, price)
        needed = front * (1 + proxy)
        if nets < needed:
            why = f": search.front.size is {front}, and so many are trained to the end" if front > 1 else ""
            again = (
                ": with search.proxy a net is trained twice, the second time from scratch" if proxy else ""
            )
            raise InputError(f"search.halving.nets must be at least {needed}, not {nets}{why}{again}")
        self._seed, self._lookback = seed, lookback
        # The last training of each of a proxy's winners is one net's.
        self._budget = (nets - proxy * front) * ladder.epochs[-1]
        # Nets that are trained to the end. Of those of a front some turn out to be dominated: there are more.
        self._full = max(front, round(nets * (_FULL if front == 1 else _FULL_OF_FRONT)))
        first = ladder.reduction**ladder.top
        self._candidates = Candidates(space, (least, most), price, explore, first)
        self._advance()

    @property
    def planned_steps(self) -> list[Planned]:
        """Trials of each rung, about as many as the budget pays for: what results lead to is not known. And
        what is trained at the end where nets are ranked by a proxy."""
        more = 0
        while not self._finished and self._pays_for(more + 1):
            more += 1
        rungs = self._ladder.steps(RUNG, self._counts(more), waits=False)
        if self._proxy:
            last = sum(not trial.id.endswith(RETRY) for trial in self._of_step(TRAIN))
            return [*rungs, Planned(TRAIN, last or self._front)]
        return [*rungs[:-1], rungs[-1]._replace(step=TRAIN)]

    def _pays_for(self, more: int) -> bool:
        """Whether so many more candidates may be opened, by what they and those that go on from them cost."""
        counts = self._counts(more)
        if self._ladder.top:  # what full trainings cost is kept back, and with the last of them a search ends
            counts[-1] = self._at_the_top
            if counts[-1] >= self._full:
                return False
        return self._ladder.price(counts) <= self._budget - self._reserve()

    def _counts(self, more: int) -> list[int]:
        """Trials of each rung where so many more candidates are opened, and as many go on as should."""
        there = Counter(map(self._rung, self._originals()))
        counts = [there[0] + more]
        for rung in range(1, self._ladder.top + 1):
            due = max(self._front, counts[-1] // self._ladder.reduction)
            if rung == self._ladder.top:
                due = min(counts[-1], self._full)
            counts.append(max(there[rung], 0 if self._finished else due))
        return counts

    # -- what is proposed

    def _advance(self) -> None:
        while not self._finished:
            known = self._known()
            if known is None:
                return
            if not self._propose_some(known):
                if not all(trial.settled for trial in self._trials):
                    return
                # Nothing is left to be paid for, and nothing is awaited whose result could open more.
                if self._proxy and not self._of_step(TRAIN) and self._train_winners():
                    return
                done = self.best is not None
                self._end(None if done else f"no net was trained to the end ({reasons(self.trials)})")

    def _known(self) -> list[Trial] | None:
        """What the next proposal may look at, retries in place of what they repeat; None: it must wait."""
        last: dict[str, Trial] = {}
        for trial in self._trials:
            last[trial.id.removesuffix(RETRY)] = trial
        visible = list(last.values())[: max(0, len(last) + 1 - self._lookback)]
        if self._closing():  # every result counts for what the last of the budget is spent on
            visible = list(last.values())
        return visible if all(trial.settled for trial in visible) else None

    def _closing(self) -> bool:
        """Whether what is left is for nets that it brings to the top alone."""
        if self._ladder.top and self._at_the_top >= self._full:
            return True
        return self._budget - self._spent() < self._ladder.cost(0) + self._reserve()

    def _reserve(self) -> int:
        """Epochs kept back for full trainings, and so that nets of the lowest rung can be brought there."""
        from_below = max(0, self._front - self._at_the_top) * (
            self._ladder.epochs[-1] - self._ladder.epochs[0]
        )
        last = self._ladder.cost(self._ladder.top) if self._ladder.top else 0
        return max(from_below, max(0, self._full - self._at_the_top) * last)

    def _propose_some(self, known: Sequence[Trial]) -> bool:
        """Add the next proposal; of the last of the budget as many as are trained to the end."""
        if not self._closing():
            if self._promote(known, 0, False) is not None:
                return True
            net = self._candidate(known)
            if net is not None:
                self._open(net, 0)
                return True
            # All nets of a small space, or a thin band, were tried: what is left is for the best of them.
            known = self._trials
            if not all(trial.settled for trial in known):
                return False
        kept, found = 0, False  # kept: what those proposed still need to come to the top
        for _ in range(self._full):
            rung = self._promote(known, kept, True)
            if rung is None:
                break
            kept, found = kept + self._ladder.epochs[-1] - self._ladder.epochs[rung], True
        return found

    def _promote(self, known: Sequence[Trial], kept: int, closing: bool) -> int | None:
        """Let a net go on, and give its rung; None where none may, or the budget does not pay for it."""
        # What is kept back for full trainings is for nothing else.
        left = self._budget - self._spent() - kept - (0 if closing else self._reserve())
        for rung in range(self._ladder.top - (not closing), 0, -1):
            # The last of the budget goes to nets that it brings to the top.
            ahead = range(rung, self._ladder.top + 1) if closing else (rung,)
            if sum(map(self._ladder.cost, ahead)) > left:
                continue
            below = self._ranked(known, rung - 1)
            chosen = below if closing else below[: len(below) // self._ladder.reduction]
            promoted = self._texts(rung)
            for trial in chosen:
                text = self._architecture(trial).text
                if text not in promoted:
                    self._open(self._architecture(trial), rung)
                    return rung
        return None

    def _open(self, architecture: Architecture, rung: int) -> None:
        number = sum(1 for _ in self._originals()) + 1
        parameters: dict[str, Any] = {"step": TRAIN}
        if rung < self._ladder.top or self._proxy:
            parameters = {"step": RUNG, "epochs": self._ladder.epochs[rung]}
        self._add(f"halving-{number:03d}", {**parameters, **architecture.to_parameters()})

    def _candidate(self, known: Sequence[Trial]) -> Architecture | None:
        """A net that was not tried yet; None where none is met. Raises InputError for the first one."""
        seen = self._texts(0)
        losses = [
            (self._architecture(trial).path, (trial.metrics or {})["loss"]) for trial in self._done(known, 0)
        ]
        found = self._candidates.draw(f"{self._seed} {len(seen)}", seen, self._leaders(known), losses)
        if found is None and not seen:
            least, most = self._candidates.band
            band = f"{least / 1e6:g} to {self._price.said(most)}"
            raise InputError(f"search.halving: no net with {band} was met; widen the band")
        return found
