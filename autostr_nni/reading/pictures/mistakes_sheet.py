"""The sheet of the wrong words that a recognizer was surest of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autostr_nni.data.decoding.images import open_image
from autostr_nni.data.decoding.modes import to_rgb
from autostr_nni.reading.mistakes import Mistake
from autostr_nni.reading.pictures.canvas import save
from autostr_nni.reading.pictures.contact_sheet import Entry, contact_sheet
from autostr_nni.recipe.data import POOLED

MOST = 40  # words


def draw_mistakes(
    mistakes: Sequence[Mistake], rows: Mapping[str, Mapping[str, Any]], checkpoint: str, sheet: Path
) -> None:
    """Save the sheet of the `MOST` surest mistakes; ``rows``: each set's ``words`` and ``correct``."""
    entries = []
    for mistake in sorted(mistakes, key=lambda m: -m.confidence)[:MOST]:
        picture = open_image(mistake.image or b"")
        if picture is not None:
            where = f" · {mistake.set}" if len(rows) > 1 else ""
            note = f"confidence {100 * mistake.confidence:.1f} %{where}"
            entries.append(Entry(to_rgb(picture), mistake.truth, mistake.text, note))
    row = rows.get(POOLED) or next(iter(rows.values()))
    wrong = row["words"] - row["correct"]
    title = f"{wrong:,} of {row['words']:,} words read wrong"
    if POOLED not in rows and len(rows) > 1:  # sets that share words have no sum
        title = "Words read wrong"
    title = title if mistakes else "No word read wrong"
    subtitle = f"{', '.join(name for name in rows if name != POOLED)} · {checkpoint}"
    if entries:
        subtitle = f"the {len(entries)} it was surest of · {subtitle}"
    save(contact_sheet(entries, title, subtitle), sheet)
