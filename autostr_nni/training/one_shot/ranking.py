"""The second step of a one-shot search: nets ranked on the supernet's weights, the best of them kept."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autostr_nni.data.dataset import Batch
from autostr_nni.data.loader import make_loader
from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.reading.checkpoint import Trained, save_trained
from autostr_nni.reading.evaluation import Evaluation, Reader, check_any_decoded, open_set
from autostr_nni.recipe import Recipe
from autostr_nni.runs.figures import Figures, Report, figures
from autostr_nni.runs.layout import ARCHITECTURE, FINALIST, PULSE, RANKED
from autostr_nni.runs.records import write_lines, write_metrics
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.evolution import Cost, Ranked, best, next_net
from autostr_nni.supernet.recalibration import recalibrate
from autostr_nni.system.files import told_if_full, write_atomic
from autostr_nni.system.json_text import read_lines
from autostr_nni.training.device_setup import prepare_torch, torch_device
from autostr_nni.training.one_net import fixed_metrics
from autostr_nni.training.one_shot.supernet_task import recalibration_images
from autostr_nni.training.one_shot.supernet_training import build_one_shot, load_supernet


class Scorer:
    """Scores nets on a supernet's weights: each has its own BatchNorm statistics first.

    Args:
        supernet: the folder of its trial.
        recipe: that of ranking.
    """

    def __init__(self, space: SearchSpace, recipe: Recipe, supernet: Path) -> None:
        options, data = recipe.search.one_shot, recipe.data
        limits = [count for count in (options.words, data.validation_limit) if count is not None]
        with closing(open_set(recipe, data.train)) as training:
            self.pictures: Sequence[Tensor] = recalibration_images(training, recipe)
            check_any_decoded(training, sum(map(len, self.pictures)))
        chosen_by = data.validation_for("ranking")
        with closing(open_set(recipe, chosen_by, min(limits, default=None), once=True)) as words:
            print(words.report(), flush=True)
            self.charset, size = words.charset, recipe.evaluation.batch_size
            self.batches: list[Batch] = list(make_loader(words, size))
            self.skipped = words.skipped
            check_any_decoded(words, sum(len(batch.images) for batch in self.batches))
        self.recognizer, self.supernet = build_one_shot(space, recipe, self.charset.classes)
        load_supernet(self.recognizer, supernet)
        self.recognizer.to(torch_device(recipe.training))
        self.max_length = data.max_length

    def prepare(self, net: Architecture) -> int:
        """Make a net the active one, with statistics of its own; the images that it took."""
        self.supernet.choose(net)
        return recalibrate(self.recognizer, self.pictures)

    def score(self, net: Architecture) -> tuple[Evaluation, int]:
        """How a net reads the validation words, and the images that it took to know."""
        images = self.prepare(net)
        reader = Reader(self.recognizer, self.charset, self.max_length)
        for batch in self.batches:
            reader.add(batch)
        return reader.result(self.skipped), images + len(reader.pairs)

    def trained(self, net: Architecture, space: SearchSpace, recipe: Recipe) -> Recognizer:
        """The recognizer of a net by another recipe, with all weights that the supernet has for it."""
        torch.manual_seed(recipe.seed)  # of what it has not: another translator's
        made = build_recognizer(net, space, recipe.model, self.charset.classes)
        self.prepare(net)
        own = {f"backbone.{key}": value for key, value in self.supernet.net_state(net).items()}
        kept = self.recognizer.state_dict()
        own |= {key: value for key, value in kept.items() if not key.startswith("backbone.")}
        if type(made.decoder) is not type(self.recognizer.decoder):
            own = {key: value for key, value in own.items() if not key.startswith("decoder.")}
        made.load_state_dict(own, strict=False)
        return made


class Ranking:
    """The nets ranked so far, kept on disk one by one: a trial that continues ranks none of them again."""

    def __init__(self, space: SearchSpace, recipe: Recipe, folder: Path, report: Report) -> None:
        self.space, self.recipe, self.folder, self.report = space, recipe, folder, report
        self.options = recipe.search.one_shot
        self.lines: list[dict[str, Any]] = read_lines(folder / RANKED)
        write_lines(folder / RANKED, self.lines)  # without the remains of a line that a kill cut short
        write_metrics(folder, self.epochs())
        self.started = time.monotonic() - (self.lines[-1]["seconds"] if self.lines else 0.0)

    @property
    def ranked(self) -> list[Ranked]:
        """All nets so far, in order."""
        return [
            Ranked(Architecture.parse(line["architecture"], self.space), line["loss"]) for line in self.lines
        ]

    def run(self, scorer: Scorer) -> None:
        """Rank until there are as many nets as the recipe says, or no other net is found."""
        band = (round(self.options.min_m * 1e6), self.recipe.search.operators.budget)
        known, seed, population = self.ranked, self.recipe.seed, self.options.population
        cost, price = self.cost(), self.recipe.price
        while len(known) < self.options.nets:
            net = next_net(self.space, known, seed, band, population, cost, price)
            if net is None:
                break
            found, images = scorer.score(net)
            known.append(Ranked(net, found.loss))
            self.add(net, found, images)

    def cost(self) -> Cost | None:
        """What nets are ranked along beside their loss, where a front of several is wanted."""
        return partial(self.recipe.price.of, space=self.space) if self.recipe.search.front.size > 1 else None

    def finalists(self) -> list[Architecture]:
        """The nets to be trained, the one of the lowest loss first."""
        count = self.recipe.search.one_shot_finalists
        return [one.net for one in best(self.ranked, count, self.cost())]

    def add(self, net: Architecture, found: Evaluation, images: int) -> None:
        """Keep a net's score; a line of metrics for every population of nets."""
        before = self.lines[-1]["images_seen"] if self.lines else 0
        line = {
            "architecture": net.text,
            "loss": found.loss,
            "default": found.scores.word_accuracy,
            "case_sensitive": found.scores.case_sensitive_accuracy,
            "one_minus_ned": found.scores.one_minus_ned,
            "words": found.scores.words,
            "blind": found.blind,
            **fixed_metrics(net, self.space, self.recipe.price),
            "images_seen": before + images,
            "seconds": round(time.monotonic() - self.started, 2),
        }
        self.lines.append(line)
        with told_if_full(self.folder), open(self.folder / RANKED, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        told = {"images_seen": line["images_seen"], "seconds": line["seconds"]}
        write_atomic(self.folder / PULSE, json.dumps(told))
        if len(self.lines) % self.options.population == 0:
            epochs = self.epochs()
            write_metrics(self.folder, epochs)
            self.report(epochs[-1], False)

    def epochs(self) -> list[Figures]:
        """The figures after every population of nets: those of the best net so far."""
        ends = range(self.options.population, len(self.lines) + 1, self.options.population)
        return [self.figures(end, epoch) for epoch, end in enumerate(ends)]

    def figures(self, count: int, epoch: int) -> Figures:
        """Those of the best of the first ``count`` nets, with what ranking all of these has cost."""
        first = min(self.lines[:count], key=lambda line: line["loss"])
        last = self.lines[count - 1]
        return figures(
            {**first, "epoch": epoch, "images_seen": last["images_seen"], "seconds": last["seconds"]}
        )


def rank_nets(space: SearchSpace, recipe: Recipe, folder: Path, supernet: Path, report: Report) -> Figures:
    """Rank nets within the band of costs on the weights of a trained supernet.

    Each finalist is left in the folder as a checkpoint, with the weights that it inherits: by the recipe's
    own model, where nets were ranked by a proxy.

    Args:
        recipe: the search's.
        folder: the trial's own.
        supernet: the folder of the supernet's trial.

    Returns:
        The figures of the best net, with ``architecture`` and ``finalists``.
    """
    prepare_torch(recipe.seed, recipe.search.one_shot.threads or recipe.training.threads)
    ranking_recipe = recipe.for_ranking()
    ranking = Ranking(space, ranking_recipe, folder, report)
    scorer = Scorer(space, ranking_recipe, supernet)
    ranking.run(scorer)
    count = len(ranking.lines)
    found = ranking.figures(count, max(0, len(ranking.epochs()) - 1))
    finalists = ranking.finalists()
    for place, net in enumerate(finalists, 1):
        made = scorer.trained(net, space, recipe)
        told: Figures = {"macs_m": fixed_metrics(net, space)["macs_m"]}
        save_trained(folder / FINALIST.format(f"finalist-{place}"), Trained(made, recipe, net, space, told))
    write_atomic(folder / ARCHITECTURE, finalists[0].to_json(space))
    images = found["images_seen"] + len(finalists) * sum(map(len, scorer.pictures))
    texts = " ".join(net.text for net in finalists)
    return {**found, "images_seen": images, "architecture": finalists[0].text, "finalists": texts}
