"""How fast could it be? The machine's own limits, measured in the run that they limit.

A circuit's ceiling is the larger of two times: that of the FLOPs our program spends,
done at the rate of the best matrix product of any size, and that of the fewest bytes
(angles read, states written) at the rate of the best copy of any size, one that fits
the fastest cache included. No program does either faster, so no case is above it. It
counts neither sines and cosines, nor the fixed cost of a call.
"""

import time

import torch

from qrr_lib.encode.circuit import Circuit

PRECISIONS = {"complex64": torch.float32, "complex128": torch.float64}


def sample(call, at_least: float = 0.015) -> float:
    """CPU seconds per call, repeated for at least `at_least` seconds."""
    calls, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < at_least or calls == 0:
        call()
        calls += 1
    return elapsed / calls


def program_flops(circuit: Circuit) -> int:
    """Floating-point operations our program spends on one state (a complex product is
    6, with its sum 8), trigonometry left out.
    """
    n, layers = circuit.n_qubits, circuit.n_layers
    linked = layers > 1 and bool(circuit.entangling_pairs())
    ring = linked and (n - 1, 0) in circuit.entangling_pairs()
    bond = 2 ** (layers - 1) if linked else 1
    flops = n * 8 * layers  # the rotations, in real numbers
    # the qubits' tables
    flops += sum(
        n * (2 * 6 * 4**layer if bond > 1 else 28) for layer in range(1, layers)
    )

    def joined(qubits: int) -> int:
        if qubits <= 1:
            return 0
        halves = joined(qubits // 2) + joined(qubits - qubits // 2)
        return halves + 2**qubits * bond**2 * (8 * bond - 2)

    flops += joined((n + 1) // 2) + joined(n // 2)
    return flops + (2**n * (8 * bond * (bond if ring else 1) - 2) if n > 1 else 0)


def machine_rates(rounds: int = 5) -> dict:
    """Bytes per second of the best copy, and FLOP/s of the best batched square matrix
    product in each precision.
    """
    copies = []
    for size in (2**10, 2**12, 2**14, 2**16, 2**18, 2**22):
        source = torch.rand(size)
        target = torch.empty_like(source)
        copies += [
            2 * 4 * size / sample(lambda a=source, b=target: b.copy_(a))
            for _ in range(rounds)
        ]
    flops = {}
    for precision, dtype in PRECISIONS.items():
        rates = []
        for size in (16, 64, 256):
            batch = max(2, 2**21 // size**3)
            a, b = (torch.rand(batch, size, size, dtype=dtype) for _ in range(2))
            product = a @ b
            rates += [
                2
                * batch
                * size**3
                / sample(lambda a=a, b=b, out=product: torch.bmm(a, b, out=out))
                for _ in range(rounds)
            ]
        flops[precision] = max(rates)
    return {"copy_bytes_per_second": max(copies), "flop_per_second": flops}


def ceiling(circuit: Circuit, precision: str, machine: dict) -> dict:
    """States per second that this machine could reach at most, and by what."""
    width = PRECISIONS[precision].itemsize
    moved = width * (2 * 2**circuit.n_qubits + 2 * circuit.n_layers * circuit.n_qubits)
    by_bytes = moved / machine["copy_bytes_per_second"]
    by_flops = program_flops(circuit) / machine["flop_per_second"][precision]
    return {
        "bound_by": "FLOPs" if by_flops > by_bytes else "bytes",
        "states_per_second": 1 / max(by_flops, by_bytes),
    }
