"""What a search has shown, and what it has not: the one judge of summary, report and exit status. Light.

Three questions: has the best net learnt anything; are the paths told apart by the validation words; has the
operator search decided. Plain numbers in, sentences out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean, variance
from typing import Any, NamedTuple

from autostr_nni.recipe.training import LEARNT_ABOVE
from autostr_nni.strategies.trials import learnt_nothing

UNDECIDED = 0.9  # share of the largest possible entropy over which operations are not decided
SURE = 0.95
SOONER = "or rank attention's nets by CTC, which reads sooner (search.proxy.translator: ctc)"

Probabilities = Sequence[Mapping[str, float]]  # of every layer's operations


class WordLosses(NamedTuple):
    """The recognition loss of every validation word; ``words`` tells which they are, and in what order."""

    losses: Sequence[float]
    words: str


class Ranked(NamedTuple):
    """A stride path of step 1. ``error``: standard error of its loss over the validation words.

    ``behind``: how much larger its loss is than the best one's, with the standard error of that difference.
    ``tied``: the words do not tell it apart from the best. All None where the losses of words are not known.
    """

    error: float | None
    behind: float | None
    behind_error: float | None
    tied: bool | None


def word_losses(content: Mapping[str, Any]) -> WordLosses | None:
    """What a trial kept of its words' losses; None where it is damaged or absent."""
    losses, words = content.get("losses"), content.get("words")
    if not isinstance(losses, list) or len(losses) < 2 or not isinstance(words, str):
        return None
    if not all(type(loss) in (int, float) and math.isfinite(loss) for loss in losses):
        return None
    return WordLosses(losses, words)


