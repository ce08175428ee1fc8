"""Vectors become angles, angles become states, states are compared (lessons 02, 03, 07
and 09).

circuit · angles, heads: networks that predict angles · qubit_map, codes: angles without
labels, in a byte or half a byte · backends: states, three ways · similarity

The stage has the name of its first function. Called, it is that function, so that `from
qrr_lib import encode` serves both.
"""

from __future__ import annotations

import sys
from types import ModuleType

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "circuit": ["Circuit"],
        "angles": ["QubitAnglePredictor"],
        "heads": ["EquatorialHead", "course_head", "load_head", "save_head"],
        "qubit_map": ["QubitMap"],
        "codes": ["angles_to_codes", "codes_to_angles", "codes_to_bloch"],
        "backends": ["encode"],
        "backends.pennylane": ["build_qnode"],
        "backends.qiskit": ["bloch_vectors_by_estimator", "build_circuit"],
        "similarity": [
            "bloch_vectors",
            "fidelity",
            "local_fidelity",
            "log_fidelity",
            "overlap",
            "reduced_bloch_vectors",
        ],
    },
)


class _Stage(ModuleType):
    def __call__(self, *arguments, **options):
        return self.encode(*arguments, **options)


sys.modules[__name__].__class__ = _Stage
