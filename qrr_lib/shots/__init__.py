"""Counts instead of amplitudes (lesson 12).

estimates: fidelities and Bloch vectors from counts · spending: where shots go ·
circuits: the same on simulators and devices · devices: a simulated chip · noise
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "estimates": "estimate_variance sample_fidelity shots_for_gap",
        "spending": "order_agreement shot_order spend_by_halving",
        "circuits": "measure_pairs measure_pairs_pennylane pair_circuit",
        "devices": "FreshEstimator FreshSampler noisy_backend",
        "noise": "depolarise misread qubit_fidelities same_order",
    },
)