def rank_paths(paths: Sequence[WordLosses | None]) -> list[Ranked]:
    """Paths in the order of their loss, each against the first.

    The same words are paired: what makes a word hard is common to all paths and drops out of the difference.
    A path is told apart if the difference is beyond chance at 95 %, over all comparisons together
    (one-sided, Bonferroni). Only the draw of words is weighed: training again would vary the losses too.
    """
    if not paths or paths[0] is None:
        return [Ranked(None, None, None, None) for _ in paths]
    first = paths[0]
    found = [Ranked(_error(first.losses), 0.0, 0.0, True)]
    limit = NormalDist().inv_cdf(1 - (1 - SURE) / max(1, len(paths) - 1))
    for other in paths[1:]:
        if other is None:
            found.append(Ranked(None, None, None, None))
            continue
        behind = fmean(other.losses) - fmean(first.losses)
        if other.words == first.words and len(other.losses) == len(first.losses):
            error = _error([b - a for a, b in zip(first.losses, other.losses, strict=True)])
        else:
            error = math.hypot(_error(first.losses), _error(other.losses))
        found.append(Ranked(_error(other.losses), behind, error, behind <= limit * error))
    return found


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean."""
    return math.sqrt(variance(values) / len(values))


def judge_best(accuracy: float | None, blind: float | None, above: float = LEARNT_ABOVE) -> str | None:
    """Why the best net is no result, in a sentence; None where it is one, or where there is none."""
    if not learnt_nothing(accuracy, blind, above):
        return None
    floor = f"up to {_percent(above)} counts as nothing"
    if blind is not None and blind > above:
        floor = f"always answering the commonest word gives {_percent(blind)}"
    return (
        f"nothing was learnt: the best net reads {_percent(accuracy)} of the validation words, and {floor}; "
        "train longer (training.epochs, training.epoch_images), short words first (training.short_words): "
        "see 'Learning on little' in docs/data.md"
    )


def judge_paths(
    names: Sequence[str],
    ranked: Sequence[Ranked],
    words: int | None,
    best: float | None,
    blind: float | None = None,
    above: float = LEARNT_ABOVE,
) -> str | None:
    """What the ranking of paths does not tell, in a sentence; ``best`` is the best word accuracy of them."""
    if len(names) < 2:
        return None
    advice = "train paths longer (search.path.epochs, search.path.epoch_images)"
    by = f" by {words} validation words" if words else ""
    tied = [name for name, path in zip(names, ranked, strict=True) if path.tied][1:]
    told = ""
    if len(tied) == len(names) - 1:
        told = f"the ranking of paths is within noise: none is told apart from {names[0]}{by}"
    elif tied:
        told = f"the first paths are within noise: {', '.join(tied)} not told apart from {names[0]}{by}"
    if learnt_nothing(best, blind, above):
        reads = f"paths were ranked by nets that read {_percent(best)} of the words at best"
        told = f"{told}; {reads}" if told else f"the {reads}"
    return f"{told}; {advice}, or choose by more words" if told else None


class Score(NamedTuple):
    """A net's word accuracy on so many validation words, what blind answers reach, the epochs it had (None:
    all), its validation loss, and its name."""

    accuracy: float | None
    words: float | None = None
    blind: float | None = None
    epochs: int | None = None
    loss: float | None = None
    net: str | None = None


def judge_nets(nets: Sequence[Score], above: float = LEARNT_ABOVE) -> str | None:
    """Which nets the validation words do not tell apart from the best, in a sentence; the best comes first.

    Two rates are told apart where their difference is beyond chance at 95 % over all comparisons (one-sided,
    Bonferroni), with one right and one wrong word added to each (Agresti and Caffo 2000). The words count as
    drawn for each net by itself: which of them each net read is not known. Nets that learnt nothing are
    `judge_best`'s.
    """
    first, *others = nets or [Score(None)]
    known = [net for net in others if net.accuracy is not None and net.words]
    if first.accuracy is None or not first.words or not known:
        return None
    if learnt_nothing(first.accuracy, first.blind, above):
        return None
    limit = NormalDist().inv_cdf(1 - (1 - SURE) / len(known))
    tied = [net for net in known if _alike(first, net, limit)]
    if not tied:
        return None
    which = "none of the others is" if len(tied) == len(known) else f"{len(tied)} of the others "
    which += "" if len(tied) == len(known) else "are not" if len(tied) > 1 else "is not"
    return (
        f"the choice among {len(known) + 1} nets is within noise: {which} told apart from the best by "
        f"{first.words:.0f} validation words ({_percent(first.accuracy)}, {_percent(tied[0].accuracy)}); "
        "training again would vary them too: use more words, or compare over seeds (docs/comparing.md)"
    )


def _alike(first: Score, other: Score, limit: float) -> bool:
    """Whether the first is ahead of the other by no more than chance allows."""
    scores = [(net.accuracy or 0.0, net.words or 0.0) for net in (first, other)]
    counts = [(round(accuracy * words) + 1, words + 2) for accuracy, words in scores]
    rates = [right / words for right, words in counts]
    error = math.sqrt(sum(p * (1 - p) / words for p, (_, words) in zip(rates, counts, strict=True)))
    return rates[0] - rates[1] <= limit * error


def judge_rungs(nets: Sequence[Score], above: float = LEARNT_ABOVE) -> str | None:
    """Whether nets went on from a short training that taught none of them to read, in a sentence.

    A loss may rank nets before any of them reads: nothing is said where those that went on kept their order
    on the next rung beyond chance at 95 % (one-sided, Kendall's exact test).
    """
    epochs = min((net.epochs for net in nets if net.epochs is not None), default=None)
    first = [net for net in nets if net.epochs == epochs and net.accuracy is not None]
    best = max((net.accuracy or 0.0 for net in first), default=None)
    if len(first) < 2 or epochs is None or not learnt_nothing(best, first[0].blind, above):
        return None
    kept, pairs, chance = _kept_order(first, nets)
    if chance <= 1 - SURE:
        return None
    after = f"after {epochs} epoch{'s' if epochs > 1 else ''}"
    order = f" (of these, {kept} of {pairs} pairs kept their order by loss on the next rung)" if pairs else ""
    return (
        f"{after} the best of {len(first)} nets read {_percent(best)} of the words, so which of them went on "
        f"is unsure{order}; begin the rungs later (search.halving.rungs), {SOONER}"
    )


def _kept_order(first: Sequence[Score], nets: Sequence[Score]) -> tuple[int, int, float]:
    """Pairs of the nets that went on from the first rung whose losses have the same order on the next, all
    such pairs, and the chance that an order drawn at random keeps as many."""
    later: dict[str | None, float] = {}
    for net in sorted(nets, key=lambda net: net.epochs or math.inf, reverse=True):
        if net.epochs != first[0].epochs and net.loss is not None:
            later[net.net] = net.loss  # at last that of the next rung
    both = [(net.loss, later[net.net]) for net in first if net.loss is not None and net.net in later]
    pairs = list(itertools.combinations(both, 2))
    kept = sum((a[0] - b[0]) * (a[1] - b[1]) > 0 for a, b in pairs)
    orders = [1]  # how many orders of so many nets turn 0, 1, … pairs round
    for size in range(2, len(both) + 1):
        ends = range(len(orders) + size - 1)
        orders = [sum(orders[max(0, end - size + 1) : end + 1]) for end in ends]
    return kept, len(pairs), sum(orders[: len(pairs) - kept + 1]) / sum(orders)


def judge_ranking(best: Score, above: float = LEARNT_ABOVE) -> str | None:
    """Whether nets were ranked by a supernet on whose weights none of them reads, in a sentence."""
    if not learnt_nothing(best.accuracy, best.blind, above):
        return None
    return (
        f"on the supernet's weights the first net of the ranking reads {_percent(best.accuracy)} of the "
        "words, so the choice of finalists is near to chance; train the supernet longer "
        f"(search.one_shot.epochs), {SOONER}"
    )


def judge_operators(layers: Probabilities) -> str | None:
    """Whether the last probabilities are still nearly alike, in a sentence."""
    open_layers = [[p for p in layer.values() if p > 0] for layer in layers if len(layer) > 1]
    if not open_layers:
        return None
    most = fmean(math.log(len(layer)) for layer in layers if len(layer) > 1)
    entropy = fmean(-sum(p * math.log(p) for p in layer) for layer in open_layers)
    if entropy <= UNDECIDED * most:
        return None
    sure = fmean(max(layer, default=0.0) for layer in open_layers)
    alike = fmean(1 / len(layer) for layer in layers if len(layer) > 1)
    return (
        f"the operations are undecided: the most probable of a layer has {sure:.2f} on average (all alike: "
        f"{alike:.2f}), the entropy is {entropy:.2f} of {most:.2f} nats; search longer "
        "(search.operators.epochs, epoch_images) or faster (arch_optimizer.lr, arch_every)"
    )


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f} %"
