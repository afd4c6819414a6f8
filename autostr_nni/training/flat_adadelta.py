"""ADADELTA whose states lie in one tensor each: one operation for many parameters instead of one for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

PIECE = 1 << 17  #: numbers updated at a time: all that is read and written of them fits the caches


class FlatAdadelta(torch.optim.Adadelta):
    """`torch.optim.Adadelta` with its figures to the bit and its state_dict, for a CPU.

    There the time of a small net's step is that of starting some ten operations for each of a hundred small
    tensors, and that of a large net's is some ten passes over memory. Parameters that have a gradient and
    follow one another are updated together, up to ``PIECE`` numbers at a time, and larger ones in parts. For
    all that Adadelta offers beyond the recipe, Adadelta itself does the step, on the same states. The states
    are made for all parameters at once: those that never had a gradient have zeros.
    """

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, foreach=True, **options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        self._flat: list[_Flat] = []
        self._fits = all(_on_line(p) for group in self.param_groups for p in group["params"])

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if not (self._fits and all(map(_plain, self.param_groups))):
            super().step()
            self._flat = []  # it may have made states that were missing
            return loss
        if not self._flat:
            self._flat = [_Flat(group["params"], self.state) for group in self.param_groups]
        for group, flat in zip(self.param_groups, self._flat, strict=True):
            flat.update(group)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._flat = []


def _plain(group: dict[str, Any]) -> bool:
    """Whether the step is that of the bare rule."""
    return not (group["weight_decay"] or group["maximize"] or group["capturable"] or group["differentiable"])


def _on_line(p: Tensor) -> bool:
    """Whether a parameter's numbers lie in memory one after another, in float32 on the CPU."""
    dense = p.is_contiguous() or p.is_contiguous(memory_format=torch.channels_last)
    return dense and p.device.type == "cpu" and p.dtype == torch.float32


class _Run(NamedTuple):
    """Parameters that are updated together: their states are ``start`` to ``end`` of the flat tensors."""

    params: list[Tensor]
    start: int
    end: int


class _Flat:
    """The states of a group's parameters as views of flat tensors; [n] for n numbers in all."""

    def __init__(self, params: list[Tensor], state: Any) -> None:
        self.params = params
        count = sum(p.numel() for p in params)
        self.square_avg, self.acc_delta = torch.zeros(count), torch.zeros(count)
        room = min(count, PIECE)
        self.grad, self.delta, self.std = (torch.empty(room) for _ in range(3))
        self.steps = torch.zeros(len(params))
        self.runs: list[_Run] = []
        self.views: list[tuple[list[Tensor], list[Tensor]]] = []  # of ``grad`` and ``delta``, for each run
        self.drawn: list[bool] = []  # which parameters ``runs`` is for
        self.counted = torch.zeros(len(params))  # 1 for each of them
        squares, accs = _views(self.square_avg, params), _views(self.acc_delta, params)
        for p, step, square, acc in zip(params, self.steps, squares, accs, strict=True):
            mine = state[p]
            if mine:
                for view, name in ((step, "step"), (square, "square_avg"), (acc, "acc_delta")):
                    view.copy_(mine[name])
            mine.update({"step": step, "square_avg": square, "acc_delta": acc})

    def update(self, group: dict[str, Any]) -> None:
        """Adadelta's step for every parameter that has a gradient."""
        drawn = [p.grad is not None for p in self.params]
        if drawn != self.drawn:
            self.drawn, self.runs = drawn, list(_runs(self.params))
            small = [run.params if run.end - run.start <= PIECE else [] for run in self.runs]
            self.views = [(_views(self.grad, params), _views(self.delta, params)) for params in small]
            self.counted.copy_(torch.tensor(drawn))
        self.steps += self.counted
        for (params, start, end), (grads, deltas) in zip(self.runs, self.views, strict=True):
            if end - start > PIECE:
                self._update_large(params[0], start, group)
                continue
            n = end - start
            torch._foreach_copy_(grads, [p.grad for p in params])  # type: ignore[misc]
            self._rule(self.grad[:n], start, group)
            torch._foreach_add_(params, deltas, alpha=-group["lr"])

    def _update_large(self, p: Tensor, start: int, group: dict[str, Any]) -> None:
        assert p.grad is not None
        grad = p.grad if p.grad.stride() == p.stride() else torch.empty_like(p).copy_(p.grad)
        numbers, grads = _line(p), _line(grad)
        for at in range(0, p.numel(), PIECE):
            part = slice(at, at + PIECE)
            numbers[part].add_(self._rule(grads[part], start + at, group), alpha=-group["lr"])

    def _rule(self, grad: Tensor, start: int, group: dict[str, Any]) -> Tensor:
        """The very operations of Adadelta, in its order; what is to be added, times -lr."""
        rho, eps, n = group["rho"], group["eps"], len(grad)
        square, acc = self.square_avg[start : start + n], self.acc_delta[start : start + n]
        delta, std = self.delta[:n], self.std[:n]
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        torch.add(square, eps, out=std).sqrt_()
        torch.add(acc, eps, out=delta).sqrt_().div_(std).mul_(grad)
        acc.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        return delta


def _runs(params: list[Tensor]) -> Iterator[_Run]:
    """Parameters with a gradient in runs of at most ``PIECE`` numbers; a larger one is a run by itself."""
    run: list[Tensor] = []
    start = place = 0
    for p in params:
        end = place + p.numel()
        if run and (p.grad is None or end - start > PIECE):
            yield _Run(run, start, place)
            run = []
        if p.grad is not None:
            if not run:
                start = place
            run.append(p)
        place = end
    if run:
        yield _Run(run, start, place)


def _views(flat: Tensor, params: list[Tensor]) -> list[Tensor]:
    """A part of ``flat`` for each parameter, laid out in memory as that is."""
    views, start = [], 0
    for p in params:
        views.append(flat.as_strided(p.shape, p.stride(), start))
        start += p.numel()
    return views


def _line(x: Tensor) -> Tensor:
    """The numbers of a tensor without gaps, in their order in memory."""
    return x.as_strided((x.numel(),), (1,), x.storage_offset())
