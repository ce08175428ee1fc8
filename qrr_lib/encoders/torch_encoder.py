"""States as a tensor program: no simulator, no loop over the batch (lesson 03).

A computer need not follow the qubits gate by gate. Write the amplitude of outcome s as a sum over paths: let x be the bits between
two data layers. A CZ from qubit q to q+1 multiplies the path by (-1)^(x_q·x_{q+1}), a CNOT flips x_{q+1} where x_q is 1, and every
other gate touches one qubit. So each qubit is a small table T[s, in, out] of numbers, `in` being the bit that arrives from its left
neighbour and `out` the bit it hands to the right, and the state is a product of such tables summed over the bits they share:
a matrix product state (Vidal 2003; Schollwöck 2011). Each further layer doubles `in` and `out`. We multiply the tables of the left
half of the qubits, those of the right half, and join the halves in one batched matrix product that writes the state.

The batch is the last axis until that final step, so that every elementary operation runs over long contiguous rows.
"""
from __future__ import annotations

from functools import lru_cache

import torch

from qrr_lib.circuit import Circuit

BLOCK_BYTES = 2**23         # of states computed at a time: small enough for the processor's cache, large enough to keep it busy
SMALL_STATE = 16            # up to this many amplitudes the last join is elementwise, beyond it is a matrix product


def encode(angles: torch.Tensor, circuit: Circuit, chunk_size: int | None = None) -> torch.Tensor:
    """(B, L, n, 2) angles → (B, 2**n) complex states, differentiable; complex64 for float32 angles.

    `chunk_size` states are computed at a time (None picks as many as fit in the cache); the result does not depend on it.
    """
    angles = angles if angles.dtype == torch.float64 else angles.float()
    size = chunk_size or default_chunk(circuit)
    if torch.is_grad_enabled() and angles.requires_grad:
        return torch.cat([_encode_block(block, circuit) for block in angles.split(size)])
    states = angles.new_empty(len(angles), 2**circuit.n_qubits, dtype=angles.dtype.to_complex())
    for block, out in zip(angles.split(size), states.split(size)):
        _encode_block(block, circuit, out)
    return states


