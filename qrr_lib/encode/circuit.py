"""One description of the encoding circuit, read by every framework (lessons 02 and 03).

Layer by layer, each qubit q gets RY(θ) and then RZ(γ); the entangler stands between
layers (data re-uploading, Pérez-Salinas et al. 2020) and, with `trailing=True`, once
more after the last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from qrr_lib.checks import one_of, whole_number

ENTANGLERS = ("none", "cz_ring", "cnot_chain")
# of a statevector; product states with one layer take any number of qubits
MAX_QUBITS = 12
MAX_LAYERS = 4


class Gate(NamedTuple):
    """`name` is "ry", "rz", "cz" or "cnot"; rotations name the angle they take: (layer,
    qubit, 0 for θ or 1 for γ).
    """

    name: str
    qubits: tuple[int, ...]
    angle: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Circuit:
    """Shape of an encoding circuit on n qubits with L data layers. Qubit 0 is the
    leftmost factor of the state (PennyLane's order).

    Parameters
    ----------
    n_qubits : int
        1 … 12, or any number for product states of one layer (no entangler), which
        never need a statevector.
    n_layers : int
        1 … 4 repetitions of the data rotations.
    entangler : {"none", "cz_ring", "cnot_chain"}
        Fixed gates between layers. `cz_ring` on two qubits is one CZ, on one qubit
        nothing.
    trailing : bool
        Add the entangler after the last layer too. It changes no overlap: ⟨ψ|U†U|φ⟩ =
        ⟨ψ|φ⟩ (lesson 03).
    """

    n_qubits: int = 1
    n_layers: int = 1
    entangler: str = "none"
    trailing: bool = False

    def __post_init__(self):
        for name in ("n_qubits", "n_layers"):
            value = whole_number(name, getattr(self, name))
            object.__setattr__(self, name, value)  # the class is frozen
        if not isinstance(self.trailing, bool):
            raise ValueError(f"trailing must be True or False, not {self.trailing!r}")
        one_of("entangler", self.entangler, ENTANGLERS)
        if self.n_layers > MAX_LAYERS:
            raise ValueError(
                f"n_layers may be at most {MAX_LAYERS}, not {self.n_layers}"
            )
        if self.n_qubits > MAX_QUBITS and not self.is_product:
            raise ValueError(
                f"{self.n_qubits} entangled qubits need 2**{self.n_qubits} amplitudes; "
                f"at most {MAX_QUBITS} are allowed, or take entangler='none'"
            )

    @property
    def is_product(self) -> bool:
        """True if every qubit keeps a state of its own: no entangling gate is ever
        applied.
        """
        return not self.entangling_pairs() or (self.n_layers == 1 and not self.trailing)

    @property
    def angle_shape(self) -> tuple[int, int, int]:
        """Shape of one document's angles: (L, n, 2), the last axis being (θ, γ)."""
        return self.n_layers, self.n_qubits, 2

    def entangling_pairs(self) -> list[tuple[int, int]]:
        """Qubit pairs of one entangling block, in order; empty for "none" and for one
        qubit.
        """
        n = self.n_qubits
        if self.entangler == "none" or n == 1:
            return []
        chain = [(q, q + 1) for q in range(n - 1)]
        return chain + [(n - 1, 0)] if self.entangler == "cz_ring" and n > 2 else chain

    def gates(self) -> Iterator[Gate]:
        """Yield every gate in order.

        This is the only list of gates in the library: all encoders walk it.
        """
        two_qubit = "cz" if self.entangler == "cz_ring" else "cnot"
        for layer in range(self.n_layers):
            for q in range(self.n_qubits):
                yield Gate("ry", (q,), (layer, q, 0))
                yield Gate("rz", (q,), (layer, q, 1))
            if layer < self.n_layers - 1 or self.trailing:
                for pair in self.entangling_pairs():
                    yield Gate(two_qubit, pair)


def checked_circuit(circuit) -> Circuit:
    """The circuit, or one qubit's for None; ValueError for anything else."""
    if not isinstance(circuit := circuit or Circuit(), Circuit):
        raise ValueError(f"take Circuit(n_qubits=…) as the circuit, not {circuit!r}")
    return circuit
