"""States as a tensor program: no simulator, no loop over the batch (lesson 03).

A computer need not follow the qubits gate by gate. Write the amplitude of outcome s as a sum over paths: let x be the bits between
two data layers. A CZ from qubit q to q+1 multiplies the path by (-1)^(x_q·x_{q+1}), a CNOT flips x_{q+1} where x_q is 1, and every
other gate touches one qubit. So each qubit is a small table T[s, in, out] of numbers, `in` being the bit that arrives from its left
neighbour and `out` the bit it hands to the right, and the state is a product of such tables summed over the bits they share:
a matrix product state (Vidal 2003; Schollwöck 2011). Each further layer doubles `in` and `out`. We multiply the tables of the left
half of the qubits, those of the right half, and join the halves in one batched matrix product that writes the state.

The batch is the last axis until that final step, so that every elementary operation runs over long contiguous rows, and all qubits
go through the same operation at once: with a thousand small states, PyTorch's fixed cost per operation counts as much as the arithmetic.
"""
from __future__ import annotations

from functools import lru_cache

import torch

from qrr_lib.encode.backends.gradients import BatchedProduct, BatchFirst, Rotations, SumOfProducts, apply
from qrr_lib.encode.circuit import Circuit, Gate

BLOCK_BYTES = 2**23         # of states computed at a time: bounds the memory, and is large enough to keep the processor busy
SMALL_STATE = 16            # up to this many amplitudes the last join is elementwise, beyond it is a matrix product


def encode(angles: torch.Tensor, circuit: Circuit, chunk_size: int | None = None) -> torch.Tensor:
    """(B, L, n, 2) angles → (B, 2**n) complex states, differentiable; complex64 for float32 angles.

    `chunk_size` states are computed at a time (None: about 8 MB of them); the result does not depend on it.
    """
    angles = angles if angles.dtype == torch.float64 else angles.float()
    size = chunk_size or default_chunk(circuit)
    if torch.is_grad_enabled() and angles.requires_grad:
        blocks = [_encode_block(block, circuit) for block in angles.split(size)]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    states = angles.new_empty(len(angles), 2**circuit.n_qubits, dtype=angles.dtype.to_complex())
    with torch.inference_mode():                                    # no views to track, no versions to count: a fifth of the time
        for block, out in zip(angles.split(size), states.split(size)):
            _encode_block(block, circuit, out)
    return states