def default_chunk(circuit: Circuit) -> int:
    """How many states to compute at a time: about 8 MB of result, fewer where the tables are larger than the state."""
    bond = 1 if circuit.is_product else 2 ** (circuit.n_layers - 1)
    half = 2 ** ((circuit.n_qubits + 1) // 2)
    return max(1, min(8192, BLOCK_BYTES // (8 * max(2**circuit.n_qubits, half * bond**2))))


def _encode_block(angles: torch.Tensor, circuit: Circuit, out: torch.Tensor | None = None) -> torch.Tensor:
    """Encode one block of the batch, into `out` if given."""
    if circuit.angle_shape == (1, 1, 2):
        state = one_qubit(angles)
        return state if out is None else out.copy_(state)
    tables, n = qubit_tables(angles, circuit), circuit.n_qubits
    if n == 1:
        state = BatchFirst.apply(tables[0, :, 0, 0])                # (B, 2)
        return state if out is None else out.copy_(state)
    if n % 2 == 0:                                                  # both halves at once
        left, right = _multiply(tables.unflatten(0, (2, n // 2))).unbind()
    else:
        left, right = (_multiply(part.unsqueeze(0))[0] for part in tables.split([n // 2 + 1, n // 2]))
    pairs = circuit.entangling_pairs()
    if pairs and (n - 1, 0) not in pairs:                           # an open chain: no bit enters on the left,
        left, right = left[:, :1], right.sum(2, keepdim=True)       # and nobody asks for the last one
    state = _close(left, right, out)
    if circuit.trailing and circuit.entangling_pairs():
        order, signs = entangler_action(circuit)
        moved = state[:, order.to(state.device)] * signs.to(state.device, state.real.dtype)
        state = moved if out is None else out.copy_(moved)
    return state


def one_qubit(angles: torch.Tensor) -> torch.Tensor:
    """(B, 1, 1, 2) angles → (B, 2): RZ(γ)RY(θ)|0⟩ = (e^{-iγ/2} cos θ/2, e^{iγ/2} sin θ/2), written out in real numbers."""
    half = angles.flatten(1).t().contiguous() / 2                               # (2, B)
    (c, gamma_c), (s, gamma_s) = half.cos().unbind(), half.sin().unbind()
    parts = torch.stack([c * gamma_c, -c * gamma_s, s * gamma_c, s * gamma_s], dim=-1)
    return torch.view_as_complex(parts.unflatten(1, (2, 2)))


def qubit_tables(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """(B, L, n, 2) angles → the qubits' tables T[q, s, in, out, b]; the bonds `in`, `out` have 2**(L-1) values, or 1."""
    half = angles.permute(3, 1, 2, 0).contiguous() / 2                          # (2, L, n, B)
    (c, gamma_c), (s, gamma_s) = half.cos().unbind(), half.sin().unbind()       # (L, n, B) each
    up = torch.complex(gamma_c, -gamma_s)                                       # e^{-iγ/2}
    phases = torch.stack([up, up.conj()], dim=2).unbind()                       # L times (n, s, B): RZ
    ry = torch.stack([c, -s, s, c], dim=2).unflatten(2, (2, 2)).unbind()        # L times (n, s', s, B): RY
    table = (ry[0][:, :, 0] * phases[0])[:, :, None, None]                      # (n, s, 1, 1, B): RZ RY |0>
    pairs = circuit.entangling_pairs()
    for turn, phase in zip(ry[1:], phases[1:]):
        gate = turn * phase.unsqueeze(2)                                        # (n, s', s, B): RZ RY
        if not pairs:                                                           # T'[s'] = Σ gate[s', s] T[s]
            table = (gate[:, :, :, None, None] * table.unsqueeze(1)).sum(2)
            continue
        bits = torch.stack([table, _if_control_is_one(table, circuit)], dim=3)  # (n, x, in, x_left, out, B)
        bits = bits.movedim(1, 4).unsqueeze(1)                                  # (n, 1, in, x_left, out, x, B)
        table = SumOfProducts.apply(gate[None, :, :, None, None, None], bits[None])      # (n, s', in, x_left, out, x, B): x is handed on
        table = table.flatten(4, 5).flatten(2, 3)                               # (n, s', 2·in, 2·out, B)
    return table


def _if_control_is_one(table: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """What an entangling gate makes of its target's table (n, s, …) when its control is 1: X flips s, Z changes a sign."""
    if circuit.entangler == "cnot_chain":
        return table.flip(1)
    zero, one = table.unbind(1)
    return torch.stack([zero, -one], dim=1)


class SumOfProducts(torch.autograd.Function):
    """Σ_k left[k]·right[k] for broadcasting (K, …) factors, as torch would do it, but with a faster gradient.

    The gradient of a broadcast factor is a sum over the broadcast axes. Summing complex numbers over several axes at once is
    some twenty times slower in PyTorch than over one axis after the other.
    """

    @staticmethod
    def forward(ctx, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(left, right)
        (first, *others), (factor, *factors) = left.unbind(), right.unbind()
        total = first * factor
        for a, b in zip(others, factors):
            total.addcmul_(a, b)
        return total

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        left, right = ctx.saved_tensors
        return _sum_to(grad * right.conj(), left.shape), _sum_to(grad * left.conj(), right.shape)


class BatchFirst(torch.autograd.Function):
    """(K, B) → (B, K) in memory too; its gradient comes back with long rows again, which the steps before rely on."""

    @staticmethod
    def forward(ctx, values: torch.Tensor) -> torch.Tensor:
        return values.t().contiguous()

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        return grad.t().contiguous()


def _sum_to(values: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Sum away the axes that were broadcast from 1, the last first."""
    for axis in reversed(range(values.ndim)):
        if shape[axis] < values.shape[axis]:
            values = values.sum(axis, keepdim=True)
    return values


def _join(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Tables (…, S, i, k, B) and (…, S', k, j, B) of neighbours → (…, S·S', i, j, B): sum over the shared bits k."""
    left = left.movedim(-2, 0).unsqueeze(-3).unsqueeze(-2)                      # (k, …, S, 1, i, 1, B)
    right = right.movedim(-3, 0).unsqueeze(-4).unsqueeze(-3)                    # (k, …, 1, S', 1, j, B)
    return SumOfProducts.apply(left, right).flatten(-5, -4)


def _multiply(tables: torch.Tensor) -> torch.Tensor:
    """Join runs of m neighbouring qubits, two by two: (runs, m, S, in, out, B) → (runs, S**m, in, out, B)."""
    m = tables.shape[1]
    if m == 1:
        return tables[:, 0]
    if m % 2:
        return _join(_multiply(tables[:, :-1]), tables[:, -1])
    return _multiply(_join(*tables.unflatten(1, (m // 2, 2)).unbind(2)))


def _close(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor | None) -> torch.Tensor:
    """Join the two halves, and in a ring also the last qubit to the first: (S, i, k, B), (S', k, i, B) → (B, S·S')."""
    left, right = left.flatten(1, 2), right.transpose(1, 2).flatten(1, 2)       # (S, i·k, B), (S', i·k, B)
    (rows, bonds, batch), columns = left.shape, len(right)
    if rows * columns <= SMALL_STATE:
        state = BatchFirst.apply(_join(left.unsqueeze(1), right.unsqueeze(2))[:, 0, 0])
        return state if out is None else out.copy_(state)
    left = BatchFirst.apply(left.flatten(0, 1)).view(batch, rows, bonds)         # (B, S, i·k)
    right = BatchFirst.apply(right.flatten(0, 1)).view(batch, columns, bonds)    # (B, S', i·k)
    if bonds == 1:                                                              # nothing to sum: an outer product
        target = None if out is None else out.view(batch, rows, columns)
        return torch.mul(left, right.transpose(1, 2), out=target).flatten(1)
    if out is None:
        return torch.bmm(left, right.transpose(1, 2)).flatten(1)
    torch.bmm(left, right.transpose(1, 2), out=out.view(batch, rows, columns))
    return out


@lru_cache(maxsize=64)
def entangler_action(circuit: Circuit) -> tuple[torch.Tensor, torch.Tensor]:
    """Run one block's gates on the basis states: new amplitude j is signs[j] times old amplitude order[j]."""
    n = circuit.n_qubits
    index = torch.arange(2**n)
    order, signs = index, torch.ones(2**n)
    for gate in Circuit(n, 1, circuit.entangler, trailing=True).gates():
        if gate.angle is not None:
            continue
        control, target = ((index >> (n - 1 - q)) & 1 for q in gate.qubits)
        if gate.name == "cz":
            signs = signs * (1 - 2 * (control & target))
        else:                                                                   # CNOT: amplitude comes from the flipped target
            source = index ^ (control << (n - 1 - gate.qubits[1]))
            order, signs = order[source], signs[source]
    return order, signs
