"""States as a tensor program: no simulator, no loop over the batch (lesson 15).

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

import torch

from qrr_lib.encode.backends.gradients import BatchFirst, SumOfProducts, apply
from qrr_lib.encode.backends.torch import entangle
from qrr_lib.encode.circuit import Circuit

# of states computed at a time: bounds the memory, and keeps the processor busy
BLOCK_BYTES = 2**23
# up to so many amplitudes the last join is elementwise, beyond it is a matrix product
SMALL_STATE = 16


def encode(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """(B, L, n, 2) angles → (B, 2**n) complex states, differentiable; complex64 for
    float32 angles.

    About 8 MB of states are computed at a time. NotImplementedError for a subclass of
    `Circuit`, whose gates may be others than this program describes.
    """
    if type(circuit) is not Circuit:
        raise NotImplementedError(
            f"the gates of a {type(circuit).__name__} may be others than those of a "
            "Circuit: take another backend"
        )
    angles = angles if angles.dtype == torch.float64 else angles.float()
    size = states_at_a_time(circuit)
    if torch.is_grad_enabled() and angles.requires_grad:
        blocks = [_encode_block(block, circuit) for block in angles.split(size)]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    shape = len(angles), 2**circuit.n_qubits
    states = angles.new_empty(shape, dtype=angles.dtype.to_complex())
    # no views to track, no versions to count: a fifth of the time
    with torch.inference_mode():
        for block, out in zip(angles.split(size), states.split(size)):
            _encode_block(block, circuit, out)
    return states


def states_at_a_time(circuit: Circuit) -> int:
    """How many states make about 8 MB of result; fewer where the tables are larger
    than the state.
    """
    bond = 1 if circuit.is_product else 2 ** (circuit.n_layers - 1)
    half_a_state = 2 ** ((circuit.n_qubits + 1) // 2)
    numbers = max(2**circuit.n_qubits, half_a_state * bond**2)
    return max(1, min(8192, BLOCK_BYTES // (8 * numbers)))


def _encode_block(
    angles: torch.Tensor, circuit: Circuit, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Encode one block of the batch, into `out` if given."""
    n, pairs = circuit.n_qubits, circuit.entangling_pairs()
    if circuit.angle_shape == (1, 1, 2):
        return _copy(one_qubit(angles), out)
    tables = qubit_tables(angles, circuit)
    if n == 1:
        return _batch_first(tables.flatten(0, 3), out)
    left, right = _halves(tables)
    if len(pairs) == n - 1:
        # an open chain: no bit arrives on the left, and those that leave are summed
        left, right = left[:, :1], right.sum(2, keepdim=True)
    if not (pairs and circuit.trailing):
        return _close(left, right, out)
    state = _close(left, right)
    for gate in list(circuit.gates())[-len(pairs) :]:
        state = entangle(state, gate.name, *gate.qubits)
    return _copy(state, out)


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
    entangled = bool(circuit.entangling_pairs())
    first, *later = rotations(angles).unbind(2)  # L times (s', s, n, B)
    table = first.unbind(1)[0][:, None, None]  # RZ·RY|0⟩: (s, 1, 1, n, B)
    for turn in later:
        if not entangled:  # T'[s'] = Σ turn[s', s]·T[s]
            table = apply(SumOfProducts, turn[:, :, None, None], table.unsqueeze(0), 1)
            continue
        zero, one = table.unbind()  # where a 1 arrives, s flips or a sign changes
        changed = [one, zero] if circuit.entangler == "cnot_chain" else [zero, -one]
        table = torch.stack([zero, one, *changed]).unflatten(0, (2, 2))
        table = table.transpose(1, 2)[None, None]  # (1, 1, x_left, in, x, out, n, B)
        turn = turn[None, :, None, None, :, None]  # (1, s', 1, 1, x, 1, n, B)
        # a plain product: x is not summed over but handed on
        table = apply(SumOfProducts, turn, table, 0)  # (s', x_left, in, x, out, n, B)
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


def _halves(tables: torch.Tensor) -> list[torch.Tensor]:
    """Multiply the tables of the left half of the qubits, and those of the right."""
    n = tables.shape[3]
    if n % 2 == 0:  # both at once
        return _multiply(tables.unflatten(3, (2, n // 2))).unbind(3)
    parts = tables.split([n // 2 + 1, n // 2], dim=3)
    return [_multiply(part) for part in parts]


def _multiply(tables: torch.Tensor) -> torch.Tensor:
    """Join m neighbours, two by two: (S, i, j, …, m, B) → (S**m, i, j, …, B)."""
    m = tables.shape[-2]
    if m == 1:
        return tables.squeeze(-2)
    if m % 2:
        return _join(_multiply(tables[..., :-1, :]), tables[..., -1, :])
    neighbours = tables.unflatten(-2, (m // 2, 2)).unbind(-2)
    return _multiply(_join(*neighbours))


def _join(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Tables (S, i, k, …, B) and (S', k, j, …, B) of neighbours → (S·S', i, j, …, B):
    sum over the shared bits k.
    """
    left = left.unsqueeze(1).unsqueeze(4)  # (S, 1, i, k, 1, …)
    right = right.unsqueeze(0).unsqueeze(2)  # (1, S', 1, k, j, …)
    return apply(SumOfProducts, left, right, 3).flatten(0, 1)


def _close(
    left: torch.Tensor, right: torch.Tensor, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Join the two halves, and in a ring also the last qubit to the first: (S, i, k,
    B), (S', k, i, B) → (B, S·S').
    """
    left = left.flatten(1, 2)  # (S, i·k, B)
    right = right.transpose(1, 2).flatten(1, 2)  # (S', i·k, B)
    (rows, bonds, batch), columns = left.shape, len(right)
    if rows * columns <= SMALL_STATE:
        state = apply(SumOfProducts, left.unsqueeze(1), right.unsqueeze(0), 2)
        return _batch_first(state.flatten(0, 1), out)
    left = _batch_first(left.flatten(0, 1)).view(batch, rows, bonds)
    right = _batch_first(right.flatten(0, 1)).view(batch, columns, bonds)
    # an outer product is faster elementwise
    product = torch.mul if bonds == 1 else torch.bmm
    out = None if out is None else out.view(batch, rows, columns)
    return product(left, right.transpose(1, 2), out=out).flatten(1)


def _batch_first(values: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    return apply(BatchFirst, values) if out is None else out.copy_(values.t())


def _copy(values: torch.Tensor, out: torch.Tensor | None) -> torch.Tensor:
    return values if out is None else out.copy_(values)
