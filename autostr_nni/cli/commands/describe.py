"""`autostr describe`: what an architecture is made of, and what it costs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.nets import ARCH_HELP, recipe_of, resolve
from autostr_nni.cli.output import say, say_json
from autostr_nni.cli.parser import path, path_text
from autostr_nni.cli.reading_cost import add_options, settings_of, side_by_side, timed_how
from autostr_nni.cli.table import table, thousands
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.recipe import ModelSection, Recipe
    from autostr_nni.search_spaces.architecture import Architecture
    from autostr_nni.search_spaces.counting import Price
    from autostr_nni.search_spaces.space import SearchSpace

KINDS = (".svg", ".png")  # of drawings
_BAR = 20  # characters of the longest bar


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "describe",
        help="show an architecture's layers, MACs and parameters",
        description="Show a backbone layer by layer: shapes, strides, MACs of its convolutions, parameters.",
    )
    parser.add_argument(
        "architecture",
        metavar="ARCH",
        type=path_text,
        help=ARCH_HELP,
    )
    parser.add_argument(
        "--recipe", metavar="FILE", type=path_text, help="the recipe whose space it belongs to"
    )
    parser.add_argument(
        "--recognizer",
        action="store_true",
        help="also the cost of rectifier, encoder and decoder around it (of the recipe, else of the net's "
        "own, else the paper's)",
    )
    add_options(parser, "with it")
    parser.add_argument("--out", type=path, metavar="FILE", help="draw it too, as FILE.png or FILE.svg")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the description."""
    settings = settings_of(args)
    if args.out is not None and args.out.suffix.lower() not in KINDS:
        raise InputError(f"--out {args.out}: must end in .png or .svg")
    recipe = None
    if args.recipe is not None:
        from autostr_nni.recipe import load_recipe

        recipe = load_recipe(args.recipe)
    architecture, space = resolve(args.architecture, recipe, args.recipe or "")
    facts = describe(architecture, space, None if recipe is None else recipe.price)
    if args.recognizer or settings:
        recipe = recipe or recipe_of(args.architecture)
    if args.recognizer:
        facts["recognizer"] = describe_recognizer(architecture, space, recipe)
    if settings is not None:
        from autostr_nni.latency.reading import Net, reading_times

        net = Net(architecture, space, *around(space, recipe))
        facts["latency"] = reading_times([net], settings)
    if args.out is not None:
        draw(architecture, space, args.architecture, args.out)
    if args.json:
        say_json(facts, indent=2)
        return 0
    say(as_text(facts))
    if args.out is not None:
        say(f"\n{args.out}")
    return 0


def describe(architecture: Architecture, space: SearchSpace, price: Price | None = None) -> dict[str, Any]:
    """All that is shown, as plain data: `conv_macs` of one image, `backbone_params`, and `blocks`.

    Of a search that counts latencies also `latency_ms`, of the whole and of every block, and `device`.
    """
    from autostr_nni.search_spaces.counting import backbone_costs, total

    costs = backbone_costs(architecture, space)
    cost = total(costs)
    strides = [(1, 1), *architecture.path.strides]
    channels, height, width = costs[-1].out_shape
    facts: dict[str, Any] = {
        "architecture": architecture.text,
        "path": architecture.path.text(space.stage_layers),
        "full_path": architecture.path.full_text,
        "image": [space.height, space.width],
        "sequence": {"length": height * width, "channels": channels},
        "conv_macs": cost.macs,
        "backbone_params": cost.params,
        "blocks": [
            {
                "name": block.name,
                "operation": block.operation,
                "in_shape": list(block.in_shape),
                "out_shape": list(block.out_shape),
                "stride": list(stride),
                "macs": block.macs,
                "params": block.params,
            }
            for block, stride in zip(costs, strides, strict=True)
        ],
    }
    measured = None if price is None else price.latency
    whole = None if price is None or measured is None else price.figure(architecture, space)
    if price is not None and measured is not None and whole is not None:  # of the space that was measured
        facts |= {"device": measured.device, "latency_ms": whole}
        times = [measured.stem_ns, *price.layers(architecture, space)]
        for block, time in zip(facts["blocks"], times, strict=True):
            block["latency_ms"] = time / 1e6
    return facts


