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

from functools import lru_cache

import torch

from qrr_lib.encode.backends.gradients import BatchFirst, SumOfProducts, apply
from qrr_lib.encode.backends.torch import entangle
from qrr_lib.encode.circuit import Circuit

# of states computed at a time: bounds the memory, and keeps the processor busy
BLOCK_BYTES = 2**23
# up to so many amplitudes the last join is elementwise, beyond it is a matrix product
SMALL_STATE = 16
# see `rotations`: what makes (θ+γ)/2 and (θ−γ)/2 of θ and γ, twice; the quarter turn
# that makes sines of the second two cosines; and the parts of RZ·RY that all four make
WAVES = {
    dtype: (
        torch.tensor([[1, 1], [1, -1], [1, 1], [1, -1]], dtype=dtype) / 2,
        torch.tensor([[0], [0], [1], [1]], dtype=dtype) * (-torch.pi / 2),
        torch.tensor(
            [[1, 1, 0, 0], [0, 0, -1, 1], [0, 0, 1, 1], [-1, 1, 0, 0]]  # RZ·RY|0⟩
            + [[0, 0, -1, -1], [-1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, -1]],  # RZ·RY|1⟩
            dtype=dtype,
        )
        / 2,  # (s, s', real or imaginary; wave)
    )
    for dtype in (torch.float32, torch.float64)
}


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
    # no matrix product in bfloat16, whatever the head runs in
    with torch.autocast(angles.device.type, enabled=False):
        if len(angles) <= size:
            return _encode_block(angles, circuit)
        if torch.is_grad_enabled() and angles.requires_grad:
            return torch.cat([_encode_block(b, circuit) for b in angles.split(size)])
        shape = len(angles), 2**circuit.n_qubits
        states = angles.new_empty(shape, dtype=angles.dtype.to_complex())
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
        state = one_qubit(angles)
        return state if out is None else out.copy_(state)
    tables = qubit_tables(angles, circuit)
    if n == 1:
        return _batch_first(tables.flatten(0, 3), out)
    left, right = _halves(tables)
    if len(pairs) == n - 1:
        # an open chain: no bit arrives on the left, and those that leave are summed
        left, right = left[:, :1], right.sum(2, keepdim=True)
    if not (pairs and circuit.trailing):
        return _close(left, right, out)
    index, sign = (part.to(angles.device) for part in _ending(circuit))
    state = _close(left, right)
    if circuit.entangler == "cz_ring":
        return torch.mul(state, sign, out=out)
    return torch.index_select(state, 1, index, out=out)


@lru_cache(maxsize=32)
def _ending(circuit: Circuit) -> tuple[torch.Tensor, torch.Tensor]:
    """What the trailing entangler does, in one step: where the amplitude of each
    outcome comes from, and its sign.
    """
    with torch.inference_mode(False):  # kept for later calls, of training too
        marks = torch.arange(1, 2**circuit.n_qubits + 1)[None]
        for gate in list(circuit.gates())[-len(circuit.entangling_pairs()) :]:
            marks = entangle(marks, gate.name, *gate.qubits)
        return marks[0].abs() - 1, marks[0].sign().float()


def one_qubit(angles: torch.Tensor) -> torch.Tensor:
    """(B, 1, 1, 2) angles → (B, 2): RZ(γ)RY(θ)|0⟩ as `rotations` has it, but with the
    batch first at once.
    """
    sums, quarter, parts = (part.to(angles.device) for part in WAVES[angles.dtype])
    waves = (angles.flatten(1) @ sums.t()).add_(quarter.t()).cos()  # (B, 4)
    state = waves @ parts[:4].t()
    return torch.view_as_complex(state.unflatten(1, (2, 2)))


def qubit_tables(angles: torch.Tensor, circuit: Circuit) -> torch.Tensor:
    """(B, L, n, 2) angles → the qubits' tables T[s, in, out, q, b]; the bonds `in`,
    `out` have 2**(L-1) values, or 1.
    """
    entangled = bool(circuit.entangling_pairs())
    columns = 1 if circuit.n_layers == 1 else 2
    first, *later = rotations(angles, columns).unbind(2)  # L times (s', s, n, B)
    table = first[:, 0, None, None]  # RZ·RY|0⟩: (s, 1, 1, n, B)
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


def rotations(angles: torch.Tensor, columns: int = 2) -> torch.Tensor:
    """RZ(γ)·RY(θ) of every angle pair: (B, L, n, 2) → (s', s, L, n, B) complex, or its
    first column alone.

    The matrix is ((c·e⁻, −s·e⁻), (s·e⁺, c·e⁺)), c and s of θ/2 and e^± = e^{±iγ/2}. Its
    entries are products such as cos θ/2 · cos γ/2 = ½cos (θ+γ)/2 + ½cos (θ−γ)/2. So
    they are a constant matrix times four cosines, which takes few passes over memory.
    """
    sums, quarter, parts = (part.to(angles.device) for part in WAVES[angles.dtype])
    pairs = angles.permute(3, 1, 2, 0).flatten(1)  # (2, L·n·B)
    waves = torch.addmm(quarter, sums, pairs).cos()  # (4, L·n·B)
    turns = (parts[: 4 * columns] @ waves).unflatten(1, (*angles.shape[1:3], -1))
    real, imaginary = turns.unflatten(0, (columns, 2, 2)).unbind(2)
    return torch.complex(real, imaginary).transpose(0, 1)


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
