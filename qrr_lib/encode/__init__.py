"""Vectors become angles, angles become states, states are compared (lessons 02, 03, 07
and 09).

circuit · angles: what angle sources share, their fingerprints and files · heads:
networks that predict angles · qubit_map, codes: angles without labels, in a byte or
half a byte · backends: states, three ways · formulas, similarity: states compared, and
folded into one inner product · modules: states inside Sentence Transformers

The stage has the name of its first function. Called, it is that function, so that `from
qrr_lib import encode` serves both.
"""

import sys
from types import ModuleType

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "circuit": "Circuit",
        "angles": "course_head load_source save_source",
        "heads": "EquatorialHead QubitAnglePredictor",
        "qubit_map": "QubitMap",
        "codes": "angles_to_codes codes_to_angles codes_to_bloch",
        "backends": "encode",
        "backends.pennylane": "build_qnode",
        "backends.qiskit": "bloch_vectors_by_estimator build_circuit",
        "similarity": "COSINE SIMILARITIES similarity_named",
        "modules": "QubitStates",
        "formulas": "bloch_vectors fidelity local_fidelity log_fidelity overlap "
        "pauli_features reduced_bloch_vectors",
    },
)


class _Stage(ModuleType):
    def __call__(self, *arguments, **options):
        return self.encode(*arguments, **options)


sys.modules[__name__].__class__ = _Stage
