"""A strategy's proposals as trials of an NNI experiment: what NNI asks of a tuner, and when it is answered.

Light: a tuner that does not connect within 10 seconds is given up by NNI, so nothing here imports torch.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import nni
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.tuner import Tuner

from autostr_nni.nni import manager_side
from autostr_nni.nni.experiment.choices import Choices
from autostr_nni.nni.guarding import guarded
from autostr_nni.nni.recovered import Recovered
from autostr_nni.nni.state import experiment_folder, read_state, told_no_space, whole_state, write_state
from autostr_nni.nni.stopping import EarlyStops
from autostr_nni.nni.trial_side.figures import from_nni
from autostr_nni.strategies.core import Proposal, reached
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import NoSpace

logger = logging.getLogger("autostr_nni.tuner")

SendTrial = Callable[[int, dict[str, Any]], None]


class ProposalTuner(Tuner):  # type: ignore[misc]
    """Runs a strategy's proposals as trials of the NNI experiment whose dispatcher this process is.

    NNI asks for as many trials as it has free slots, and asks again only when a trial has ended. What could
    not be given at once (the next step waits for the last results) is owed, and is sent as soon as a result
    allows.
    """

    grace = 2.0  # seconds in which a final result may still arrive after its trial has ended

    def __init__(self, strategy: Strategy) -> None:
        super().__init__()
        self.strategy = strategy
        self._lock = threading.RLock()
        self._choices = Choices()
        self._ready: deque[Proposal] = deque()  # may run now, not handed out yet
        self._running: dict[int, str] = {}  # NNI's parameter id: id of the proposal that was handed out
        self._owed: deque[int] = deque()  # parameter ids that NNI asked for and did not get
        self._recovered = Recovered()
        self._send: SendTrial | None = None
        self._stops: EarlyStops | None = None
        self._fault: Exception | None = None
        self._ending = False
        self._folder = experiment_folder()
        self._started = time.time()
        self._resumed = os.environ.get("NNI_MODE") == "resume"
        if self._resumed and self._folder is not None:
            state = read_state(self._folder)
            if state:
                strategy.load_state_dict(state["state"])
            if state.get("error") or state.get("finished") != strategy.finished:
                self._save()  # what ended the search the last time is over

    # --- called by NNI -------------------------------------------------------------------------------------

    @guarded
    def update_search_space(self, search_space: Mapping[str, Any]) -> None:
        """Take the experiment's choices; the page draws its axes from them, the recipe decides the search."""
        self._choices = Choices(search_space)
        if not search_space:
            logger.warning("The experiment's searchSpace is empty: NNI's page will draw no hyper-parameters.")

    @guarded
    def generate_multiple_parameters(
        self, parameter_id_list: list[int], **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Parameters for as many ids, from the first on, as proposals may run now."""
        self._send = kwargs.get("st_callback", self._send)
        dispatcher = getattr(self._send, "__self__", None)
        if self._stops is None and isinstance(dispatcher, MsgDispatcher):
            self._stops = EarlyStops(dispatcher, self._stoppable)
        if self._fault is not None:
            raise self._fault
        if self._resumed:
            self._resumed = False
            self._pick_up()
        self._settle_recovered()
        self._ready.extend(self.strategy.suggest())
        given = []
        for parameter_id in parameter_id_list:
            if not self._ready:
                break
            given.append(self._take(parameter_id))
        self._owed.extend(parameter_id_list[len(given) :])
        self._end_if_finished()
        return given

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """Parameters for one id. Raises ``nni.NoMoreTrialError`` when nothing may run now."""
        given = self.generate_multiple_parameters([parameter_id], **kwargs)
        if not given:
            raise nni.NoMoreTrialError("nothing may run until a running trial ends")
        return given[0]

    @guarded
    def receive_trial_result(self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any) -> None:
        """Take a trial's final report."""
        proposal = self._running.pop(parameter_id, None)
        if proposal is None:
            logger.warning("A result for parameter id %s, which no trial awaits, is ignored.", parameter_id)
        else:
            self._observe(proposal, from_nni(value))

    @guarded
    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """A trial has ended; without a final report, whatever its exit status, it counts as failed.

        NNI passes reports and ends through two threads, so the report may come a moment after the end.
        """
        if parameter_id in self._running:
            timer = threading.Timer(self.grace, self._settle, [parameter_id])
            timer.daemon = True
            timer.start()

    @guarded
    def import_data(self, data: list[dict[str, Any]]) -> None:
        """Results of trials of a resumed experiment, or of one that this search is told to go on from."""
        entries = [(dict(entry["parameter"]), from_nni(entry["value"])) for entry in data]
        known = True
        while entries and known:
            known = False
            self._ready.extend(self.strategy.suggest())
            for entry in list(entries):
                parameters, metrics = entry
                proposal = self.strategy.match(parameters)
                if proposal is None:
                    continue  # perhaps a later step's, which the results before it bring up
                known = True
                entries.remove(entry)
                if proposal in {item.id for item in self.strategy.pending()}:
                    self._ready = deque(item for item in self._ready if item.id != proposal)
                    self._observe(proposal, metrics)
        for parameters, _ in entries:
            logger.warning("A result for %s, which this search does not contain, is ignored.", parameters)

    # --- proposals and results -----------------------------------------------------------------------------

    def _take(self, parameter_id: int) -> dict[str, Any]:
        proposal = self._ready.popleft()
        for complaint in self._choices.complaints(proposal.parameters):
            logger.warning(complaint)
        self._running[parameter_id] = proposal.id
        logger.info("Parameter id %d is proposal %s: %s", parameter_id, proposal.id, proposal.parameters)
        return dict(proposal.parameters)

    def _observe(self, proposal: str, metrics: Mapping[str, Any] | None) -> None:
        """Tell the strategy, save, and send what has become possible.

        Raises NoSpace, and tells nothing, for a trial that could write no more: the next ones would meet
        the same, and the search would end without a result where it could go on once there is space.
        """
        if metrics is None and self._folder is not None:
            sentence = told_no_space(self._folder, self._started)
            if sentence:
                raise NoSpace(sentence)
        logger.info("Proposal %s: %s", proposal, "failed" if metrics is None else metrics)
        self.strategy.observe(proposal, metrics)
        self._ready.extend(self.strategy.suggest())
        self._save()
        while self._owed and self._ready and self._send is not None:
            parameter_id = self._owed.popleft()
            self._send(parameter_id, self._take(parameter_id))
        self._end_if_finished()

    @guarded
    def _settle(self, parameter_id: int) -> None:
        """Without a final report a trial has failed, but for one that was stopped and had reported before."""
        proposal = self._running.pop(parameter_id, None)
        if proposal is None:
            return
        reports = self._stops.reports_of(parameter_id) if self._stops is not None else None
        trial = next(item for item in self.strategy.trials if item.id == proposal)
        metrics = reached(trial.parameters, [from_nni(report) for report in reports or []])
        if metrics is not None:
            logger.info("Proposal %s was stopped early; it counts with what it has reached.", proposal)
        self._observe(proposal, metrics)

    def _stoppable(self, parameter_id: int) -> bool:
        proposal = self._running.get(parameter_id)
        return proposal is not None and self.strategy.stoppable(proposal)

    def _save(self, error: str | None = None) -> None:
        if self._folder is None:
            return
        write_state(self._folder, whole_state(self.strategy, error))

    # --- a resumed experiment ------------------------------------------------------------------------------

    def _pick_up(self) -> None:
        """Hand out again what was under way, except for the trials that NNI itself runs again."""
        self._ready.extend(self.strategy.suggest())
        waiting = {item.id for item in self._ready}
        lost = [item for item in self.strategy.pending() if item.id not in waiting]
        self._ready = deque(self._recovered.claim([*lost, *self._ready]))

    def _settle_recovered(self) -> None:
        for proposal in self._recovered.failed({item.id for item in self.strategy.pending()}):
            self._observe(proposal, None)

    # --- the end -------------------------------------------------------------------------------------------

    def _end_if_finished(self) -> None:
        """NNI would wait for ever: only reaching ``maxTrialNumber`` makes an experiment DONE."""
        if self.strategy.finished and not self._ending:
            self._ending = True
            logger.info(
                "The search is finished%s.", f": {self.strategy.failure}" if self.strategy.failure else ""
            )
            self._save()
            threading.Thread(target=manager_side.declare_done, daemon=True).start()

    def _fail(self, error: Exception) -> None:
        """Log, tell the manager, and end this process: the experiment turns to ERROR.

        NNI alone would leave the experiment RUNNING for ever. Outside NNI's dispatcher the error is raised.
        """
        if self._folder is None:
            raise error
        logger.error("The tuner failed: %s", error, exc_info=error)
        dispatcher = getattr(self._send, "__self__", None)
        if dispatcher is None:
            self._fault = self._fault or error  # NNI's first request for trials brings the way to tell
            return
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        try:
            self._save(error=text)
        except Exception:
            logger.exception("The tuner's state cannot be saved.")
        dispatcher.report_error(text)
        logging.shutdown()
        os._exit(1)