def default_chunk(circuit: Circuit) -> int:
    """How many states to compute at a time: about 8 MB of result, fewer where the tables are larger than the state."""
    bond = 1 if circuit.is_product else 2 ** (circuit.n_layers - 1)
    half = 2 ** ((circuit.n_qubits + 1) // 2)
    return max(1, min(8192, BLOCK_BYTES // (8 * max(2**circuit.n_qubits, half * bond**2))))


@lru_cache(maxsize=64)
def entangling_block(circuit: Circuit) -> tuple[tuple[Gate, ...], bool]:
    """Read the circuit's list of gates: the block between layers (or after the only one), and whether the last layer has it too.

    Raises NotImplementedError for a list the tables below do not describe: RY then RZ on each qubit, then CZ or CNOT from each qubit
    to the next, in order; CZ also from the last to the first.
    """
    rotations, blocks, layer = [[] for _ in range(circuit.n_qubits)], [[] for _ in range(circuit.n_layers)], 0
    for gate in circuit.gates():
        if gate.angle is None:
            blocks[layer].append(gate)
        else:
            layer, q, which = gate.angle
            rotations[q].append((gate.name, gate.qubits, layer, which, not blocks[layer]))
    for q, found in enumerate(rotations):
        if found != [(name, (q,), layer, i, True) for layer in range(circuit.n_layers) for i, name in enumerate(("ry", "rz"))]:
            raise NotImplementedError(f"qubit {q} of {circuit} does not turn by RY, then RZ, in each layer")
    chain = [(q, q + 1) for q in range(circuit.n_qubits - 1)]
    known = [[]] + [[Gate(name, pair) for pair in chain] for name in ("cz", "cnot")] + [[Gate("cz", p) for p in [*chain, (len(chain), 0)]]]
    if blocks[0] not in known or any(block != blocks[0] for block in blocks[:-1]) or blocks[-1] not in ([], blocks[0]):
        raise NotImplementedError(f"the entangling gates of {circuit} are no chain or ring of neighbours")
    return tuple(blocks[0]), bool(blocks[-1])


def _encode_block(angles: torch.Tensor, circuit: Circuit, out: torch.Tensor | None = None) -> torch.Tensor:
    """Encode one block of the batch, into `out` if given."""
    (block, trailing), n = entangling_block(circuit), circuit.n_qubits
    if circuit.angle_shape == (1, 1, 2):
        state = one_qubit(angles)
        return state if out is None else out.copy_(state)
    tables = qubit_tables(angles, circuit)
    if n == 1:
        return _batch_first(tables.flatten(0, 3), out)
    if n % 2 == 0:                                                  # both halves at once
        left, right = _multiply(tables.unflatten(3, (2, n // 2))).unbind(3)
    else:
        left, right = (_multiply(part) for part in tables.split([n // 2 + 1, n // 2], dim=3))
    if block and block[-1].qubits != (n - 1, 0):                    # an open chain: no bit enters on the left,
        left, right = left[:, :1], right.sum(2, keepdim=True)       # and nobody asks for the last one
    if not trailing:
        return _close(left, right, out)
    order, signs = entangler_action(circuit)
    state = _close(left, right)[:, order.to(angles.device)] * signs.to(angles)
    return state if out is None else out.copy_(state)


def one_qubit(angles: torch.Tensor) -> torch.Tensor:
    """(B, 1, 1, 2) angles → (B, 2): RZ(γ)RY(θ)|0⟩ = (e^{-iγ/2} cos θ/2, e^{iγ/2} sin θ/2), written out in real numbers."""
    half = angles.flatten(1).t().contiguous() / 2                               # (2, B)
    (c, gamma_c), (s, gamma_s) = half.cos().unbind(), half.sin().unbind()
    parts = torch.stack([c * gamma_c, -c * gamma_s, s * gamma_c, s * gamma_s], dim=-1)
    return torch.view_as_complex(parts.unflatten(1, (2, 2)))


def qubit_tables(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """(B, L, n, 2) angles → the qubits' tables T[s, in, out, q, b]; the bonds `in`, `out` have 2**(L-1) values, or 1."""
    block, _ = entangling_block(circuit)
    first, *later = apply(Rotations, angles).unbind(2)                         # L times (s', s, n, B)
    table = first.unbind(1)[0][:, None, None]                                   # (s, 1, 1, n, B): RZ RY |0>
    for gate in later:
        if not block:                                                           # T'[s'] = Σ gate[s', s] T[s]
            table = apply(SumOfProducts, gate[:, :, None, None], table.unsqueeze(0), 1)
            continue
        zero, one = table.unbind()                                              # an arriving 1 flips s, or changes a sign
        changed = [one, zero] if block[0].name == "cnot" else [zero, -one]
        bits = torch.stack([zero, one, *changed]).unflatten(0, (2, 2)).transpose(1, 2)      # (x_left, in, x, out, n, B)
        gate = gate[None, :, None, None, :, None]                               # (1, s', 1, 1, x, 1, n, B)
        table = apply(SumOfProducts, gate, bits[None, None], 0)                # one product: x is not summed but handed on
        table = table.flatten(3, 4).flatten(1, 2)                               # (s', 2·in, 2·out, n, B)
    return table


def _batch_first(values: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    return apply(BatchFirst, values) if out is None else out.copy_(values.t())


def _join(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Tables (S, i, k, …, B) and (S', k, j, …, B) of neighbours → (S·S', i, j, …, B): sum over the shared bits k."""
    left, right = left.unsqueeze(1).unsqueeze(4), right.unsqueeze(0).unsqueeze(2)       # (S, 1, i, k, 1, …), (1, S', 1, k, j, …)
    return apply(SumOfProducts, left, right, 3).flatten(0, 1)


def _multiply(tables: torch.Tensor) -> torch.Tensor:
    """Join m neighbouring qubits, two by two: (S, i, j, …, m, B) → (S**m, i, j, …, B)."""
    m = tables.shape[-2]
    if m == 1:
        return tables.squeeze(-2)
    if m % 2:
        return _join(_multiply(tables[..., :-1, :]), tables[..., -1, :])
    neighbours = tables.unflatten(-2, (m // 2, 2)).unbind(-2)
    return _multiply(_join(*neighbours))


def _close(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """Join the two halves, and in a ring also the last qubit to the first: (S, i, k, B), (S', k, i, B) → (B, S·S')."""
    left, right = left.flatten(1, 2), right.transpose(1, 2).flatten(1, 2)       # (S, i·k, B), (S', i·k, B)
    (rows, bonds, batch), columns = left.shape, len(right)
    if rows * columns <= SMALL_STATE:
        return _batch_first(apply(SumOfProducts, left.unsqueeze(1), right.unsqueeze(0), 2).flatten(0, 1), out)
    left = _batch_first(left.flatten(0, 1)).view(batch, rows, bonds)
    right = _batch_first(right.flatten(0, 1)).view(batch, columns, bonds)
    return apply(BatchedProduct, left, right, None if out is None else out.view(batch, rows, columns)).flatten(1)


@lru_cache(maxsize=64)
@torch.inference_mode(False)        # kept and used again, with gradients too
def entangler_action(circuit: Circuit) -> tuple[torch.Tensor, torch.Tensor]:
    """Run one block's gates on the basis states: new amplitude j is signs[j] times old amplitude order[j]."""
    n = circuit.n_qubits
    index = torch.arange(2**n)
    order, signs = index, torch.ones(2**n)
    for gate in entangling_block(circuit)[0]:
        control, target = ((index >> (n - 1 - q)) & 1 for q in gate.qubits)
        if gate.name == "cz":
            signs = signs * (1 - 2 * (control & target))
        else:                                                                   # CNOT: amplitude comes from the flipped target
            source = index ^ (control << (n - 1 - gate.qubits[1]))
            order, signs = order[source], signs[source]
    return order, signs
