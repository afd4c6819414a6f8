"""Lines of progress that several subcommands print."""

from __future__ import annotations

from autostr_nni.recipe.words.metric import metric_of
from autostr_nni.runs.figures import Figures


def epoch_line(metrics: Figures) -> str:
    """One epoch of a training in a line."""
    return (
        f"epoch {metrics['epoch'] + 1:3}  images {metrics['images_seen']:>9,}  {metrics['seconds']:7.0f} s  "
        f"training loss {metrics['training_loss']:7.3f}  validation loss {metrics['loss']:7.3f}  "
        f"{metric_of(metrics).label} {100 * metrics['default']:5.1f} % of {metrics['words']:,} words"
    )
