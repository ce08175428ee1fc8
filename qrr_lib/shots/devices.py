"""Simulated devices: a chip with a map, errors and fresh random numbers in every call
(lesson 12).

An integer seed in Aer's or Qiskit's backend primitives starts the same random numbers
in every call, so two queries would share their noise. These draw a new one each time.
"""

import numpy as np
from qiskit.primitives import BackendEstimatorV2, BaseEstimatorV2, BaseSamplerV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import CouplingMap
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2

from qrr_lib.shots.estimates import check_generator


class Fresh:
    """What both primitives share: Aer's simulation of a backend (or an AerSimulator),
    and a Generator that every `run` takes a new seed from.

    `options` are Aer's, for instance `method="matrix_product_state"` for product states
    of many qubits.
    """

    def __init__(self, backend, rng: np.random.Generator, **options):
        self.rng = check_generator(rng)
        known = isinstance(backend, AerSimulator)
        self.simulator = backend if known else AerSimulator.from_backend(backend)
        self.simulator.set_options(**options)

    def fresh_seed(self) -> int:
        """A seed that no earlier call had (Aer takes no Generator)."""
        return int(self.rng.integers(2**31))


class FreshSampler(Fresh, BaseSamplerV2):
    """A SamplerV2 for a simulated backend."""

    def run(self, pubs, *, shots: int | None = None):
        """As Aer's `SamplerV2.run`, which it calls."""
        sampler = SamplerV2.from_backend(self.simulator, seed=self.fresh_seed())
        return sampler.run(pubs, shots=shots)


class FreshEstimator(Fresh, BaseEstimatorV2):
    """An EstimatorV2 for a simulated backend: it counts shots, 1/precision² of them, as
    a device does.
    """

    def run(self, pubs, *, precision: float | None = None):
        """As `BackendEstimatorV2.run`, which it calls."""
        options = {"seed_simulator": self.fresh_seed()}
        estimator = BackendEstimatorV2(backend=self.simulator, options=options)
        return estimator.run(pubs, precision=precision)


def noisy_backend(coupling_map: CouplingMap | int, seed: int = 1) -> GenericBackendV2:
    """Qiskit's stand-in for a chip: `GenericBackendV2` draws a calibration (gate
    errors, relaxation times, readout errors) in the range of superconducting devices.

    `coupling_map` says which qubits are neighbours; a number stands for that many
    qubits, each a neighbour of all. `seed` fixes the calibration.
    """
    if isinstance(coupling_map, CouplingMap):
        count = coupling_map.size()
        return GenericBackendV2(count, coupling_map=coupling_map, seed=seed)
    return GenericBackendV2(max(2, coupling_map), seed=seed)  # it has two-qubit gates