def draw(architecture: Architecture, space: SearchSpace, name: str, out: Path) -> None:
    """Draw the architecture into a PNG or SVG. Raises InputError for a bad folder."""
    from autostr_nni.report.figures.architecture import draw_architecture
    from autostr_nni.report.figures.style import rendered, styled
    from autostr_nni.search_spaces.named import NAMED

    title = f"path {architecture.path.text(space.stage_layers)}"
    if name in NAMED:
        title = f"{name} · {title}"
    with styled():
        pictures = rendered(draw_architecture(architecture, space, title))
    try:
        out.write_bytes(pictures[KINDS.index(out.suffix.lower())])
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None


def around(space: SearchSpace, recipe: Recipe | None) -> tuple[ModelSection, int, int]:
    """Sizes of what is around a backbone, its classes and its longest word; the paper's without a recipe."""
    from autostr_nni.data.charset import Charset
    from autostr_nni.recipe import ModelSection
    from autostr_nni.recipe.data import DataSection

    if recipe is not None:
        return recipe.model, Charset.named(recipe.data.charset).classes, recipe.data.max_length
    model = ModelSection().model_copy(update={"image": (space.height, space.width)})
    return model, Charset.named("printable").classes, DataSection.model_fields["max_length"].default


def describe_recognizer(
    architecture: Architecture, space: SearchSpace, recipe: Recipe | None = None
) -> list[dict[str, Any]]:
    """MACs and parameters by part of the recognizer, for a word of eight characters."""
    from autostr_nni.models.cost import recognizer_costs
    from autostr_nni.models.recognizer import build_recognizer

    model, classes, _ = around(space, recipe)
    recognizer = build_recognizer(architecture, space, model, classes)
    return [asdict(cost) for cost in recognizer_costs(recognizer, model)]


def as_text(facts: dict[str, Any]) -> str:
    """The description for people."""
    paths = list(dict.fromkeys([facts["path"], facts["full_path"]]))
    sequence = facts["sequence"]
    head = [
        ("architecture", facts["architecture"]),
        ("stride path", " = ".join(paths)),
        ("image", _shape(facts["image"])),
        ("sequence", f"{sequence['length']} steps of {sequence['channels']} channels"),
        ("MACs", f"{facts['conv_macs'] / 1e6:.3f} M (convolutions of the backbone, one image)"),
        ("parameters", f"{thousands(facts['backbone_params'])} (backbone)"),
    ]
    timed = "latency_ms" in facts
    if timed:
        head.append(("latency", f"{facts['latency_ms']:.3f} ms by the recipe's table ({facts['device']})"))
    drawn = "latency_ms" if timed else "macs"
    most = max(block[drawn] for block in facts["blocks"])
    more = ("ms",) if timed else ()
    rows = [("block", "operation", "in", "out", "stride", "MACs (M)", "parameters", *more, "")]
    for block in facts["blocks"]:
        rows.append(
            (
                block["name"],
                block["operation"],
                _shape(block["in_shape"]),
                _shape(block["out_shape"]),
                _shape(block["stride"]),
                f"{block['macs'] / 1e6:.3f}",
                thousands(block["params"]),
                *([f"{block['latency_ms']:.3f}"] if timed else []),
                "#" * int(-(-_BAR * block[drawn] // most)),
            )
        )
    columns = "<<>>>>>" + ">" * timed + "<"
    text = f"{table(head, '<<')}\n\n{table(rows, columns)}"
    if "recognizer" in facts:
        text += f"\n\n{_parts(facts['recognizer'])}"
    if "latency" in facts:
        found = facts["latency"]
        text += f"\n\n{timed_how(found)}\n\n{side_by_side(found['nets'][0])}"
    return text


def _parts(parts: list[dict[str, Any]]) -> str:
    """The recognizer's parts and their sum."""
    whole = {"name": "recognizer", **{key: sum(part[key] for part in parts) for key in ("macs", "params")}}
    rows = [("part", "MACs (M)", "parameters")]
    rows += [
        (part["name"], f"{part['macs'] / 1e6:.3f}", thousands(part["params"])) for part in [*parts, whole]
    ]
    return table(rows, "<>>")


def _shape(sizes: list[int]) -> str:
    return "x".join(map(str, sizes))
