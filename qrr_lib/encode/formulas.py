"""How alike two encoded texts are: overlap, fidelity, their closed forms on the Bloch
sphere (lesson 03), and features whose inner product is the fidelity (lesson 14).

A qubit's state is a point n on the unit sphere. For two qubits in states n and m the
fidelity is F = (1 + n·m)/2 (Nielsen & Chuang, section 9.2.2), and for n qubits that are
not entangled it is the product of such factors.
"""

import torch

TINY = 1e-12  # smallest factor a logarithm sees: opposite points have fidelity 0
QUBITS_AT_ONCE = 8  # whose factors of all pairs are in memory
MAX_PAULI_QUBITS = 4  # 4⁴ − 1 = 255 numbers a document
PAULIS = torch.tensor(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]],
    dtype=torch.complex64,
)


def overlap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """|⟨a|b⟩| of every pair: states (A, 2**n) and (B, 2**n) → (A, B) in [0, 1].

    The brief's similarity.
    """
    return (a.conj() @ b.to(a.dtype).T).abs().clamp(max=1.0)


def fidelity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """|⟨a|b⟩|² of every pair: states (A, 2**n) and (B, 2**n) → (A, B) in [0, 1]."""
    inner = a.conj() @ b.to(a.dtype).T
    return (inner.real**2 + inner.imag**2).clamp(max=1.0)


def bloch_vectors(angles: torch.Tensor) -> torch.Tensor:
    """Bloch vectors (sin θ cos γ, sin θ sin γ, cos θ) of a product state: angles (B, 1,
    n, 2) → (B, n, 3), rows of norm 1.

    Raises ValueError for more than one layer: rotations of a second layer act on a
    state that is no longer |0⟩.
    """
    if angles.ndim != 4 or angles.shape[-1] != 2:
        raise ValueError(
            f"expected angles of shape (B, 1, n, 2), got {tuple(angles.shape)}"
        )
    if angles.shape[1] != 1:
        raise ValueError(
            "Bloch vectors straight from angles need one layer, these angles have "
            f"{angles.shape[1]}: encode the state, then use reduced_bloch_vectors"
        )
    theta, gamma = angles[:, 0].unbind(-1)  # (B, n) each
    x, y = theta.sin() * gamma.cos(), theta.sin() * gamma.sin()
    return torch.stack([x, y, theta.cos()], dim=-1)


def reduced_bloch_vectors(states: torch.Tensor) -> torch.Tensor:
    """Bloch vector of each qubit on its own (⟨X⟩, ⟨Y⟩, ⟨Z⟩): states (B, 2**n) → (B, n,
    3).

    Shorter than 1 where the qubit is entangled with others: its reduced state is mixed.
    """
    batch, n = len(states), states.shape[1].bit_length() - 1
    vectors = []
    for q in range(n):
        # amplitudes with qubit q in |0>, in |1>
        zero, one = states.view(batch, 2**q, 2, 2 ** (n - 1 - q)).unbind(2)
        cross = (zero.conj() * one).sum(dim=(1, 2))
        z = (zero.abs() ** 2 - one.abs() ** 2).sum(dim=(1, 2))
        vectors.append(torch.stack([2 * cross.real, 2 * cross.imag, z], dim=-1))
    return torch.stack(vectors, dim=1)


def log_fidelity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """log Π(1 + nᵢ·mᵢ)/2 of every pair of product states: Bloch vectors (A, n, 3), (B,
    n, 3) → (A, B), at most 0.

    The sum of logarithms stays finite where the product would underflow: 256 random
    qubits give about e⁻²⁵⁶. Vectors in half precision are summed, and returned, in
    float32. A factor is at least twice the precision of its type: below, rounding
    decides.
    """
    smallest = max(TINY, 2 * torch.finfo(a.dtype).eps)
    dtype = torch.promote_types(a.dtype, torch.float32)
    total = torch.zeros(a.shape[0], b.shape[0], dtype=dtype, device=a.device)
    for some_a, some_b in zip(a.split(QUBITS_AT_ONCE, 1), b.split(QUBITS_AT_ONCE, 1)):
        factors = (1 + torch.einsum("aqx,bqx->abq", some_a, some_b)) / 2
        total = total + factors.clamp(smallest, 1.0).to(dtype).log().sum(-1)
    return total


def local_fidelity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean over qubits of (1 + nᵢ·mᵢ)/2 for every pair: Bloch vectors (A, n, 3), (B, n,
    3) → (A, B) in [0, 1].

    One matrix product of 3n columns, so an inner-product index can serve it. For
    one-qubit reduced states this is a projected quantum kernel with a linear outer
    function (Huang et al. 2021).
    """
    n = a.shape[1]
    return ((1 + a.flatten(1) @ b.flatten(1).T / n) / 2).clamp(0.0, 1.0)


def pauli_features(states: torch.Tensor) -> torch.Tensor:
    """Expectation values of all Pauli strings but the identity, scaled to length 1:
    states (B, 2**n) → (B, 4**n − 1) real.

    The inner product p of two rows gives the fidelity of the states: F = 2⁻ⁿ + (1 −
    2⁻ⁿ)·p. For one qubit a row is the Bloch vector. The order is that of the strings
    II…I, II…X, II…Y, …, ZZ…Z, qubit 0 leftmost.
    """
    batch, dim = states.shape
    # density matrices ρ = |ψ⟩⟨ψ|, and the strings whose letters are read so far: (B,
    # strings, rest, rest)
    matrices = states.unsqueeze(2) * states.conj().unsqueeze(1)
    matrices = matrices.unsqueeze(1)
    while (rest := matrices.shape[2] // 2) >= 1:  # one qubit at a time, left to right
        strings = matrices.shape[1]
        blocks = matrices.view(batch, strings, 2, rest, 2, rest)
        traced = torch.einsum("pij,bkjris->bkprs", PAULIS.to(states), blocks)
        matrices = traced.reshape(batch, 4 * strings, rest, rest)
    return matrices.real.flatten(1)[:, 1:] / (dim - 1) ** 0.5
