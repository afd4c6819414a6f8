"""Lightning's DDP for a team that has met already: no launcher, no wrapper, no second word on gradients."""

from __future__ import annotations

import signal

from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy

from autostr_nni.training.distributed.group import Team


class TeamStrategy(DDPStrategy):
    """One process of a team on its device. The task sums gradients itself: see `Team.sum_gradients`."""

    def __init__(self, team: Team) -> None:
        super().__init__(cluster_environment=_TeamEnvironment(team))

    def _configure_launcher(self) -> None:
        """The processes were started by `launch`."""
        self._launcher = None

    def configure_ddp(self) -> None:
        """The module stays as it is. All have drawn the same weights, or loaded them."""

    def on_train_start(self) -> None:
        # Lightning's handler of SIGTERM sends a message to the others, which wait for another one.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _TeamEnvironment(LightningEnvironment):
    """Who this process is, as its team says and not the environment's variables."""

    def __init__(self, team: Team) -> None:
        super().__init__()
        self.team = team

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def world_size(self) -> int:
        return self.team.size

    def set_world_size(self, size: int) -> None:
        pass

    def global_rank(self) -> int:
        return self.team.rank

    def set_global_rank(self, rank: int) -> None:
        pass

    def local_rank(self) -> int:
        return self.team.rank

    def node_rank(self) -> int:
        return 0

    def teardown(self) -> None:
        pass
