"""Searches for several targets side by side: each net on the words of all, and how far the nets differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean

from autostr_nni.report.nets import architecture_of
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.records import Search
from autostr_nni.report.seeds.comparison import across
from autostr_nni.report.seeds.records import NetDifference, TargetRow, Targets, TargetSet

#: In what two searches differ, by whether their targets and their seeds are others.
BETWEEN = {(True, False): "targets", (False, True): "seeds", (True, True): "both"}


def targets_of(searches: Sequence[Search], histories: Mapping[str, SearchHistory]) -> Targets | None:
    """The searches that were for a target; None where there are none.

    ``sets``: every test set with the targets that it is of. ``rows``: the searches. ``pairs``: those of two
    targets by one strategy against one another, on the test sets of both (`seeds.comparison.across`).
    ``differences``: of their best nets, and of those of other seeds. ``sentences``: what there is to say.
    """
    rows: list[TargetRow] = [
        {"search": search["key"], "target": search["target"]} for search in searches if search["target"]
    ]
    if not rows:
        return None
    sets: dict[str, TargetSet] = {}
    for row in rows:
        data = (histories[row["search"]].recipe or {}).get("data", {})
        for name in data.get("test") or ():
            of = sets.setdefault(name, {"set": name, "targets": []})["targets"]
            if row["target"] not in of:
                of.append(row["target"])
    members = [search for search in searches if search["target"]]
    pairs, left_out = across(members, histories, list(sets.values()))
    differences = _differences(members)
    said = [*(said for pair in pairs for said in pair["sentences"]), *(f"{told}." for told in left_out)]
    return {
        "sets": list(sets.values()),
        "rows": rows,
        "pairs": pairs,
        "differences": differences,
        "sentences": [*said, *_told(differences)],
    }


def _differences(searches: Sequence[Search]) -> list[NetDifference]:
    """Layers whose operation, and whose stride, is another, for each two searches by one strategy."""
    found: list[NetDifference] = []
    for one, other in combinations(searches, 2):
        between = (one["target"] != other["target"], one["seed"] != other["seed"])
        if between not in BETWEEN or one["strategy"] != other["strategy"] or one["space"] != other["space"]:
            continue
        nets = [
            architecture_of(s["best"]["architecture"] if s["best"] else None, s["space"])
            for s in (one, other)
        ]
        if nets[0] is None or nets[1] is None:
            continue
        first, second = nets[0][0], nets[1][0]
        found.append(
            {
                "first": one["key"],
                "second": other["key"],
                "between": BETWEEN[between],
                "layers": len(first.operations),
                "operations": _other(first.operations, second.operations),
                "strides": _other(first.path.strides, second.path.strides),
            }
        )
    return found


def _other(first: Sequence[object], second: Sequence[object]) -> int:
    return sum(a != b for a, b in zip(first, second, strict=True))


def _told(differences: Sequence[NetDifference]) -> list[str]:
    """How far nets of other targets differ, beside what another seed does.

    With one seed two searches draw the same first candidates, which makes their nets more alike.
    """
    said = []
    for between, words in (
        ("targets", "for different targets with one seed"),
        ("both", "for different targets with different seeds"),
        ("seeds", "for one target with different seeds"),
    ):
        pairs = [pair for pair in differences if pair["between"] == between]
        if pairs:
            counts = [fmean(pair[key] for pair in pairs) for key in ("operations", "strides", "layers")]
            pairs_told = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
            said.append(
                f"Nets found {words} differ in {counts[0]:.3g} operations and {counts[1]:.3g} strides of "
                f"{counts[2]:.3g} layers (mean of {pairs_told})."
            )
    return said
