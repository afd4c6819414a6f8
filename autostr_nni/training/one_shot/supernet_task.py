"""The one-shot supernet as a Lightning module: every batch trains the net of its draw."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.data.loader import EpochSampler
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.recipe import Recipe
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.fair_draws import FairDraws
from autostr_nni.supernet.one_shot import OneShotSupernet
from autostr_nni.supernet.recalibration import recalibrate
from autostr_nni.training.distributed.group import ALONE, Team
from autostr_nni.training.net_task import RecognitionTask
from autostr_nni.training.optimizing.rates import Rates

DECAY = 0.3  # last share of the steps, over which the rate falls to 0


def recalibration_images(words: WordDataset, recipe: Recipe) -> list[Tensor]:
    """The images of D_tra that nets have their statistics by, in batches; the same in every trial."""
    count = min(len(words), recipe.search.one_shot.recalibration)
    drawn = list(EpochSampler(len(words), count, recipe.seed, mix=words.mix))
    size = recipe.training.batch_size
    parts = [words.batch(drawn[start : start + size]).images for start in range(0, count, size)]
    return [part for part in parts if len(part)]


def falling(step: int, steps: int) -> float:
    """Share of the rate in a step: all of it at first, then less and less down to almost none."""
    return min(1.0, (steps - step) / max(1.0, DECAY * steps))


class FallingRates(Rates):
    """The supernet's rates: the recipe's first one, falling at the end, whatever its schedule for nets."""

    def __call__(self, step: int) -> float:
        return self.training.optimizer.lr * falling(step, self.total)


class SupernetTask(RecognitionTask):
    """Trains the supernet by the recipe's ``training``, one drawn net a batch; weights are not averaged.

    What a batch does depends on its number alone, so that a run that continues goes on as it would have.
    After every epoch the net that the training began with is validated, with statistics of its own.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        supernet: OneShotSupernet,
        space: SearchSpace,
        recipe: Recipe,
        training: WordDataset,
        validation: WordDataset,
        team: Team = ALONE,
    ) -> None:
        plain = recipe.training.model_copy(update={"ema": None})
        recipe = recipe.model_copy(update={"training": plain})
        options, epochs = recipe.search.one_shot, recipe.supernet_epochs
        images = options.epoch_images or plain.epoch_images
        super().__init__(recognizer, recipe, training, validation, images, epochs, False, team=team)
        self.rates = FallingRates(plain, epochs, self.rates.steps, False)
        self.supernet = supernet
        self.steps = epochs * self.batches
        alone, opened = (round(share * self.steps) for share in (options.alone, options.opened))
        most = recipe.search.operators.budget
        self.draws = FairDraws(space, recipe.seed, most, alone, opened, recipe.price)
        self.shown = self.draws.first
        self.pictures: Sequence[Tensor] = recalibration_images(training, recipe)

    def training_step(self, batch: Batch, index: int) -> None:
        self.supernet.choose(self.draws.at(self.current_epoch * self.batches + self.first_batch + index))
        super().training_step(batch, index)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.supernet.choose(self.shown)
        self.images_seen += recalibrate(self.recognizer, self.pictures)
