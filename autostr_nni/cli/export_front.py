"""`autostr export --front`: all nets of a search's front as files, and what each costs and reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.nets import front_of
from autostr_nni.cli.output import complain, say, say_json
from autostr_nni.cli.table import table
from autostr_nni.runs.layout import BEST
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from autostr_nni.recipe import Recipe
    from autostr_nni.runs.figures import Row

Entry = dict[str, Any]  # of the table: a file and the figures of its net


def export_front(
    search: str, file: Path, words: Callable[[Recipe], np.ndarray], part: str, latency: bool, as_json: bool
) -> int:
    """Write the nets of a search's front, the cheapest as FILE-1, and a table of them; the exit status.

    Args:
        search: its id or folder.
        file: as the files are called but for their numbers; the table has the suffix .csv.
        words: the images that the files are checked on, by the nets' recipe.
        part: what of the nets is written.
        latency: whether the files are timed.
        as_json: print JSON.

    Raises InputError as `export` does, and where the search has no front.
    """
    from autostr_nni.export.latency import latencies
    from autostr_nni.export.write import NotEqual, check_place, export, format_of
    from autostr_nni.reading.checkpoint import load_trained
    from autostr_nni.reading.read_files import use_threads
    from autostr_nni.report.tables import as_csv
    from autostr_nni.system.files import write_atomic

    listed = file.with_suffix(".csv")
    check_place(file)
    if listed.is_dir():
        raise InputError(
            f"{listed} is a folder, and the table of the front would be called so: name another file"
        )
    entries: list[Entry] = []
    images = None
    rows = front_of(search)
    for place, row in enumerate(rows, 1):
        trained = load_trained(Path(str(row["folder"])) / BEST)
        use_threads(trained.recipe)
        images = words(trained.recipe) if images is None else images
        own = file.with_stem(f"{file.stem}-{place}")
        try:
            exported = export(trained, own, images, part)
        except NotEqual as error:
            complain(f"{own} is not written, the check failed: {error}")
            continue
        entries.append({**figures_of(row), "file": str(own), "bytes": exported.bytes})
    if latency and entries and images is not None:
        runs = [format_of(file).load(Path(entry["file"])) for entry in entries]
        for entry, seconds in zip(entries, latencies(runs, images), strict=True):
            entry["latency_ms"] = round(1000 * seconds, 3)
    write_atomic(listed, as_csv(entries))
    if as_json:
        say_json({"front": entries, "table": str(listed)}, indent=2)
    else:
        say(as_text(entries, listed))
    return 0 if len(entries) == len(rows) else 1


def figures_of(row: Row) -> Entry:
    """What the table has of a net."""
    from autostr_nni.recipe.words.metric import metric_of
    from autostr_nni.runs.told import chosen_by

    metric = metric_of(row)
    tests = {
        f"test {name}": metric.of_set(values)
        for name, values in (row.get("test") or {}).items()
        if isinstance(values, Mapping)
    }
    counted = {"table_ms": row["latency_ms"]} if "latency_ms" in row else {}
    return {
        "file": None,
        "trial": row["trial"],
        "architecture": row.get("architecture"),
        "metric": metric.name,
        "validation": chosen_by(row),
        **tests,
        **counted,
        "macs_m": row["macs_m"],
        "params_m": row["params_m"],
        "bytes": None,
    }


def as_text(entries: Sequence[Entry], listed: Path) -> str:
    """The table for people; figures of the backbone but for the size, which is the file's."""
    from torch import get_num_threads

    tests = list(dict.fromkeys(key for entry in entries for key in entry if key.startswith("test ")))
    timed = any("latency_ms" in entry for entry in entries)
    timing = ["ms a word"] if timed else []
    costs = {"table_ms": "ms by table", "macs_m": "M MACs", "params_m": "M parameters"}
    costs = {key: head for key, head in costs.items() if any(key in entry for entry in entries)}
    lines: list[tuple[str, ...]] = [("file", "validation", *tests, *costs.values(), *timing, "MB")]
    for entry in entries:
        latency = [f"{entry['latency_ms']:.2f}"] if timed else []
        shares = (_percent(entry.get(key)) for key in ("validation", *tests))
        sizes = (_figure(entry[key]) for key in costs)
        lines.append((entry["file"], *shares, *sizes, *latency, f"{entry['bytes'] / 1e6:.2f}"))
    told = [table(lines, "<" + ">" * (len(lines[0]) - 1)), f"table: {listed}"]
    if timed:
        count = get_num_threads()
        threads = "1 thread" if count == 1 else f"{count} threads"
        told.append(f"ms a word: the median of one image alone, of this machine with {threads}")
    if "table_ms" in costs:
        told.append("ms by table: of the backbone, by which the search has counted")
    return "\n".join(told)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _figure(number: float | None) -> str:
    return "-" if number is None else f"{number:.4g}"
