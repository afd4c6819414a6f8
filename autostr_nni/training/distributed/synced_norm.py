"""BatchNorm over the joint batch of several processes, on GPUs and on CPUs."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SyncedBatchNorm(nn.SyncBatchNorm):
    """torch's SyncBatchNorm, which knows GPUs only, and its like for CPUs. All processes must run it."""

    def forward(self, x: Tensor) -> Tensor:
        together = self.training and dist.is_initialized() and dist.get_world_size() > 1
        if x.is_cuda or not together:
            return super().forward(x)
        joined: tuple[Tensor, ...] = _JointNorm.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        y, mean, variance, count = joined
        if self.track_running_stats and self.running_mean is not None:
            self._record(mean, variance, count)
        return y

    @torch.no_grad()
    def _record(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics, with the unbiased variance, as BatchNorm does."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        unbiased = variance * (count / (count - 1).clamp_min(1))
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)


class _JointNorm(torch.autograd.Function):
    """Normalises ``[B, C, ...]`` by mean and variance over the batches of all processes, and back.

    Statistics are joined from each process's own (Chan, Golub and LeVeque, 1983) in double precision.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        over = [d for d in range(x.dim()) if d != 1]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, over, correction=0)
        count = torch.tensor([x.numel() / x.shape[1]], dtype=torch.float64)
        mine = torch.cat([mean.double(), variance.double(), count])
        gathered = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(gathered, mine)
        rows = torch.stack(gathered)
        means, variances, counts = torch.split(rows, [x.shape[1], x.shape[1], 1], 1)
        total = counts.sum(0)
        joint = (means * counts).sum(0) / total
        spread = ((variances + (means - joint).square()) * counts).sum(0) / total
        shape = [1, -1] + [1] * (x.dim() - 2)
        scale = (spread + eps).rsqrt().to(wide.dtype)
        normal = (wide - joint.to(wide.dtype).view(shape)) * scale.view(shape)
        ctx.save_for_backward(normal, scale, weight)
        ctx.total = total
        y = (normal * weight.view(shape) + bias.view(shape)).to(x.dtype)
        ctx.mark_non_differentiable(joint, spread, total)
        return y, joint, spread, total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        normal, scale, weight = ctx.saved_tensors
        over = [d for d in range(normal.dim()) if d != 1]
        shape = [1, -1] + [1] * (normal.dim() - 2)
        wide = gradient.to(normal.dtype)
        for_bias, for_weight = wide.sum(over), (wide * normal).sum(over)
        joint = torch.stack([for_bias, for_weight]).double()
        dist.all_reduce(joint)
        mean, along = (joint / ctx.total).to(normal.dtype)
        back = (wide - mean.view(shape) - normal * along.view(shape)) * (scale * weight).view(shape)
        return back.to(gradient.dtype), for_weight, for_bias, None


def synchronise(module: nn.Module) -> None:
    """Replace every BatchNorm in ``module`` by one over the joint batch, with the same tensors."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, _synced(child))
        else:
            synchronise(child)


def _synced(norm: _BatchNorm) -> SyncedBatchNorm:
    assert norm.momentum is not None and norm.affine and norm.track_running_stats
    synced = SyncedBatchNorm(norm.num_features, norm.eps, norm.momentum)
    synced._parameters, synced._buffers = norm._parameters, norm._buffers
    synced.train(norm.training)
    return synced
