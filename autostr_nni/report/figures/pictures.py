"""Which drawings a report has, with their titles and captions: all is told by the report's data."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from autostr_nni.report.figures.architecture import draw_architecture
from autostr_nni.report.figures.captions import (
    cost_caption,
    front,
    front_caption,
    net_count,
    ranks_caption,
    seeds_caption,
)
from autostr_nni.report.figures.cost import draw_cost
from autostr_nni.report.figures.front import draw_front
from autostr_nni.report.figures.one_search import (
    draw_entropy,
    draw_net_curves,
    draw_path_curves,
    draw_path_ranks,
    draw_probabilities,
    draw_probabilities_over_time,
)
from autostr_nni.report.figures.seeds import draw_seeds, names_of, places_of
from autostr_nni.report.figures.size import draw_size
from autostr_nni.report.figures.style import rendered, styled
from autostr_nni.report.nets import architecture_of, chosen_label, ranked_by_accuracy
from autostr_nni.report.reading.history import DONE
from autostr_nni.report.records import Operators, Report, Search
from autostr_nni.runs.figures import number as finite

SECTIONS = ("seeds", "size", "cost", "curves", "architectures", "others", "paths", "operators")
#: By cost, the file of its drawing and its words.
SIZED = {
    "macs_m": ("macs", "MACs"),
    "params_m": ("parameters", "parameters"),
    "latency_ms": ("latency", "latency"),
}
MOST_NETS = 20  # drawings of one search's nets; a report is to be looked at


@dataclass(frozen=True)
class Picture:
    """One drawing: ``name`` of its files, where it stands, what it says."""

    name: str
    section: str  # one of SECTIONS
    title: str
    caption: str
    svg: bytes
    png: bytes

    @property
    def uri(self) -> str:
        """The SVG as a data URI: it stands in the page itself."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


def draw_all(report: Report) -> list[Picture]:
    """All drawings of a report, in the order of the page."""
    pictures = []
    with styled():
        for name, section, title, caption, draw in (*_of_spaces(report), *_of_searches(report)):
            pictures.append(Picture(name, section, title, caption, *rendered(draw())))
    return pictures


Plan = tuple[str, str, str, str, Callable[[], Figure]]


def _of_spaces(report: Report) -> Iterator[Plan]:
    """What compares the searches of a space."""
    order = {search["key"]: place for place, search in enumerate(report["searches"])}
    looks = places_of(report)
    several = len(report["spaces"]) > 1
    for number, group in enumerate(report["spaces"], 1):
        members = [report["searches"][order[key]] for key in group["searches"]]
        places = [looks[key] for key in group["searches"]]
        nets = [net for search in members for net in search["nets"] if net["accuracy"] is not None]
        if not nets:
            continue
        tail, of = (f"-space{number}", f" · {group['name']}") if several else ("", "")
        comparison = group["comparison"]
        names = names_of(comparison, members)
        for unit in comparison["pairs"] and ("images", "seconds"):
            yield (
                f"seeds-{unit}{tail}",
                "seeds",
                f"Searches over seeds at equal {unit}{of}",
                seeds_caption(comparison),
                _later(draw_seeds, comparison, looks, unit, number),
            )
        for cost in group["pareto"]:
            file, words = SIZED[cost]
            if all(finite(net, cost) is None for net in nets):
                continue
            on_front = group["pareto"][cost]
            unfinished = any(net["status"] != DONE for net in nets)
            caption = (
                f"Validation {chosen_label(nets)} of {net_count(len(nets))} trained against "
                f"{words}; bars are 95 % intervals where the number of words is known. {front(len(on_front))}"
                f"{' Hollow marks: not trained to the end.' if unfinished else ''}"
            )
            yield (
                f"accuracy-{file}{tail}",
                "size",
                f"Accuracy against {words}{of}",
                caption,
                _later(draw_size, members, names, places, on_front, cost),
            )
        fronts = group["front"]
        if fronts is not None:
            yield (
                f"front{tail}",
                "size",
                f"Fronts of the searches{of}",
                front_caption(fronts, members),
                _later(draw_front, members, names, places, fronts),
            )
        for unit in ("images", "seconds"):
            yield (
                f"accuracy-{unit}{tail}",
                "cost",
                f"Accuracy against {unit} so far{of}",
                cost_caption(group["cost"][unit], unit, members, len(set(names)) < len(names)),
                _later(draw_cost, members, names, places, group["cost"][unit], unit),
            )


