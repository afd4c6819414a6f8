"""ADADELTA whose states lie in one tensor each: one operation for all parameters instead of one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class FlatAdadelta(torch.optim.Adadelta):
    """`torch.optim.Adadelta` with its figures to the bit and its state_dict, for small nets on a CPU.

    There the time of a step is that of starting some ten operations for each of a hundred small tensors.
    Where not all parameters have a gradient (a supernet's), and for all that Adadelta offers beyond the
    recipe, Adadelta itself does the step, on the same states.
    """

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, foreach=True, **options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        self._flat: list[_Flat | None] = []

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        grads = [[p.grad for p in group["params"]] for group in self.param_groups]
        if not all(map(_plain, self.param_groups, grads)):
            super().step()
            return loss
        if not self._flat:
            self._flat = [_Flat.of(group["params"], self.state) for group in self.param_groups]
        if None in self._flat:
            super().step()
            self._flat = []  # it may have made the states that were missing
            return loss
        for group, of_group, flat in zip(self.param_groups, grads, self._flat, strict=True):
            assert flat is not None
            flat.update(group, of_group)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._flat = []


def _plain(group: dict[str, Any], grads: list[Tensor | None]) -> bool:
    """Whether the step is that of all parameters by the bare rule."""
    more = group["weight_decay"] or group["maximize"] or group["capturable"] or group["differentiable"]
    return not more and all(grad is not None and grad.device.type == "cpu" for grad in grads)


class _Flat:
    """The states of a group's parameters as views of flat tensors; [n] for n numbers in all."""

    def __init__(self, params: list[Tensor], state: Any) -> None:
        self.params = params
        count = sum(p.numel() for p in params)
        self.square_avg, self.acc_delta, self.grad, self.delta, self.std = (
            torch.zeros(count) for _ in range(5)
        )
        self.steps = torch.zeros(len(params))
        self.grads = _views(self.grad, params)
        self.deltas = _views(self.delta, params)
        squares, accs = _views(self.square_avg, params), _views(self.acc_delta, params)
        for p, step, square, acc in zip(params, self.steps, squares, accs, strict=True):
            mine = state[p]
            if mine:
                for view, name in ((step, "step"), (square, "square_avg"), (acc, "acc_delta")):
                    view.copy_(mine[name])
            mine.update({"step": step, "square_avg": square, "acc_delta": acc})

    @classmethod
    def of(cls, params: list[Tensor], state: Any) -> _Flat | None:
        """None where the parameters are not all float32 on the CPU, or some have had no step yet."""
        known = {bool(state.get(p)) for p in params}
        if len(known) > 1 or any(p.device.type != "cpu" or p.dtype != torch.float32 for p in params):
            return None
        return cls(params, state)

    def update(self, group: dict[str, Any], grads: list[Tensor | None]) -> None:
        """The very operations of Adadelta, in its order."""
        rho, eps = group["rho"], group["eps"]
        torch._foreach_copy_(self.grads, grads)  # type: ignore[arg-type]
        self.steps += 1
        self.square_avg.mul_(rho).addcmul_(self.grad, self.grad, value=1 - rho)
        torch.add(self.square_avg, eps, out=self.std).sqrt_()
        torch.add(self.acc_delta, eps, out=self.delta).sqrt_().div_(self.std).mul_(self.grad)
        self.acc_delta.mul_(rho).addcmul_(self.delta, self.delta, value=1 - rho)
        torch._foreach_add_(self.params, self.deltas, alpha=-group["lr"])


def _views(flat: Tensor, params: list[Tensor]) -> list[Tensor]:
    """A part of ``flat`` for each parameter, laid out in memory as that is."""
    views, start = [], 0
    for p in params:
        dense = p.is_contiguous() or p.is_contiguous(memory_format=torch.channels_last)
        strides = p.stride() if dense else torch.empty(p.shape).stride()
        views.append(flat.as_strided(p.shape, strides, start))
        start += p.numel()
    return views
