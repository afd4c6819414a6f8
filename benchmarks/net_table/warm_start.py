"""What a warm start does to losses and rankings: nets of the table that start from another one's weights.

    python -m benchmarks.net_table.warm_start [--nets 24] [--far 3] [--folder runs/warm_start]

The table's best net is trained anew as the one to start from. Nets of all ranks of the table are trained
from it for a sixth of the budget, once from all that fits and once from BiLSTM and translator alone; some
then until they have the loss with which the table's training of the same net ended. One thread, about 9 s a
net and way. Run again after any stop: it goes on. Prints Markdown.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.reading.checkpoint import Trained, load_trained, save_trained
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.training.going_on.initial import Init, start_from
from autostr_nni.training.optimizing.optimizers import build_optimizer
from benchmarks.net_table import rows as table
from benchmarks.net_table.analysis import final, tau
from benchmarks.net_table.training import BUDGET, POINTS, recipe, scores, train_batch, words

EVERY = 2_000  # images between looks at the loss
SIXTH = POINTS[1]
Row = dict[str, Any]
Start = Callable[[Recognizer], None]


def from_all(donor: Path) -> Start:
    """As `training.init` does."""
    return lambda net: sys.stderr.writelines(
        f"{line}\n" for line in start_from(net, recipe(), Init("donor", donor))
    )


def from_translator(donor: Path) -> Start:
    """BiLSTM and decoder alone."""
    saved = load_trained(donor).recognizer

    def start(net: Recognizer) -> None:
        net.encoder.load_state_dict(saved.encoder.state_dict())
        net.decoder.load_state_dict(saved.decoder.state_dict())

    return start


WAYS: dict[str, Callable[[Path], Start]] = {
    "all that fits": from_all,
    "BiLSTM and translator": from_translator,
}


def train(
    text: str, start: Start | None, images: int, enough: float = 0.0
) -> tuple[Recognizer, list[dict[str, float]]]:
    """A net trained as those of the table, seed 0, until so many images or a loss; with its curve."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    options, (pictures, targets, _, dataset) = recipe(), words("train")
    space = options.space()
    net = build_recognizer(Architecture.parse(text, space), space, options.model, dataset.charset.classes)
    if start is not None:
        start(net)
    optimizer = build_optimizer(net.parameters(), options.training.optimizer)
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[:BUDGET]
    curve: list[dict[str, float]] = []
    seen = 0
    for chosen in order.split(options.training.batch_size):
        train_batch(net, pictures[chosen], targets[chosen], optimizer)
        seen += len(chosen)
        if seen >= (len(curve) + 1) * EVERY or seen >= images:
            curve.append({"images": seen, **scores(net, "validation")})
            if seen >= images or curve[-1]["loss"] <= enough:
                break
    return net, curve


def donor_of(folder: Path, best: Row) -> Path:
    """The checkpoint that the others start from, trained where it is not there."""
    path = folder / "donor.ckpt"
    if not path.exists():
        net, curve = train(best["architecture"], None, BUDGET)
        print(f"donor {best['architecture']}: {curve[-1]}", file=sys.stderr, flush=True)
        space = recipe().space()
        made = Architecture.parse(best["architecture"], space)
        save_trained(path, Trained(net.eval(), recipe(), made, space, {}))
    return path


def runs(chosen: list[Row], far: int) -> list[tuple[str, str, int, float]]:
    """(way, architecture, images, loss that is enough) of all trainings, in an order that mixes the ranks."""
    mixed = random.Random(0).sample(chosen, len(chosen))
    found = [(way, row["architecture"], SIXTH, 0.0) for way in WAYS for row in mixed]
    further = [chosen[place * (len(chosen) // 2) // max(1, far - 1)] for place in range(far)]
    return found + [("further", row["architecture"], BUDGET, row["curve"][-1]["loss"]) for row in further]


def told(chosen: list[Row], done: dict[tuple[str, str], list[dict[str, float]]]) -> list[str]:
    """The tables."""
    lines = [
        "| start | tau of the loss at 1/6 with the table's final accuracy | mean loss | mean accuracy |",
        "| --- | --- | --- | --- |",
    ]
    ready = [row for row in chosen if all((way, row["architecture"]) in done for way in WAYS)]
    for way in ("cold", *WAYS):
        points = [row["curve"][1] if way == "cold" else done[way, row["architecture"]][-1] for row in ready]
        nets = [{**row, "point": point} for row, point in zip(ready, points, strict=True)]
        value, low, high = tau(nets, lambda row: -row["point"]["loss"])
        loss, accuracy = (mean(point[key] for point in points) for key in ("loss", "word_accuracy"))
        lines.append(
            f"| {way} | {value:.2f} ({low:.2f} to {high:.2f}) | {loss:.2f} | {100 * accuracy:.1f} % |"
        )
    lines += ["", "| net | loss after 36 000 images, cold | images to it, warm |", "| --- | --- | --- |"]
    for row in chosen:
        curve = done.get(("further", row["architecture"]))
        if curve:
            goal, end = row["curve"][-1]["loss"], curve[-1]
            images = f"{end['images']:,}" if end["loss"] <= goal else f"not within {end['images']:,}"
            lines.append(f"| `{row['architecture']}` | {goal:.2f} | {images.replace(',', ' ')} |")
    return lines


def main() -> int:
    """Train what is missing, and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.net_table.warm_start")
    parser.add_argument("--nets", type=int, default=24, help="of all ranks of the table (24)")
    parser.add_argument("--far", type=int, default=3, help="trained until they meet the cold loss (3)")
    parser.add_argument("--folder", type=Path, default=Path("runs/warm_start"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    prepare_data(recipe(), log=lambda line: None)
    drawn = [row for row in table.load() if row["group"] == "random" and row["seed"] == 0]
    best, *others = sorted(drawn, key=final, reverse=True)
    chosen = [others[place * (len(others) - 1) // max(1, args.nets - 1)] for place in range(args.nets)]
    donor, file = donor_of(args.folder, best), args.folder / "rows.jsonl"
    done = {(row["way"], row["architecture"]): row["curve"] for row in table.load(file)}
    for way, text, images, enough in runs(chosen, args.far):
        if (way, text) not in done:
            _, curve = train(text, WAYS.get(way, from_all)(donor), images, enough)
            table.append({"way": way, "architecture": text, "curve": curve}, file)
            print(f"{way}: {text} {curve[-1]}", file=sys.stderr, flush=True)
            done[way, text] = curve
    print("\n".join([f"From `{best['architecture']}`, {len(chosen)} nets:", "", *told(chosen, done)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
