"""The page of calls that have gone: every row holds on the libraries installed here."""

import importlib.util
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parent.parent / "notebooks" / "then_and_now.md"
ROW = re.compile(r"(?m)^\| `(.+?)`.* \| (.+) \| \[\d\d\]")


def qiskit_names():
    import qiskit

    assert not hasattr(qiskit, "execute") and not hasattr(qiskit, "Aer")
    assert importlib.util.find_spec("qiskit_aer") is not None


def statevector_of_several():
    import qiskit
    from qiskit_aer import AerSimulator

    circuit = qiskit.QuantumCircuit(1)
    circuit.save_statevector()
    result = AerSimulator(method="statevector").run([circuit, circuit]).result()
    assert np.asarray(result.data(1)["statevector"]).shape == (2,)
    with pytest.raises(qiskit.exceptions.QiskitError, match="more than one"):
        result.get_statevector()


def pennylane_torch():
    import pennylane as qml
    import torch

    assert importlib.util.find_spec("pennylane_torch") is None
    device = qml.device("default.qubit", wires=1)
    qnode = qml.qnode(device, interface="torch")(lambda: qml.expval(qml.PauliZ(0)))
    assert isinstance(qnode(), torch.Tensor)


def shots():
    import pennylane as qml

    with pytest.warns(match="shots"):
        qml.device("default.qubit", wires=1, shots=100)
    qnode = qml.qnode(qml.device("default.qubit", wires=1))(lambda: qml.counts())
    assert qml.set_shots(qnode, shots=100)() == {"0": 100}


def script():
    import torch

    with pytest.warns(match="deprecated"):
        torch.jit.script(torch.nn.Identity())
    torch.export.export(torch.nn.Identity(), (torch.zeros(1),))


def onnx():
    import torch

    assert inspect.signature(torch.onnx.export).parameters["dynamo"].default is True
    assert importlib.util.find_spec("onnxscript") is not None


def dimension():
    from sentence_transformers import SentenceTransformer

    assert hasattr(SentenceTransformer, "get_embedding_dimension")


ROWS = {
    "from qiskit import Aer, execute": qiskit_names,
    "result.get_statevector()": statevector_of_several,
    "pip install pennylane-torch": pennylane_torch,
    "qml.device(..., shots=100)": shots,
    "torch.jit.script(model)": script,
    "torch.onnx.export(model, ...)": onnx,
    "model.get_sentence_embedding_dimension()": dimension,
}


def test_every_row_is_tested():
    assert [old for old, _ in ROW.findall(PAGE.read_text("utf-8"))] == list(ROWS)


@pytest.mark.parametrize("holds", ROWS.values(), ids=ROWS)
def test_a_row_holds(holds):
    holds()
