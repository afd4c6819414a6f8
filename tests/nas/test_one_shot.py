"""NNI's one-shot strategies run whole on the space of one path, and what they find keeps to the budget."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning, LightningModule, Trainer
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import DARTS, Proxyless, RandomOneShot
from torch.utils.data import DataLoader

from autostr_nni.nas.one_shot import found
from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.nni_space import AutoSTRSpace
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError

SMALL = SearchSpace(
    height=8,
    width=16,
    out_width=4,
    stem_width=4,
    stage_widths=(4, 4, 8),
    stage_layers=(2, 1, 2),
    operations=("k3e1", "k5e3", "skip"),
)
PATH = SMALL.typical_paths()[0]


class Task(LightningModule):  # type: ignore[misc]
    """Drives the features to zero."""

    def forward(self, x: torch.Tensor) -> Any:
        return self.model(x)

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        return self(batch).square().mean()

    def validation_step(self, batch: torch.Tensor, _: int) -> None: ...

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def run(strategy: Any, budget_m: float) -> Any:
    pl.seed_everything(0)
    words = DataLoader(list(torch.randn(4, 3, 8, 16)), batch_size=2)
    trainer = Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False)
    evaluator = Lightning(Task(), trainer, train_dataloaders=words, val_dataloaders=words)
    space = AutoSTRSpace(SMALL, path=PATH.text(SMALL.stage_layers), budget_m=budget_m)
    strategy(RawFormatModelSpace.from_model(space, evaluator), SequentialExecutionEngine())
    return strategy


@pytest.mark.parametrize("make", [DARTS, Proxyless])
def test_what_is_found_is_on_the_path_and_within_the_budget(make: Any) -> None:
    budget_m = 0.05
    strategy = run(make(arc_learning_rate=0.1), budget_m)
    supernet = strategy.supernet
    with torch.no_grad():  # the dearest operation is the likeliest everywhere
        for block in supernet.blocks:
            block._arch_alpha[block.names.index("k5e3")] += 5
    architecture = found(strategy)
    assert architecture.path == PATH
    assert MACS.smallest(SMALL) <= macs_of(architecture, SMALL) <= budget_m * 1e6
    dearest = SMALL.default_architecture(PATH, "k5e3")
    assert macs_of(dearest, SMALL) > budget_m * 1e6  # the budget does bind
    supernet.budget.budget_m = 1.0
    assert found(strategy) == dearest


def test_random_one_shot_draws_and_has_no_probabilities() -> None:
    strategy = run(RandomOneShot(), 1.0)
    (model,) = strategy.list_models()
    assert strategy.supernet.architecture_of(model.sample).path == PATH
    with pytest.raises(InputError, match="RandomOneShot keeps no probabilities"):
        found(strategy)
