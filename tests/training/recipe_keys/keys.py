"""Every key of the recipe, a value like no other, and what a trial must be seen to do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from tests.training.recipe_keys.facts import (
    arch_every,
    architecture,
    augmented,
    batch_size,
    bilstm,
    budget,
    candidates,
    channels,
    clip,
    convolutions,
    drawn,
    finalists,
    group,
    halving,
    has_largest,
    images,
    localization,
    longest,
    longest_in,
    milestones,
    optimizer,
    order_seed,
    patience,
    population,
    proposed,
    random_band,
    ranked,
    rates,
    schedule,
    sets,
    shares,
    stages,
    strides,
    tests,
    trained_on,
    translator,
    two_step,
    typical,
    warmup,
    warmup_epochs,
    weights_seed,
)
from tests.training.recipe_keys.watch import Seen

ALL, ALONE, SEARCH = "path operators train", "path train", "operators"
SUPERNET = "supernet"


class Key(NamedTuple):
    """`fact` of a trial under a recipe with this value must be the value, in each of the steps."""

    value: Any
    fact: Callable[[Seen], Any]
    steps: str = ALL


# Three recipes have all the values of a table each: some keys exclude one another.
FIRST: dict[str, Key] = {
    "seed": Key(7, weights_seed, ALONE),
    "data.train": Key(["train"], sets("learnt")),
    "data.validation": Key(["validation"], sets("read")),
    "data.charset": Key("01234", lambda seen: "01234"[: seen.recognizer.decoder.classes - 1]),
    "data.max_length": Key(3, longest, "train"),
    "data.validation_limit": Key(9, lambda s: sum(map(len, s.read)) // s.epochs, "operators train"),
    "model.image": Key([32, 24], lambda s: [s.recognizer.rectifier.spline.height, s.shapes()[0][2]]),
    "model.resize": Key("pad", lambda s: "pad" if s.task.training_set.fitting.pad else "stretch"),
    "model.vertical": Key("rotate", lambda s: "rotate" if s.task.validation_set.fitting.rotate else "keep"),
    "model.sequence": Key([1, 6], lambda seen: [*seen.shapes()[-1][1:]]),
    "model.strides": Key([[2, 1], [2, 2]], strides),
    "model.stem_width": Key(3, lambda seen: channels(seen)[0]),
    "model.stage_widths": Key([4, 5, 6, 7, 8], lambda seen: sorted(set(channels(seen)[1:]))),
    "model.stage_layers": Key([1, 2, 1, 1, 1], stages),
    "model.projection_skip": Key(True, lambda seen: "skip" in candidates(seen)[0], SEARCH),
    "model.rectifier.image": Key([32, 40], lambda seen: list(seen.weights[0].image)),
    "model.rectifier.localization": Key([16, 8], localization),
    "model.rectifier.points": Key(8, lambda seen: seen.recognizer.rectifier.last.out_features // 2),
    "model.rectifier.channels": Key([2, 3, 5], convolutions),
    "model.rectifier.features": Key(9, lambda seen: seen.recognizer.rectifier.hidden[1].out_features),
    "model.translator.encoder_layers": Key(2, lambda s: s.recognizer.encoder.lstm.num_layers, ALONE),
    "model.translator.hidden": Key(4, lambda s: s.recognizer.encoder.lstm.hidden_size, ALONE),
    "model.translator.decoder": Key(10, lambda seen: seen.recognizer.decoder.gru.hidden_size),
    "model.translator.attention": Key(11, lambda s: s.recognizer.decoder.project_features.out_features),
    "model.translator.embedding": Key(12, lambda s: s.recognizer.decoder.embedding.embedding_dim),
    "model.translator.kind": Key("attention", translator),
    "training.batch_size": Key(3, batch_size, ALONE),
    "training.augment": Key(["inversion"], augmented, "train"),
    "search.augment": Key(["noise"], augmented, "path operators"),
    "training.optimizer.name": Key("adadelta", optimizer, ALONE),
    "training.optimizer.lr": Key(0.5, lambda seen: seen.weights[0].rate, ALONE),
    "training.optimizer.rho": Key(0.8, group("rho"), ALONE),
    "training.optimizer.eps": Key(1e-5, group("eps"), ALONE),
    "training.optimizer.weight_decay": Key(1e-4, group("weight_decay"), ALONE),
    "training.epochs": Key(4, lambda seen: len(seen.lines), "train"),
    "training.epoch_images": Key(14, images, "train"),
    "training.short_words.max_length": Key(2, lambda seen: longest_in(seen)[0], "train"),
    "training.short_words.epochs": Key(2, lambda seen: longest_in(seen).count(2), "train"),
    "training.milestones": Key([1, 3], milestones, "train"),
    "training.gamma": Key(0.25, lambda seen: rates(seen)[1], "train"),
    "training.clip": Key(0.01, clip, ALONE),
    "search.path.epochs": Key(2, lambda seen: len(seen.lines), "path"),
    "search.path.epoch_images": Key(5, images, "path"),
    "search.path.max_length": Key(1, longest, "path"),
    "search.path.paths": Key(["ABABB", "AABBB"], lambda seen: proposed(seen), "path"),
    "search.path.rungs": Key([1, 2], lambda seen: [*two_step(seen)._climb.epochs], "path"),
    "search.path.reduction": Key(5, lambda seen: two_step(seen)._climb.reduction, "path"),
    "search.path.default_operation": Key("k5e3", lambda s: " ".join({*architecture(s).operations}), "path"),
    "search.operators.warmup_epochs": Key(2, warmup, SEARCH),
    "search.operators.epochs": Key(1, lambda seen: len(seen.lines) - warmup(seen), SEARCH),
    "search.operators.epoch_images": Key(12, images, SEARCH),
    "search.operators.max_length": Key(2, longest, SEARCH),
    "search.operators.arch_every": Key(3, arch_every, SEARCH),
    "search.operators.arch_optimizer.lr": Key(0.03, group("lr", 1), SEARCH),
    "search.operators.arch_optimizer.betas": Key([0.3, 0.4], lambda s: [*group("betas", 1)(s)], SEARCH),
    "search.operators.arch_optimizer.eps": Key(1e-3, group("eps", 1), SEARCH),
    "search.operators.arch_optimizer.weight_decay": Key(0.125, group("weight_decay", 1), SEARCH),
    "search.operators.arch_init": Key(
        0.3, lambda s: round(float(torch.cat(s.alphas).abs().max()), 1), SEARCH
    ),
    "search.operators.budget_m": Key(0.09, budget, SEARCH),
    "search.operators.g_m": Key(350.0, lambda seen: [g / 1e6 for g, _ in seen.regularised].pop(), SEARCH),
    "search.operators.beta": Key(0.75, lambda seen: [beta for _, beta in seen.regularised].pop(), SEARCH),
    "search.operators.finalists": Key(4, lambda seen: len(finalists(seen)), SEARCH),
    "search.operators.bilstm": Key(False, bilstm, SEARCH),
    "search.operators.optimizer.name": Key("adamw", optimizer, SEARCH),
    "search.operators.optimizer.lr": Key(0.02, group("lr"), SEARCH),
    "search.operators.optimizer.betas": Key([0.7, 0.6], lambda seen: [*group("betas")(seen)], SEARCH),
    "search.operators.optimizer.eps": Key(1e-7, group("eps"), SEARCH),
    "search.operators.optimizer.weight_decay": Key(1e-3, group("weight_decay"), SEARCH),
    "search.operators.batch_size": Key(2, batch_size, SEARCH),
    "search.operators.clip": Key(0.02, clip, SEARCH),
    "search.operators.operations": Key(
        ["k3e3", "skip", "k5e3", "k3e1", "k5e1"], lambda seen: [*candidates(seen)[0]], SEARCH
    ),
    "search.random.count": Key(3, lambda seen: len(drawn(seen)), "train"),
    "search.random.paths": Key("typical", typical, "train"),
    "search.random.min_m": Key(0.05, random_band, "train"),
    "search.random.largest": Key(True, has_largest, "train"),
    "search.halving.nets": Key(7, lambda seen: halving(seen)._budget // 4, "train"),
    "search.halving.reduction": Key(2, lambda seen: halving(seen)._ladder.reduction, "train"),
    "search.halving.rungs": Key([1, 4], lambda seen: [*halving(seen)._ladder.epochs], "train"),
    "search.halving.min_m": Key(0.05, lambda seen: halving(seen)._candidates.band[0] / 1e6, "train"),
    "search.halving.explore": Key(0.25, lambda seen: halving(seen)._candidates.explore, "train"),
    "search.halving.lookback": Key(3, lambda seen: len(halving(seen).trials), "train"),
    "search.one_shot.epochs": Key(2, lambda seen: seen.epochs, SUPERNET),
    "search.one_shot.epoch_images": Key(60, images, SUPERNET),
    "search.one_shot.alone": Key(0.3, lambda seen: shares(seen)[0], SUPERNET),
    "search.one_shot.opened": Key(0.7, lambda seen: shares(seen)[1], SUPERNET),
    "search.one_shot.recalibration": Key(7, lambda seen: sum(map(len, seen.task.pictures)), SUPERNET),
    "search.one_shot.words": Key(5, lambda seen: int(ranked(seen)[0]["words"]), SUPERNET),
    "search.one_shot.nets": Key(8, lambda seen: len(ranked(seen)), SUPERNET),
    "search.one_shot.population": Key(4, population, SUPERNET),
    "search.one_shot.min_m": Key(
        0.05, lambda s: 0.05 if min(line["macs_m"] for line in ranked(s)) >= 0.05 else 0.0, SUPERNET
    ),
    "search.one_shot.finalists": Key(3, trained_on, SUPERNET),
    "search.front.size": Key(2, lambda seen: halving(seen)._front, "train"),
    "evaluation.decoding": Key("beam", lambda s: "beam" if s.readers[0].beam > 1 else "greedy"),
    "evaluation.beam": Key(2, lambda seen: seen.readers[0].beam),
}
SECOND: dict[str, Key] = {
    "seed": Key(7, order_seed, "train"),
    "search.operators.budget_m": Key(0.25, budget, SEARCH),
    "model.width_multiplier": Key(2.0, lambda s: 2.0 if channels(s) == [8, 8, 8, 8, 16, 16, 16] else 1.0),
    "model.rectifier.enabled": Key(False, lambda s: s.weights[0].image != s.recipe.model.image),
    "model.translator.kind": Key("ctc", translator, "train"),
    "search.proxy.translator": Key("attention", translator, "path operators"),
    "training.optimizer.name": Key("adam", optimizer, ALONE),
    "training.optimizer.betas": Key([0.8, 0.7], lambda seen: [*group("betas")(seen)], ALONE),
    "training.optimizer.lr": Key(0.5, lambda seen: max(step.rate for step in seen.weights), ALONE),
    "training.schedule": Key("cosine", schedule, "train"),
    "training.warmup_epochs": Key(2.0, warmup_epochs, "train"),
    "training.ema": Key(0.9, lambda seen: seen.task.averaged.multi_avg_fn.args[0], ALONE),
    "training.accumulate": Key(5, lambda s: len(s.weights) // s.task.trainer.global_step, "train"),
    "training.patience": Key(1, patience, "train"),
    "training.precision": Key("bf16-mixed", lambda seen: seen.task.trainer.precision),
    "training.epochs": Key(9, lambda seen: seen.epochs, "train"),
    "training.short_words.epochs": Key(0, lambda s: int(max(map(len, s.words(0))) <= 2), "train"),
    "training.clip": Key(None, lambda s: None if clip(s) > 0.1 else clip(s), ALONE),
    "search.operators.clip": Key(None, lambda s: None if clip(s) > 0.1 else clip(s), SEARCH),
    "search.operators.optimizer.name": Key("adadelta", optimizer, SEARCH),
    "search.operators.optimizer.rho": Key(0.6, group("rho"), SEARCH),
    "search.operators.bilstm": Key(True, bilstm, SEARCH),
    "search.random.paths": Key("all", typical, "train"),
    "search.halving.rungs": Key([1, 9], lambda seen: [*halving(seen)._ladder.epochs], "train"),
    "evaluation.decoding": Key("greedy", lambda s: "beam" if s.readers[0].beam > 1 else "greedy"),
}
# Those that change nothing that is found: speed, memory, logs, and what is only reported.
NOTHING: dict[str, Key] = {
    "data.test": Key({"plain": "test"}, lambda seen: {name: "test" for name in tests(seen)}, "train"),
    "data.workers": Key(1, lambda seen: seen.task.trainer.train_dataloader.num_workers, "path"),
    "training.threads": Key(2, lambda seen: seen.threads[0]),
    "training.checkpoint_minutes": Key(7.5, lambda seen: seen.minutes.pop()),
    "training.tensorboard": Key(True, lambda seen: (seen.folder / "tensorboard").is_dir()),
    "search.one_shot.threads": Key(3, lambda seen: seen.threads[-1], SUPERNET),
    "search.operators.threads": Key(3, lambda seen: seen.threads[-1], SEARCH),
    "evaluation.batch_size": Key(5, lambda seen: max(map(len, seen.read))),
}
# Those that need more than this to be seen.
ELSEWHERE = {
    **{
        f"{section}.init.{name}": "going_on/test_warm_start.py::test_a_step_starts_from_its_key"
        for section in ("training", "search")
        for name in ("file", "sha256")
    },
    **{
        f"data.validation_of.{name}": "test_mixing.py::test_validation_sets_by_purpose"
        for name in ("ranking", "alpha", "epochs")
    },
    "data.target": "../cli/commands/test_search_targets.py::test_each_target_is_searched_as_alone",
    "evaluation.metric": "test_metric.py::test_the_epoch_is_chosen_by_the_metric",
    "search.cost.kind": "recipe_keys/test_cost_keys.py::test_an_operator_search_counts_it",
    "search.cost.table": "recipe_keys/test_cost_keys.py::test_an_operator_search_counts_it",
    "search.cost.budget": "recipe_keys/test_cost_keys.py::test_supernet_and_ranking_keep_to_it",
    "extensions": "../test_extending.py::test_a_search_with_an_operation_and_a_strategy_of_ones_own",
    "evaluation.learnt_above": "../runs/test_verdict.py::test_a_search_that_learns_nothing_fails",
    "training.device": "test_trial.py::test_a_gpu_that_is_not_there_is_an_error_in_words",
    "training.devices": "distributed/test_launch.py::test_a_trial_of_two_processes_leaves_what_one_leaves",
    "training.compile": "test_compiling.py::test_a_compiled_net_is_the_same_net",
    "search.operators.devices": "test_compiling.py::test_the_operator_search_has_devices_of_its_own",
}
