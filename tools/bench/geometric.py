"""The geometric mean of the qubits' fidelities, F^(1/n): a rival of the mean, compared
in quality_*.json and tokens.json, and nowhere better. Importing it adds its name to
those that scorers, losses and late interaction know.
"""

from qrr_lib.encode.formulas import bloch_vectors, log_fidelity
from qrr_lib.encode.similarity import SIMILARITIES, Similarity


class GeometricFidelity(Similarity):
    """F^(1/n), of product states of one layer."""

    name = "geometric_fidelity"
    averages = True

    def rows(self, angles, circuit, backend=None):
        return bloch_vectors(angles)

    def pairs(self, a, b):
        return self.logits(a, b).exp()

    def logits(self, a, b):
        return log_fidelity(a, b) / a.shape[1]


SIMILARITIES[GeometricFidelity.name] = GeometricFidelity()
