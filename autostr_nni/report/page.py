"""The report as one HTML page that opens offline: everything is in it, and it runs no script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from autostr_nni.latency.settings import Settings
from autostr_nni.report.figures.pictures import SECTIONS, Picture
from autostr_nni.report.figures.seeds import places_of
from autostr_nni.report.figures.style import MARKERS, colour, count, marker
from autostr_nni.report.latency import UNTIMED
from autostr_nni.report.nets import chosen_label, ranked_by_accuracy
from autostr_nni.report.seeds.sentence import COSTS, points
from autostr_nni.report.tables import on_fronts
from autostr_nni.search_spaces.counting import UNITS

_SIGNS = dict(zip(MARKERS, "●■▲◆▼✚✖", strict=True))


def render(report: Mapping[str, Any], pictures: Sequence[Picture]) -> str:
    """The page's HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("autostr_nni.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        interval=interval,
        figure=figure,
        count=count,
        duration=duration,
        value=value,
        pieces=pieces,
        points=points,
        cost=COSTS.__getitem__,
        device=lambda settings: Settings(**settings).device,
    )
    sections: dict[str, list[Picture]] = {section: [] for section in SECTIONS}
    for picture in pictures:
        sections[picture.section].append(picture)
    searches = report["searches"]
    places = places_of(report)
    return environment.get_template("page.html").render(
        report=report,
        pictures=sections,
        colours={s["key"]: colour(places[s["key"]]) for s in searches},
        signs={s["key"]: _SIGNS[marker(places[s["key"]])] for s in searches},
        comparisons=compared(report, places),
        labels={s["key"]: s["label"] for s in searches},
        test_sets=list(dict.fromkeys(name for s in searches for name in (s["best"] or {}).get("tests", {}))),
        nets=ranked_nets(report),
        front_in=" or ".join(fronts_in(searches)) or UNITS["macs_m"],
        latency=any("latency_ms" in space["pareto"] for space in report["spaces"]),
        chosen_by=chosen_label(net for search in searches for net in search["nets"]),
        untimed=UNTIMED,
    )


def compared(report: Mapping[str, Any], places: Mapping[str, int]) -> list[dict[str, Any]]:
    """The pairs of strategies, each side with its label and look, and its figures by cost."""
    found = []
    for number, space in enumerate(report["spaces"], 1):
        labels = {group["key"]: group["label"] for group in space["comparison"]["groups"]}
        for pair in space["comparison"]["pairs"]:
            sides = {
                side: {
                    "label": labels[pair[side]],
                    "colour": colour(places[f"{number} {pair[side]}"]),
                    "sign": _SIGNS[marker(places[f"{number} {pair[side]}"])],
                }
                for side in ("first", "second")
            }
            found.append({**pair, **sides})
    return found


def ranked_nets(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All nets of all searches, the best first, with their search and whether on a front."""
    fronts = on_fronts(report)
    rows = [
        {
            **net,
            "search": search["key"],
            "front": [_FRONTS[cost] for cost, on in fronts.items() if (search["key"], net["trial"]) in on],
        }
        for search in report["searches"]
        for net in search["nets"]
    ]
    return ranked_by_accuracy(rows)


_FRONTS = {"macs_m": "MACs", "params_m": "parameters", "latency_ms": "latency"}


def percent(number: float | None) -> str:
    """``87.1 %``."""
    return "–" if number is None else f"{100 * number:.1f} %"


def interval(values: Mapping[str, Any]) -> str:
    """``84.9 to 89.0``, the 95 % interval; empty where it is not known."""
    if values.get("low") is None:
        return ""
    return f"{100 * values['low']:.1f} to {100 * values['high']:.1f}"


def figure(number: float | None, digits: int = 4) -> str:
    """A number with so many significant digits, and no exponent."""
    if number is None:
        return "–"
    text = f"{number:.{digits}g}"
    if "e" not in text:
        return text
    return f"{number:.0f}" if abs(number) >= 1 else f"{number:.{digits + 4}f}"


def duration(seconds: float | None) -> str:
    """``2 h 5 min``, ``4 min 10 s``, ``31 s``."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def pieces(key: str) -> list[str]:
    """A dotted key in the pieces between which a narrow column may break it."""
    return re.findall(r"[^._]*(?:[._]|$)", key)


def value(content: Any) -> str:
    """A recipe's value in a line; of a mapping what is given."""
    if isinstance(content, Mapping):
        given = {key: part for key, part in content.items() if part not in (None, [], {})}
        return ", ".join(f"{key}: {value(part)}" for key, part in given.items())
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}…"


def fronts_in(searches: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the costs of nets are in that searches hand over."""
    nets = (net for search in searches if search["front"] for net in search["nets"])
    return list(dict.fromkeys(UNITS[net.get("cost", "macs_m")] for net in nets))
