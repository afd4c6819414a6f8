"""Learning rates from the recipe, step by step."""

from __future__ import annotations

import math

import torch

from autostr_nni.recipe.training import TrainingSection


class Rates:
    """The learning rate of every step, from 0, of a training of so many epochs of so many steps.

    A function of the step alone: a run that continues from a checkpoint, also one of a lower rung, has the
    same rates.

    Args:
        milestones: False leaves out the recipe's milestones, which step 1 has no use for.
    """

    def __init__(self, training: TrainingSection, epochs: int, steps: int, milestones: bool = True) -> None:
        self.training, self.steps, self.total = training, steps, epochs * steps
        self.milestones = training.milestones if milestones else ()
        self.rising = min(round(training.warmup_epochs * steps), self.total)

    def __call__(self, step: int) -> float:
        lr, kind = float(self.training.optimizer.lr), self.training.schedule
        if step < self.rising:
            return lr * (step + 1) / self.rising
        if kind == "one-cycle":
            return lr * one_cycle(step, self.total)
        if kind == "cosine":
            return lr * cosine((step - self.rising) / max(1, self.total - self.rising), 1.0, 0.0)
        passed = sum(step // self.steps >= milestone for milestone in self.milestones)
        return float(lr * self.training.gamma**passed)


def cosine(share: float, start: float, end: float) -> float:
    """From ``start`` to ``end`` along half a cosine, at a share of the way."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, share)))


def one_cycle(step: int, total: int) -> float:
    """Share of the highest rate: torch's OneCycleLR with its own settings (Smith and Topin, 2017).

    From a 25th up during 30 % of the steps, then down to a ten-thousandth of where it began.
    """
    top = 0.3 * total - 1
    if step <= top:
        return cosine(step / top, 1 / 25, 1.0)
    return cosine((step - top) / max(1.0, total - 1 - top), 1.0, 1 / 25 / 1e4)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
