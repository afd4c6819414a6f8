"""Step 2 as a Lightning module: weights on D_tra and architecture parameters on D_val, in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.data.loader import EpochSampler
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.recipe import Recipe
from autostr_nni.runs.figures import Figures, figures
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS, MILLION, Price
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.architecture_step import architecture_step
from autostr_nni.supernet.derivation import derive, derive_several
from autostr_nni.supernet.supernet import Supernet
from autostr_nni.training.batches import joint_loader
from autostr_nni.training.distributed.group import ALONE, Team
from autostr_nni.training.optimizing.optimizers import build_optimizer
from autostr_nni.training.tasks import ADVICE, LossNotFinite, ReadingTask


def build_parameters(
    supernet: Supernet, space: SearchSpace, init: float, generator: torch.Generator, price: Price = MACS
) -> ArchitectureParameters:
    """Architecture parameters of a supernet with what its candidates cost, counted once."""
    table = price.table(supernet.stride_path, space)
    costs = [
        [layer[name] for name in block.names]
        for block, layer in zip(supernet.choice_blocks, table, strict=True)
    ]
    return ArchitectureParameters(costs, price.fixed(space), init, generator, price)


class OperatorSearchTask(ReadingTask):
    """The operator search of the paper's section 3.3 on one stride path.

    The first ``warmup_epochs`` draw operations uniformly and train weights only. Then every weight step
    draws by the probabilities, and every ``arch_every``-th batch is followed by an architecture step.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        supernet: Supernet,
        space: SearchSpace,
        recipe: Recipe,
        training: WordDataset,
        validation: WordDataset,
        arch_validation: WordDataset,
        team: Team = ALONE,
    ) -> None:
        super().__init__(recognizer, recipe, validation, team, recipe.search.operators.clip)
        self.supernet = supernet
        self.space = space
        self.training_set = training
        self.arch_set = arch_validation
        self.options = recipe.search.operators
        self.generator = torch.Generator().manual_seed(recipe.seed)
        init = self.options.arch_init
        self.arch = build_parameters(supernet, space, init, self.generator, recipe.price)
        self.batch_size = self.options.batch_size or recipe.training.batch_size
        if arch_validation.mix is not None:  # a share that is no image is told now, not after the warm-up
            batches = math.ceil((self.options.epoch_images or len(training)) / self.batch_size)
            if steps := batches // self.options.arch_every:
                arch_validation.mix.counts(steps * self.batch_size)
        self._arch_batches: Iterator[Batch] = iter(())

    @property
    def sets(self) -> list[WordDataset]:
        return [self.training_set, self.arch_set, *super().sets]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        o = self.options.arch_optimizer
        weights = build_optimizer(self.recognizer.parameters(), self.options.optimizer)
        arch = torch.optim.Adam(
            self.arch.parameters(), lr=o.lr, betas=o.betas, eps=o.eps, weight_decay=o.weight_decay
        )
        return [weights, arch]

    def train_dataloader(self) -> DataLoader[Batch]:
        words, images = self.training_set, self.options.epoch_images
        sampler = EpochSampler(len(words), images, self.recipe.seed, self.next_epoch, words.mix)
        workers = self.recipe.data.workers
        return joint_loader(words, self.batch_size, workers, self.team, sampler, self.first_batch)

    @property
    def warming_up(self) -> bool:
        """Whether operations are still drawn uniformly."""
        return self.current_epoch < self.options.warmup_epochs

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if not self.warming_up:
            batches = self.first_batch + int(self.trainer.num_training_batches)
            self._arch_batches = self.arch_batches(batches // self.options.arch_every)

    def arch_batches(self, count: int) -> Iterator[Batch]:
        """The ``count`` batches of D_val of this epoch, but for those taken before a stop."""
        epoch = self.current_epoch - self.options.warmup_epochs
        words, images = self.arch_set, count * self.batch_size
        sampler = EpochSampler(len(words), images, self.recipe.seed, epoch, words.mix)
        first = self.first_batch // self.options.arch_every
        yield from joint_loader(words, self.batch_size, 0, self.team, sampler, first)

    def training_step(self, batch: Batch, index: int) -> None:
        if self.takes(batch):
            self.weight_step(self.augmented(batch, index))
        if not self.warming_up and (self.first_batch + index + 1) % self.options.arch_every == 0:
            drawn = next(self._arch_batches, None)
            if drawn is not None and self.takes(drawn):
                self.arch_step(self.transfer_batch_to_device(drawn, self.device, 0))

    def draw(self) -> None:
        """Draw an architecture within the budget, one operation per block, and make it active.

        Architecture steps draw so too. Eq. 5 weighs every candidate of a layer by its probability whichever
        was drawn, and the draw only says at which net the products are measured. Beyond the budget that would
        be a net that no weight step has ever seen, and that can never be the result.
        """
        self.supernet.choose(self.arch.draw(self.generator, self.warming_up, self.options.budget))

    def weight_step(self, batch: Batch) -> None:
        """One step of the weights of operations that are drawn, on D_tra."""
        self.draw()
        super().weight_step(batch)

    def arch_step(self, batch: Batch) -> None:
        """One step of the architecture parameters, on D_val (Eq. 4, 5)."""
        optimizer = self.optimizers()[1]  # type: ignore[index]
        self.draw()
        optimizer.zero_grad(set_to_none=True)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        loss = architecture_step(
            self.recognizer,
            self.supernet,
            self.arch,
            lambda: self.shared_loss(batch),
            g=self.options.g_m * MILLION,
            beta=self.options.beta,
            backward=self.manual_backward,
            summed=self.team.sum if self.team.size > 1 else None,
            scale=1.0 if scaler is None else scaler.get_scale(),
        )
        if not bool(loss.isfinite()):  # before it makes the probabilities useless
            raise LossNotFinite(
                f"the validation loss is {float(loss)} in epoch {self.current_epoch}: {ADVICE}"
            )
        optimizer.step()

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.supernet.choose(derive(self.arch, self.options.budget))

    def architecture(self) -> Architecture:
        """The architecture found so far: the most probable one within the budget."""
        return self._architecture(derive(self.arch, self.options.budget))

    def finalists(self) -> list[Architecture]:
        """The nets that are tried before one is trained: the most probable one, the one that step 1 chose the
        path with if it is within the budget, then draws."""
        options = self.options
        drawn = derive_several(self.arch, options.budget, options.finalists, self.generator)
        found = [self._architecture(indices) for indices in drawn]
        if options.finalists > 1 and (default := self._default()) and default not in found:
            found[1:] = [default, *found[1 : options.finalists - 1]]
        return found

    def _default(self) -> Architecture | None:
        """Step 1's operation in every layer; None where the supernet lacks it, or beyond the budget."""
        name = self.recipe.search.path.default_operation
        net = self.space.default_architecture(self.supernet.stride_path, name)
        offered = all(name in block.names for block in self.supernet.choice_blocks)
        return net if offered and self.arch.price.of(net, self.space) <= self.options.budget else None

    def _architecture(self, indices: Sequence[int]) -> Architecture:
        names = (block.names[i] for block, i in zip(self.supernet.choice_blocks, indices, strict=True))
        return Architecture(self.supernet.stride_path, tuple(names), self.space.stage_layers)

    def extra_metrics(self) -> Figures:
        expected = {f"expected_{self.arch.price.key}": self.arch.expected() / MILLION}
        return figures({**expected, "entropy": self.arch.entropy()})

    def probabilities(self) -> list[dict[str, float]]:
        """Probability of every candidate of every layer."""
        return [
            dict(zip(block.names, p.tolist(), strict=True))
            for block, p in zip(self.supernet.choice_blocks, self.arch.probabilities(), strict=True)
        ]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["autostr"]["generator"] = self.generator.get_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.generator.set_state(checkpoint["autostr"]["generator"])


def build_supernet_recognizer(
    path: StridePath, space: SearchSpace, recipe: Recipe, classes: int
) -> tuple[Recognizer, Supernet]:
    """A recognizer whose backbone is the supernet on ``path``."""
    supernet = Supernet(path, space)
    recognizer = Recognizer(supernet, classes, recipe.model, encoder=recipe.search.operators.bilstm)
    return recognizer, supernet