def _of_searches(report: Report) -> Iterator[Plan]:
    """What one search shows: paths, operations, architectures."""
    for search in report["searches"]:
        key, label = search["key"], search["label"]
        if any(net["epochs"] for net in search["nets"]):
            yield (
                f"{key}-net-curves",
                "curves",
                f"Learning curves of the nets · {label}",
                "After each epoch; the three best nets in colour. A training loss (dashed) far below the "
                "validation loss, but for epochs of short words: the net learns its words by heart. Both "
                "still falling: train longer.",
                _later(draw_net_curves, ranked_by_accuracy(search["nets"])),
            )
        if any(path["loss"] is not None for path in search["paths"]):
            yield (
                f"{key}-paths",
                "paths",
                f"Stride paths ranked · {label}",
                ranks_caption(search["paths"]),
                _later(draw_path_ranks, search["paths"]),
            )
        if any(path["epochs"] for path in search["paths"]):
            yield (
                f"{key}-path-curves",
                "paths",
                f"Learning curves of the paths · {label}",
                "Validation loss after each epoch; the three best paths in colour.",
                _later(draw_path_curves, search["paths"]),
            )
        for operators in search["operators"]:
            yield from _of_operators(operators, search, f"{key}-{operators['trial']}")
        yield from _of_architectures(search)


def _of_operators(operators: Operators, search: Search, name: str) -> Iterator[Plan]:
    label, history = search["label"], operators["probabilities"]
    if history:
        found = architecture_of(operators["architecture"], search["space"])
        layers = history[-1]["layers"]
        stages = (search["space"] or {}).get("stage_layers") or [len(layers)]
        likely = [max(layer, key=layer.__getitem__) for layer in layers]
        names = list(found[0].operations) if found else likely
        framed = "the architecture found" if found else "the most probable ones so far"
        yield (
            f"{name}-probabilities",
            "operators",
            f"Probabilities of operations · {label}",
            f"Step 2 on the path {operators['path']}, in per cent after the last epoch; framed: {framed}.",
            _later(draw_probabilities, layers, names, stages),
        )
    if len(history) > 1:
        yield (
            f"{name}-probabilities-over-time",
            "operators",
            f"Probabilities over time · {label}",
            "Per layer: a row per operation, a column per epoch. Grey: not a candidate there.",
            _later(draw_probabilities_over_time, history),
        )
    if sum(epoch["entropy"] is not None for epoch in operators["epochs"]) > 1:
        yield (
            f"{name}-entropy",
            "operators",
            f"Entropy and expected cost · {label}",
            "The entropy falls as the search decides; the dashed line is that of all operations alike.",
            _later(draw_entropy, operators),
        )


def _of_architectures(search: Search) -> Iterator[Plan]:
    """Each net, the best of the search first; the page folds the others away."""
    best = search["best"]
    nets = [best, *(net for net in search["nets"] if best is None or net["trial"] != best["trial"])]
    wanted: Sequence[Mapping[str, Any]] = [net for net in nets if net is not None][:MOST_NETS]
    if best is None and not wanted:  # found, not trained yet
        wanted = [
            {"trial": item["trial"], "label": "found", "architecture": item["architecture"], "accuracy": None}
            for item in search["operators"]
            if item["architecture"]
        ]
    for place, net in enumerate(wanted):
        known = architecture_of(net["architecture"], search["space"])
        if known is None:
            continue
        accuracy = net["accuracy"]
        reached = "not trained yet" if accuracy is None else f"{100 * accuracy:.1f} % on validation"
        path = known[0].path.text(known[1].stage_layers)
        rank = "best of " if place == 0 and best is not None and len(wanted) > 1 else ""
        yield (
            f"{search['key']}-{net['trial']}-architecture",
            "architectures" if place == 0 else "others",
            f"{net['label']} · {rank}{search['label']}"
            if net["label"] != search["label"]
            else search["label"],
            f"Path {path}, {reached}.",
            _later(draw_architecture, *known, f"path {path}"),
        )


def _later(draw: Callable[..., Figure], *arguments: Any) -> Callable[[], Figure]:
    return lambda: draw(*arguments)
