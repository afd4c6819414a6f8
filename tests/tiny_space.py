"""A search space so small that a test can look at every net of it."""

from __future__ import annotations

from autostr_nni.search_spaces.space import SearchSpace

TINY = SearchSpace(
    height=4,
    width=8,
    out_width=2,
    stem_width=8,
    stage_widths=(8,),
    stage_layers=(3,),
    operations=("k3e1", "k3e3", "skip"),
)
