"""NNI's `NasExperiment` with what NNI 3.0 lacks: right and readable rows, loopback, a free port, a clean end.

    from autostr_nni.nas.evaluator import RecipeEvaluator
    from autostr_nni.nas.experiment import NasExperiment
    from autostr_nni.nas.strategy import TwoStepStrategy
    from autostr_nni.search_spaces.nni_space import AutoSTRSpace, OperationChoice

    strategy = TwoStepStrategy("recipe.yml")
    space = AutoSTRSpace(strategy.recipe.space(), typical=True)
    experiment = NasExperiment(space, RecipeEvaluator("recipe.yml"), strategy)
    experiment.config.trial_concurrency = 2
    experiment.run()
    print(experiment.export_top_models(formatter="dict"))
    experiment.stop()

NNI's own multi-trial strategies work too. The page stays until `stop()` or the end of the program.
What NNI 3.0 cannot do here: resume, `nnictl view`, and one-shot strategies on the page.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import psutil
from nni.experiment import RunMode
from nni.nas.experiment import NasExperiment as NniExperiment
from nni.nas.experiment.config import ModelFormatConfig, SimplifiedModelFormatConfig
from nni.nas.space import ExecutableModelSpace

from autostr_nni.nas.space import ReadableModelSpace
from autostr_nni.nni.manager import processes
from autostr_nni.nni.manager.launcher import as_environment, choose_port, manager_environment
from autostr_nni.nni.manager.patience import patient_start
from autostr_nni.nni.manager.rest import LOOPBACK, exempt_loopback
from autostr_nni.search_spaces.nni_space import AutoSTRSpace, OperationChoice
from autostr_nni.system.errors import InputError


@contextlib.contextmanager
def _own_address(port: int) -> Iterator[None]:
    """Within, NNI tells the page's address that is listened on, not one for each network of the machine."""

    def tell(record: logging.LogRecord) -> bool:
        if str(record.msg).startswith("Web portal URLs: "):
            record.msg = f"Web portal URL: ${{CYAN}}http://{LOOPBACK}:{port}"
        return True

    logger = logging.getLogger("nni.experiment")
    logger.addFilter(tell)
    try:
        yield
    finally:
        logger.removeFilter(tell)


class NasExperiment(NniExperiment):  # type: ignore[misc]
    """An experiment on an `AutoSTRSpace` through NNI's manager; arguments are those of NNI's class."""

    def run(self, port: int | None = None, wait_completion: bool = True, debug: bool = False) -> bool | None:
        """Run the strategy to its end; `port` is that of the page, a free one if None."""
        exempt_loopback(os.environ)  # the engine runs in this process and speaks to the manager
        done: bool | None = super().run(choose_port(port), wait_completion, debug)
        return done

    def resume(self, port: int = 8080, wait_completion: bool = True, debug: bool = False) -> bool | None:
        """Refused: NNI 3.0 fails to load what it has saved on torch 2.6 and later, and then hangs."""
        raise InputError(
            "NNI 3.0 cannot resume a NasExperiment; start another, or use autostr search and autostr resume"
        )

    def executable_model_factory(self, config: ModelFormatConfig) -> ExecutableModelSpace:
        """The space in the form that the engine takes."""
        if isinstance(config, SimplifiedModelFormatConfig) and isinstance(self.model_space, AutoSTRSpace):
            return ReadableModelSpace.from_model(self.model_space, self.evaluator)
        return super().executable_model_factory(config)

    def stop(self) -> None:
        """End the strategy's trials, the manager and its page; nothing is left running."""
        family: set[psutil.Process] = set()
        if self._proc is not None:
            with contextlib.suppress(psutil.Error):
                manager = psutil.Process(self._proc.pid)
                family = {manager, *manager.children(recursive=True)}
        folder = self._checkpoint_directory.parent
        super().stop()
        processes.end(family | processes.members_of(folder))

    def _start_nni_manager(
        self,
        port: int,
        debug: bool,
        run_mode: RunMode = RunMode.Background,
        tuner_command_channel: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        environment = manager_environment(LOOPBACK, self.config.trial_concurrency, owned=True)
        with as_environment(environment), patient_start(), _own_address(port):
            super()._start_nni_manager(port, debug, run_mode, tuner_command_channel, tags or [])

    def _send_space_to_nni_manager(self) -> None:
        """The choices of each layer, and the stride paths where they are few enough to be an axis."""
        space = self.model_space
        if not isinstance(space, AutoSTRSpace):
            super()._send_space_to_nni_manager()
            return
        choices: dict[str, Any] = {}
        if space.path.typical:
            texts = [space.path.text(path) for path in space.path.typical]
            choices["stride_path"] = {"_type": "choice", "_value": texts}
        for block in space.blocks:
            assert isinstance(block, OperationChoice)
            choices[block.label] = {"_type": "choice", "_value": list(block.names)}
        self.update_search_space(choices)
