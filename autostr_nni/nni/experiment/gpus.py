"""The GPU keys of an experiment file: what they may say, and what they come to on this machine.

NNI gives GPUs to trials by ``trialGpuNumber``, within ``gpuIndices`` and, mended by ``gpus.cjs``, within
``CUDA_VISIBLE_DEVICES``. What can never be given is refused here, before anything starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.strategies.steps import OPERATORS
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.nni.experiment.file import ExperimentFile
    from autostr_nni.recipe.training import TrainingSection

SHARING = ("gpuIndices", "maxTrialNumberPerGpu", "useActiveGpu")
VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpu_number(config: Mapping[str, Any]) -> Any:
    """``trialGpuNumber`` of an experiment, which NNI also takes in ``trainingService``; None if missing."""
    service = config.get("trainingService")
    inner = service.get("trialGpuNumber") if isinstance(service, Mapping) else None
    return config.get("trialGpuNumber") if inner is None else inner


def check_gpu_keys(config: Mapping[str, Any], path: Path) -> None:
    """Raise InputError for a key of a checked experiment file that has no effect, or lacks another."""
    number = gpu_number(config)
    for place, holder in _holders(config):
        given = [key for key in SHARING if holder.get(key) is not None]
        if given and number is None:
            raise InputError(
                f"{path}: {place}.{given[0]} has no effect without trialGpuNumber; write trialGpuNumber: 1, "
                f"which gives each trial a GPU, or leave {given[0]} out"
            )
        if number and place == "trainingService" and holder.get("useActiveGpu") is None:
            raise InputError(
                f"{path}: {place}.useActiveGpu is missing; write false to keep trials off GPUs that other "
                "processes use, or true where that is all right, as with a desktop"
            )


def indices_of(value: Any) -> list[int]:
    """GPUs as NNI lets them be written: 1, [0, 1] or "0,1"; empty for none."""
    if isinstance(value, str):
        return [int(word) for word in value.split(",")]
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def fit_to_machine(experiment: ExperimentFile, log: Callable[[str], None], begun: bool = False) -> None:
    """Make sure that trials can have their GPUs: as many as the recipe wants, and there if they run here.

    Where several GPUs are there and trials would share the first, the experiment is changed so that each
    trial gets its own, unless it was ``begun`` otherwise. Raises InputError for GPUs that are not there.
    """
    number = gpu_number(experiment.config)
    training = experiment.recipe.training if experiment.recipe is not None else None
    if number is not None and training is not None:
        _check_training(training, number, experiment.path)
    if not experiment.here:
        return
    if number:
        usable = _usable(experiment, number)
        operator_gpus(experiment)
        together = len(usable) // number * (_service(experiment).get("maxTrialNumberPerGpu") or 1)
        if together < experiment.concurrency:
            log(
                f"note: {together} of {experiment.concurrency} trials can run at a time, on "
                f"{_gpus(len(usable))} with trialGpuNumber: {number}"
            )
    elif number is None and training is not None and experiment.concurrency > 1 and not begun:
        _share_out(experiment, training, log)


def operator_gpus(experiment: ExperimentFile) -> int:
    """GPUs that NNI gives the operator search, which runs alone, beside ``trialGpuNumber``; 0: as many.

    Raises InputError where they are more than there are, as far as that can be known here.
    """
    recipe = experiment.recipe
    number: int = gpu_number(experiment.config) or 0
    strategy = experiment.strategy() if number else None
    if recipe is None or strategy is None or OPERATORS not in strategy.steps:
        return 0
    wanted = recipe.search.operators.devices
    if wanted is None or recipe.training.device == "cpu":
        return 0
    if not experiment.here:
        return 0 if wanted == "auto" else max(number, wanted)
    usable = len(_usable(experiment, number))
    if wanted == "auto":
        return usable
    if wanted > usable:
        raise InputError(
            f"{experiment.path}: the recipe's search.operators.devices is {wanted}, and trials may have "
            f"{_gpus(usable)} of this machine; write {usable} or auto"
        )
    return max(number, wanted)


def shared_elsewhere(experiment: ExperimentFile) -> bool:
    """Whether trials on other machines would share the first GPU of one that has several."""
    service, recipe = experiment.config["trainingService"], experiment.recipe
    if not isinstance(service, Mapping) or service.get("platform") != "remote" or recipe is None:
        return False
    more = experiment.concurrency > len(service["machineList"])
    return more and recipe.training.device in ("auto", "cuda") and gpu_number(experiment.config) is None


def _check_training(training: TrainingSection, number: int, path: Path) -> None:
    """Raise InputError where the recipe wants other GPUs than a trial is given."""
    if training.device == "cpu":
        return
    by_name = training.device.startswith("cuda")
    if number == 0 and by_name:
        raise InputError(
            f"{path}: trialGpuNumber: 0 hides all GPUs, and the recipe's training.device is "
            f"{training.device}; write trialGpuNumber: 1, or device: cpu"
        )
    place = int(training.device.partition(":")[2] or 0)
    if by_name and place >= number:
        raise InputError(
            f"{path}: with trialGpuNumber: {number} a trial's GPUs are counted from cuda:0, and the recipe's "
            f"training.device is {training.device}; write device: cuda, and choose by "
            "trainingService.gpuIndices"
        )
    if training.devices != "auto" and number and training.devices > number:
        raise InputError(
            f"{path}: trialGpuNumber is {number}, and the recipe's training.devices {training.devices}; "
            f"write trialGpuNumber: {training.devices}"
        )


def _usable(experiment: ExperimentFile, number: int) -> list[int]:
    """The GPUs that trials may have. Raises InputError where they are too few for one."""
    path, count = experiment.path, count_gpus()
    wished = indices_of(_service(experiment).get("gpuIndices"))
    there = f"this machine has {_gpus(count)}"
    if count == 0:
        raise InputError(
            f"{path}: trialGpuNumber is {number}, and {there} that NVIDIA's driver knows; "
            "leave trialGpuNumber out"
        )
    if wished and max(wished) >= count:
        raise InputError(
            f"{path}: trainingService.gpuIndices names GPU {max(wished)}, and {there}, counted from 0"
        )
    given = visible(count)
    if wished and not set(wished) <= set(given):
        raise InputError(
            f"{path}: trainingService.gpuIndices names GPU {min(set(wished) - set(given))}, which is not "
            f"among those of {VISIBLE}={os.environ[VISIBLE]}; write one of these"
        )
    usable = wished or given
    if number <= len(usable):
        return usable
    why = (
        ""
        if len(usable) == count
        else f", of which {'gpuIndices' if wished else VISIBLE} leaves {len(usable)}"
    )
    write = f"write {len(usable)} or less" if usable else f"set {VISIBLE} to the numbers of GPUs"
    raise InputError(f"{path}: trialGpuNumber is {number}, and {there}{why}; {write}")


def _share_out(experiment: ExperimentFile, training: TrainingSection, log: Callable[[str], None]) -> None:
    """Without ``trialGpuNumber`` every trial sees all GPUs and takes the first: give each its own."""
    if training.device not in ("auto", "cuda"):
        return
    count = count_gpus()
    there = len(visible(count)) if count > 1 else count
    if there < 2:
        return
    concurrency = experiment.concurrency
    wanted = there // concurrency if training.devices == "auto" else training.devices
    number = min(max(1, wanted), there)
    each = -(-concurrency // (there // number))
    experiment.config["trialGpuNumber"] = number
    service = {"useActiveGpu": True, "maxTrialNumberPerGpu": each}
    experiment.config["trainingService"] = {**_service(experiment), **service}
    own = f"{_gpus(number)}, shared by {each} trials," if each > 1 else f"{_gpus(number)} of its own,"
    log(f"{_gpus(there)}: each trial is given {own} as with trialGpuNumber: {number}")


def count_gpus() -> int:
    """GPUs of this machine, as NNI counts them: NVIDIA's, also those that ``CUDA_VISIBLE_DEVICES`` hides."""
    try:
        import pynvml

        pynvml.nvmlInit()
        try:
            return int(pynvml.nvmlDeviceGetCount())
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # no driver, or one that does not answer: NVML has an error class for each way
        return 0


