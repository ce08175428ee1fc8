"""How fast could it be?

The machine's own limits, measured in the same run as the states per second.

A circuit's ceiling is the larger of two times: that of the FLOPs our encoder spends,
done as a batched matrix product, and that of the fewest bytes (angles read, states
written) at the bandwidth of a large copy. A batched matrix product of which size? The
rate differs by two orders of magnitude between products of 2 × 2 and of 256 × 256
matrices, so there are two readings, and we report both:

- `ceiling`: the best rate over a range of sizes. No work on this processor is faster,
  but a state has no large matrices to offer.
- `small_products`: the rate for products of the state's own size, 2**(n/2) × 2**(n/2)
  (rounded up), one for each state: what the
  same FLOPs cost if they came as the batch of products that the states themselves would
  make.

The bytes are the same in both. Neither counts sines and cosines, nor PyTorch's fixed
cost per operation.
"""

from __future__ import annotations

import time

import torch

from qrr_lib.encode.circuit import Circuit


def sample(call, at_least: float = 0.02) -> float:
    """Seconds per call, repeated for at least `at_least` seconds."""
    calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < at_least or calls == 0:
        call()
        calls += 1
    return elapsed / calls


def encoder_flops(circuit: Circuit) -> int:
    """Floating-point operations our encoder spends on one state (a complex product is
    6, with its sum 8), trigonometry left out.
    """
    n, layers = circuit.n_qubits, circuit.n_layers
    ring = (n - 1, 0) in circuit.entangling_pairs()
    bond = 2 ** (layers - 1) if circuit.entangling_pairs() else 1
    flops = n * 8 * layers  # the rotations, in real numbers
    # the qubits' tables
    flops += sum(
        n * (2 * 6 * 4**layer if bond > 1 else 28) for layer in range(1, layers)
    )

    def joined(qubits: int) -> int:
        if qubits <= 1:
            return 0
        return (
            joined(qubits // 2)
            + joined(qubits - qubits // 2)
            + 2**qubits * bond**2 * (8 * bond - 2)
        )

    flops += joined((n + 1) // 2) + joined(n // 2)
    return flops + (2**n * (8 * bond * (bond if ring else 1) - 2) if n > 1 else 0)


def bandwidth_and_throughput(rounds: int = 7) -> dict:
    """Bytes per second of a large copy, and FLOP/s of batched square matrix products,
    real float32, by size.
    """
    source = torch.rand(2**25)
    target = torch.empty_like(source)
    copy = max(
        2 * source.numel() * 4 / sample(lambda: target.copy_(source))
        for _ in range(rounds)
    )
    products = {}
    for size in (2, 4, 8, 16, 32, 64, 128, 256):
        batch = max(8, 2**22 // size**3)
        a, b, out = (torch.rand(batch, size, size) for _ in range(3))
        products[size] = max(
            2
            * batch
            * size**3
            / sample(lambda a=a, b=b, out=out: torch.bmm(a, b, out=out))
            for _ in range(rounds)
        )
    return {"copy_bytes_per_second": copy, "bmm_flop_per_second": products}


def ceiling(circuit: Circuit, machine: dict) -> dict:
    """States per second that this machine could reach at most, by FLOPs and by
    bytes.
    """
    flops = encoder_flops(circuit)
    moved = 2**circuit.n_qubits * 8 + 8 * circuit.n_layers * circuit.n_qubits
    products = machine["bmm_flop_per_second"]
    by_bytes = moved / machine["copy_bytes_per_second"]
    best = flops / max(products.values())
    own = flops / products[2 ** ((circuit.n_qubits + 1) // 2)]
    return {
        "flops_per_state": flops,
        "bytes_per_state": moved,
        "bound_by": "FLOPs" if best > by_bytes else "bytes",
        "ceiling": 1 / max(best, by_bytes),
        "small_products": 1 / max(own, by_bytes),
    }
