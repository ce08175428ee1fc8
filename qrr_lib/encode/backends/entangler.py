"""What the fixed gates of a circuit are and do, for the tensor program (lesson 03)."""

from __future__ import annotations

from functools import lru_cache

import torch

from qrr_lib.encode.circuit import Circuit, Gate


@lru_cache(maxsize=64)
def entangling_block(circuit: Circuit) -> tuple[tuple[Gate, ...], bool]:
    """Read the circuit's list of gates: the block between layers (or after the only
    one), and whether the last layer has it too.

    Raises NotImplementedError for a list the tables below do not describe: RY then RZ
    on each qubit, then CZ or CNOT from each qubit to the next, in order; CZ also from
    the last to the first.
    """
    rotations = [[] for _ in range(circuit.n_qubits)]
    blocks = [[] for _ in range(circuit.n_layers)]
    layer = 0
    for gate in circuit.gates():
        if gate.angle is None:
            blocks[layer].append(gate)
        else:
            layer, q, which = gate.angle
            rotations[q].append(
                (gate.name, gate.qubits, layer, which, not blocks[layer])
            )
    for q, found in enumerate(rotations):
        if found != [
            (name, (q,), layer, i, True)
            for layer in range(circuit.n_layers)
            for i, name in enumerate(("ry", "rz"))
        ]:
            raise NotImplementedError(
                f"qubit {q} of {circuit} does not turn by RY, then RZ, in each layer"
            )
    chain = [(q, q + 1) for q in range(circuit.n_qubits - 1)]
    known = (
        [[]]
        + [[Gate(name, pair) for pair in chain] for name in ("cz", "cnot")]
        + [[Gate("cz", p) for p in [*chain, (len(chain), 0)]]]
    )
    if (
        blocks[0] not in known
        or any(block != blocks[0] for block in blocks[:-1])
        or blocks[-1] not in ([], blocks[0])
    ):
        raise NotImplementedError(
            f"the entangling gates of {circuit} are no chain or ring of neighbours"
        )
    return tuple(blocks[0]), bool(blocks[-1])


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # kept and used again, with gradients too
def entangler_action(circuit: Circuit) -> tuple[torch.Tensor, torch.Tensor]:
    """Run one block's gates on the basis states: new amplitude j is signs[j] times old
    amplitude order[j].
    """
    n = circuit.n_qubits
    index = torch.arange(2**n)
    order, signs = index, torch.ones(2**n)
    for gate in entangling_block(circuit)[0]:
        control, target = ((index >> (n - 1 - q)) & 1 for q in gate.qubits)
        if gate.name == "cz":
            signs = signs * (1 - 2 * (control & target))
        else:  # CNOT: amplitude comes from the flipped target
            source = index ^ (control << (n - 1 - gate.qubits[1]))
            order, signs = order[source], signs[source]
    return order, signs