def visible(count: int) -> list[int]:
    """Those of ``count`` GPUs that ``CUDA_VISIBLE_DEVICES`` leaves, read up to the first that is none.

    Raises InputError where it names GPUs by anything but their numbers, by which NNI gives them.
    """
    text = os.environ.get(VISIBLE)
    if text is None:
        return list(range(count))
    found: list[int] = []
    for word in text.split(","):
        word = word.strip()
        if word.startswith(("GPU-", "MIG-")):
            raise InputError(
                f"{VISIBLE} is {text}: trials are given GPUs by number; write numbers, such as 0,1"
            )
        if not word.isdecimal() or int(word) >= count:
            break
        found.append(int(word))
    return found


def _service(experiment: ExperimentFile) -> Mapping[str, Any]:
    service: Mapping[str, Any] = experiment.config["trainingService"]
    return service


def _holders(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What may hold keys of `SHARING`, and how it is called."""
    service = config["trainingService"]
    if isinstance(service, Mapping) and service["platform"] == "local":
        yield "trainingService", service
    if isinstance(service, Mapping) and service["platform"] == "remote":
        for place, machine in enumerate(service["machineList"]):
            yield f"trainingService.machineList[{place}]", machine


def _gpus(count: int) -> str:
    return "no GPU" if count == 0 else "1 GPU" if count == 1 else f"{count} GPUs"
