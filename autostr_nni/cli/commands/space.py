"""`autostr space`: how large the search space is."""

from __future__ import annotations

import argparse
from typing import Any

from autostr_nni.cli.output import say, say_json
from autostr_nni.cli.parser import path_text
from autostr_nni.cli.table import table, thousands


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "space",
        help="show the size of the search space",
        description="Count stride paths and architectures of the paper's space, or of a recipe's, exactly.",
    )
    parser.add_argument("--recipe", metavar="FILE", type=path_text, help="the recipe whose space is counted")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the counts."""
    from autostr_nni.search_spaces.space import SearchSpace

    if args.recipe is None:
        space = SearchSpace()
    else:
        from autostr_nni.recipe import load_recipe

        space = load_recipe(args.recipe).space()
    facts: dict[str, Any] = {
        "image": [space.height, space.width],
        "sequence": {"length": space.out_height * space.out_width, "channels": space.stage_widths[-1]},
        "layers": space.layers,
        "paths": space.paths.count(),
        "typical_paths": len(space.typical_paths()),
        "operations": len(space.operations),
        "projection_skip": space.projection_skip,
        "architectures": space.size(),
        "architectures_without_projection_skip": space.size(projection_skip=False),
        "architectures_with_projection_skip": space.size(projection_skip=True),
    }
    if args.json:
        say_json(facts, indent=2)
        return 0
    typical = " ".join(path.text(space.stage_layers) for path in space.typical_paths())
    skip = "also where the shape changes" if space.projection_skip else "only where the shape is kept"
    rows = [
        ("image", f"{space.height} x {space.width}", "height x width that the backbone sees"),
        (
            "sequence",
            f"{facts['sequence']['length']} x {facts['sequence']['channels']}",
            "steps x channels that it gives",
        ),
        ("layers", str(space.layers), f"in stages of {', '.join(map(str, space.stage_layers))}"),
        ("stride paths", thousands(facts["paths"]), ""),
        ("typical paths", thousands(facts["typical_paths"]), typical),
        ("operations", str(len(space.operations)), " ".join(space.operations)),
        ("architectures", _large(facts["architectures"]), f"skip {skip}"),
        ("", _large(facts["architectures_with_projection_skip"]), "with model.projection_skip: true"),
        ("", _large(facts["architectures_without_projection_skip"]), "with model.projection_skip: false"),
    ]
    say(table(rows, "<><"))
    return 0


def _large(number: int) -> str:
    return f"{number:.3e}" if number >= 10**9 else thousands(number)
