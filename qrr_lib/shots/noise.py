"""What noise does to fidelities, in closed form: depolarising and readout errors of
product states (lesson 12).

Every function here takes fidelities of single qubits, Fᵢ = (1 + nᵢ·mᵢ)/2, and returns
what a device with that error would converge to after infinitely many shots. Each is
*affine* in Fᵢ. Whether a ranking survives depends on what is then made of the Fᵢ.
"""

import numpy as np


def qubit_fidelities(queries, documents) -> np.ndarray:
    """The qubits' own fidelities of every query with its K candidates: Bloch vectors
    (R, n, 3) and (R, K, n, 3) → (R, K, n) float64.

    For product states their product over n is the fidelity F, their mean the local
    fidelity.
    """
    a, b = np.asarray(queries, dtype=float), np.asarray(documents, dtype=float)
    return ((1 + np.einsum("rnx,rknx->rkn", a, b)) / 2).clip(0, 1)


def depolarise(fidelity, strength: float, n_qubits: int = 1) -> np.ndarray:
    """Mix the state with noise: F → (1 − λ)·F + λ/2ⁿ; λ = `strength` in [0, 1].

    Any shape → same shape.

    For a whole register take its n and its F; for noise on each qubit take n = 1 and
    the Fᵢ, (…, n). Nielsen & Chuang, section 8.3.4.
    """
    _in_unit(strength=strength)
    return (1 - strength) * np.asarray(fidelity, dtype=float) + strength / 2**n_qubits


def misread(fidelity, zero_as_one, one_as_zero) -> np.ndarray:
    """Readout error on each qubit: F → (1 − e₀)·F + e₁·(1 − F), with e₀ = P(read 1 | 0)
    and e₁ = P(read 0 | 1); arrays broadcast.
    """
    _in_unit(zero_as_one=zero_as_one, one_as_zero=one_as_zero)
    fidelity = np.asarray(fidelity, dtype=float)
    still_zero = (1 - np.asarray(zero_as_one)) * fidelity
    return still_zero + np.asarray(one_as_zero) * (1 - fidelity)


def same_order(a, b) -> np.ndarray:
    """True for each list whose scores a and b sort alike: (R, K), (R, K) → (R,)."""
    a, b = (np.argsort(-np.atleast_2d(x), axis=1, kind="stable") for x in (a, b))
    return (a == b).all(axis=1)


def _in_unit(**values) -> None:
    for name, value in values.items():
        if not ((np.asarray(value) >= 0) & (np.asarray(value) <= 1)).all():
            raise ValueError(f"{name} must lie in [0, 1], got {value!r}")
