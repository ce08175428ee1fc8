"""States as a tensor program: no simulator, no loop over the batch (lesson 03).

A computer need not follow the qubits gate by gate. Write the amplitude of outcome s as
a sum over paths: let x be the bits between two data layers. A CZ from qubit q to q+1
multiplies the path by (-1)^(x_q·x_{q+1}), a CNOT flips x_{q+1} where x_q is 1, and
every other gate touches one qubit. So each qubit is a small table T[s, in, out] of
numbers, `in` being the bit that arrives from its left neighbour and `out` the bit it
hands to the right, and the state is a product of such tables summed over the bits they
share: a matrix product state (Vidal 2003; Schollwöck 2011). Each further layer doubles
`in` and `out`. We multiply the tables of the left half of the qubits, those of the
right half, and join the halves in one batched matrix product that writes the state.

The batch is the last axis until that final step, so that every elementary operation
runs over long contiguous rows, and all qubits go through the same operation at once:
with a thousand small states, PyTorch's fixed cost per operation counts as much as the
arithmetic.
"""

from __future__ import annotations

import torch

from qrr_lib.encode.backends.entangler import entangler_action, entangling_block
from qrr_lib.encode.backends.gradients import BatchFirst, SumOfProducts, apply
from qrr_lib.encode.circuit import Circuit

# of states computed at a time: bounds the memory, and is large enough to keep the
# processor busy
BLOCK_BYTES = 2**23


# up to this many amplitudes the last join is elementwise, beyond it is a matrix product
SMALL_STATE = 16


def encode(
    angles: torch.Tensor, circuit: Circuit, chunk_size: int | None = None
) -> torch.Tensor:
    """(B, L, n, 2) angles → (B, 2**n) complex states, differentiable; complex64 for
    float32 angles.

    `chunk_size` states are computed at a time (None: about 8 MB of them); the result
    does not depend on it.
    """
    angles = angles if angles.dtype == torch.float64 else angles.float()
    size = chunk_size or default_chunk(circuit)
    if torch.is_grad_enabled() and angles.requires_grad:
        blocks = [_encode_block(block, circuit) for block in angles.split(size)]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    states = angles.new_empty(
        len(angles), 2**circuit.n_qubits, dtype=angles.dtype.to_complex()
    )
    # no views to track, no versions to count: a fifth of the time
    with torch.inference_mode():
        for block, out in zip(angles.split(size), states.split(size)):
            _encode_block(block, circuit, out)
    return states


