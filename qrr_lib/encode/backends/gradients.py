"""Four steps of the torch encoder whose gradient is written by hand, because PyTorch's own takes several times as long (lesson 03).

Each `backward` is made of ordinary tensor operations, so second derivatives work too.
"""
from __future__ import annotations

import torch


def apply(function: type[torch.autograd.Function], *arguments):
    """Call one of the functions below, leaving out the record for gradients when none is wanted: it costs more than a small product."""
    return function.apply(*arguments) if torch.is_grad_enabled() else function.forward(None, *arguments)


class Rotations(torch.autograd.Function):
    """Angles (B, L, n, 2) → RZ(γ)·RY(θ) as (s', s, L, n, B): ((c·e⁻, -s·e⁻), (s·e⁺, c·e⁺)), with c, s of θ/2 and e^± = e^{±iγ/2}.

    Its derivative by θ is half the matrix whose columns are (second, -first); by γ, it multiplies the rows by -i/2 and i/2.
    """

    @staticmethod
    def forward(ctx, angles: torch.Tensor) -> torch.Tensor:
        half = angles.permute(3, 1, 2, 0).contiguous().mul_(0.5)                # (2, L, n, B)
        (c, gamma_c), (s, gamma_s) = half.cos(), half.sin()
        turn = torch.stack([c, -s, s, c]).unflatten(0, (2, 2))
        gates = torch.complex(turn * gamma_c, turn * torch.stack([-gamma_s, gamma_s]).unsqueeze(1))
        if ctx is not None:
            ctx.save_for_backward(gates)
        return gates

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        gates, = ctx.saved_tensors
        first, second = gates.unbind(1)
        to_first, to_second = grad.conj_physical().unbind(1)
        theta = (to_first * second - to_second * first).real.sum(0)
        gamma = (to_first * first + to_second * second).imag
        return torch.stack([theta, gamma[0] - gamma[1]]).mul(0.5).permute(3, 1, 2, 0)


class SumOfProducts(torch.autograd.Function):
    """Σ_k left_k·right_k for broadcasting factors, k being the given axis, as torch would do it, but with a faster gradient.

    The gradient of a broadcast factor is a sum over the broadcast axes. Summing complex numbers over several axes at once is
    some twenty times slower in PyTorch than over one axis after the other.
    """

    @staticmethod
    def forward(ctx, left: torch.Tensor, right: torch.Tensor, axis: int) -> torch.Tensor:
        if ctx is not None:
            ctx.save_for_backward(left, right)
            ctx.axis = axis
        (first, *others), (factor, *factors) = left.unbind(axis), right.unbind(axis)
        total = first * factor
        for a, b in zip(others, factors):
            total.addcmul_(a, b)
        return total

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        left, right = (factor.conj_physical().unbind(ctx.axis) for factor in ctx.saved_tensors)
        to_left = torch.stack([_sum_to(grad * b, a.shape) for a, b in zip(left, right)], ctx.axis)
        return to_left, torch.stack([_sum_to(grad * a, b.shape) for a, b in zip(left, right)], ctx.axis), None


class BatchFirst(torch.autograd.Function):
    """(K, B) → (B, K) in memory too; its gradient comes back with long rows again, which the steps before rely on."""

    @staticmethod
    def forward(ctx, values: torch.Tensor) -> torch.Tensor:
        return values.t().contiguous()

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        return grad.t().contiguous()


class BatchedProduct(torch.autograd.Function):
    """left·rightᵀ for each of a batch: (B, S, K), (B, S', K) → (B, S, S'); an outer product is faster elementwise, its gradient is not."""

    @staticmethod
    def forward(ctx, left: torch.Tensor, right: torch.Tensor, out: torch.Tensor | None) -> torch.Tensor:
        if ctx is not None:
            ctx.save_for_backward(left, right)
        return (torch.mul if left.shape[2] == 1 else torch.bmm)(left, right.transpose(1, 2), out=out)

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        left, right = ctx.saved_tensors
        return torch.bmm(grad, right.conj()), torch.bmm(grad.transpose(1, 2), left.conj()), None


def _sum_to(values: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Sum away the axes that were broadcast from 1, the last first."""
    for axis in reversed(range(values.ndim)):
        if shape[axis] < values.shape[axis]:
            values = values.sum(axis, keepdim=True)
    return values
