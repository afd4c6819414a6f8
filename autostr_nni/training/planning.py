"""The first steps of an operator search on a GPU, made before the clock starts.

cuDNN plans an operation, and CUDA loads its kernels, when it first meets a shape: random draws spread that
over the first 40 s of a search. Here every candidate of the supernet runs once, forward and backward, on a
copy of the net, while the sets are opened in a thread. (Plans are kept by thread: the main one plans.)
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import torch

from autostr_nni.models.recognizer import Recognizer, input_size
from autostr_nni.recipe import Recipe
from autostr_nni.supernet.supernet import Supernet
from autostr_nni.training.device_setup import torch_device
from autostr_nni.training.distributed.group import Team

T = TypeVar("T")

AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
CHARACTERS = 8  # of the words that are made up


def opened_while_planning(
    open_sets: Callable[[], T], recognizer: Recognizer, recipe: Recipe, team: Team
) -> T:
    """What ``open_sets`` gives; on a GPU, with the candidates of the supernet planned meanwhile."""
    device = torch_device(recipe.training)
    if device.type != "cuda":
        return open_sets()
    if team.size > 1:
        device = torch.device("cuda", team.rank)
    whole = recipe.search.operators.batch_size or recipe.training.batch_size
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        sets = pool.submit(open_sets)
        candidates = plan_candidates(recognizer, recipe, -(-whole // team.size), device)
        planned = time.monotonic() - begun
        found = sets.result()
    if team.leads:
        opened = time.monotonic() - begun
        planning = f"the GPU has planned {candidates} candidate operations in {planned:.1f} s"
        print(f"{planning}; sets open after {opened:.1f} s", flush=True)
    return found


def plan_candidates(recognizer: Recognizer, recipe: Recipe, batch: int, device: torch.device) -> int:
    """Run every candidate forward and backward on ``batch`` made-up images; how many candidates there are.

    Weights, statistics and random numbers of the recognizer stay as they are.
    """
    net = copy.deepcopy(recognizer).to(device).train()
    supernet = cast(Supernet, net.backbone)
    height, width = input_size(recipe.model)
    images = torch.zeros(batch, 3, height, width, dtype=torch.uint8, device=device)
    targets = torch.zeros(batch, CHARACTERS, dtype=torch.long, device=device)
    dtype = AUTOCAST.get(recipe.training.precision)
    counts = [len(block.names) for block in supernet.choice_blocks]
    for index in range(max(counts)):
        supernet.choose([index % count for count in counts])
        net.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
            loss = net.loss(images, targets)
        loss.backward()  # type: ignore[no-untyped-call]
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return sum(counts)