def default_chunk(circuit: Circuit) -> int:
    """How many states to compute at a time: about 8 MB of result, fewer where the
    tables are larger than the state.
    """
    bond = 1 if circuit.is_product else 2 ** (circuit.n_layers - 1)
    half = 2 ** ((circuit.n_qubits + 1) // 2)
    return max(
        1, min(8192, BLOCK_BYTES // (8 * max(2**circuit.n_qubits, half * bond**2)))
    )


def _encode_block(
    angles: torch.Tensor, circuit: Circuit, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Encode one block of the batch, into `out` if given."""
    (block, trailing), n = entangling_block(circuit), circuit.n_qubits
    if circuit.angle_shape == (1, 1, 2):
        state = one_qubit(angles)
        return state if out is None else out.copy_(state)
    tables = qubit_tables(angles, circuit)
    if n == 1:
        return _batch_first(tables.flatten(0, 3), out)
    if n % 2 == 0:  # both halves at once
        left, right = _multiply(tables.unflatten(3, (2, n // 2))).unbind(3)
    else:
        left, right = (
            _multiply(part) for part in tables.split([n // 2 + 1, n // 2], dim=3)
        )
    # an open chain: no bit enters on the left,
    if block and block[-1].qubits != (
        n - 1,
        0,
    ):
        # and nobody asks for the last one
        left = left[:, :1]
        right = right.sum(2, keepdim=True)
    if not trailing:
        return _close(left, right, out)
    order, signs = entangler_action(circuit)
    state = _close(left, right)[:, order.to(angles.device)] * signs.to(angles)
    return state if out is None else out.copy_(state)


def one_qubit(angles: torch.Tensor) -> torch.Tensor:
    """(B, 1, 1, 2) angles → (B, 2): RZ(γ)RY(θ)|0⟩ = (e^{-iγ/2} cos θ/2, e^{iγ/2} sin
    θ/2), written out in real numbers.
    """
    half = angles.flatten(1).t().contiguous() / 2  # (2, B)
    (c, gamma_c), (s, gamma_s) = half.cos().unbind(), half.sin().unbind()
    parts = torch.stack([c * gamma_c, -c * gamma_s, s * gamma_c, s * gamma_s], dim=-1)
    return torch.view_as_complex(parts.unflatten(1, (2, 2)))


def qubit_tables(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """(B, L, n, 2) angles → the qubits' tables T[s, in, out, q, b]; the bonds `in`,
    `out` have 2**(L-1) values, or 1.
    """
    block, _ = entangling_block(circuit)
    first, *later = rotations(angles).unbind(2)  # L times (s', s, n, B)
    table = first.unbind(1)[0][:, None, None]  # (s, 1, 1, n, B): RZ RY |0>
    for gate in later:
        if not block:  # T'[s'] = Σ gate[s', s] T[s]
            table = apply(SumOfProducts, gate[:, :, None, None], table.unsqueeze(0), 1)
            continue
        zero, one = table.unbind()  # an arriving 1 flips s, or changes a sign
        changed = [one, zero] if block[0].name == "cnot" else [zero, -one]
        # (x_left, in, x, out, n, B)
        bits = torch.stack([zero, one, *changed]).unflatten(0, (2, 2)).transpose(1, 2)
        gate = gate[None, :, None, None, :, None]  # (1, s', 1, 1, x, 1, n, B)
        # one product: x is not summed but handed on
        table = apply(SumOfProducts, gate, bits[None, None], 0)
        table = table.flatten(3, 4).flatten(1, 2)  # (s', 2·in, 2·out, n, B)
    return table


def rotations(angles: torch.Tensor) -> torch.Tensor:
    """RZ(γ)·RY(θ) of every angle pair: (B, L, n, 2) → (s', s, L, n, B) complex.

    The matrix is ((c·e⁻, −s·e⁻), (s·e⁺, c·e⁺)), c and s of θ/2 and e^± = e^{±iγ/2}.
    """
    half = angles.permute(3, 1, 2, 0).contiguous() * 0.5  # (2, L, n, B)
    (c, gamma_c), (s, gamma_s) = half.cos(), half.sin()
    turn = torch.stack([c, -s, s, c]).unflatten(0, (2, 2))
    sign = torch.stack([-gamma_s, gamma_s]).unsqueeze(1)
    return torch.complex(turn * gamma_c, turn * sign)


def _batch_first(values: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    return apply(BatchFirst, values) if out is None else out.copy_(values.t())


def _join(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Tables (S, i, k, …, B) and (S', k, j, …, B) of neighbours → (S·S', i, j, …, B):
    sum over the shared bits k.
    """
    # (S, 1, i, k, 1, …), (1, S', 1, k, j, …)
    left = left.unsqueeze(1).unsqueeze(4)
    right = right.unsqueeze(0).unsqueeze(2)
    return apply(SumOfProducts, left, right, 3).flatten(0, 1)


def _multiply(tables: torch.Tensor) -> torch.Tensor:
    """Join m neighbours, two by two: (S, i, j, …, m, B) → (S**m, i, j, …, B)."""
    m = tables.shape[-2]
    if m == 1:
        return tables.squeeze(-2)
    if m % 2:
        return _join(_multiply(tables[..., :-1, :]), tables[..., -1, :])
    neighbours = tables.unflatten(-2, (m // 2, 2)).unbind(-2)
    return _multiply(_join(*neighbours))


def _close(
    left: torch.Tensor, right: torch.Tensor, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Join the two halves, and in a ring also the last qubit to the first: (S, i, k,
    B), (S', k, i, B) → (B, S·S').
    """
    # (S, i·k, B), (S', i·k, B)
    left = left.flatten(1, 2)
    right = right.transpose(1, 2).flatten(1, 2)
    (rows, bonds, batch), columns = left.shape, len(right)
    if rows * columns <= SMALL_STATE:
        return _batch_first(
            apply(SumOfProducts, left.unsqueeze(1), right.unsqueeze(0), 2).flatten(
                0, 1
            ),
            out,
        )
    left = _batch_first(left.flatten(0, 1)).view(batch, rows, bonds)
    right = _batch_first(right.flatten(0, 1)).view(batch, columns, bonds)
    # an outer product is faster elementwise
    product = torch.mul if bonds == 1 else torch.bmm
    out = None if out is None else out.view(batch, rows, columns)
    return product(left, right.transpose(1, 2), out=out).flatten(1)
