"""The script that checks a GPU: its paths on the CPU, all of it where there is one."""

import contextlib
import json

import numpy as np
import pytest
import torch

from qrr_lib import Circuit, TextEmbedder, load_collection
from qrr_lib.encode.backends import encode
from qrr_lib.encode.codes import angles_to_codes
from qrr_lib.encode.similarity import similarity_named
from tools.bench import gpu

LIGHT, CPU = "all-MiniLM-L6-v2", torch.device("cpu")


def test_without_a_device_it_says_so_and_writes_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "data_dir", lambda: tmp_path)
    monkeypatch.setattr("sys.argv", ["gpu"])
    gpu.main()
    assert "no CUDA device was found" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("circuit", [*gpu.CIRCUITS, Circuit(8, 2, trailing=True)])
def test_states_and_similarities_stay_where_their_angles_are(circuit, monkeypatch):
    # "meta" has shapes and no numbers; a tensor of the CPU that slips in raises
    off = contextlib.nullcontext
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: off())
    angles = torch.rand(9, *circuit.angle_shape, device="meta", requires_grad=True)
    states = encode(angles, circuit)
    [gradient] = torch.autograd.grad(states.abs().sum(), angles)
    assert states.device == gradient.device == angles.device
    for similarity in map(similarity_named, gpu.SIMILARITIES):
        rows = similarity.rows(angles, circuit)
        assert similarity.pairs(rows, rows).device == angles.device
    with pytest.raises(NotImplementedError, match="no data"):
        angles_to_codes(angles[:, :1])  # computed there, and only then fetched


def test_every_check_passes_on_the_cpu_itself():
    texts = load_collection().texts()[:6]
    found = gpu.circuits_agree(CPU) | gpu.texts_agree(CPU, LIGHT, texts)
    assert set(found) == set(gpu.TOLERANCES)
    assert all(found[name] <= limit for name, limit in gpu.TOLERANCES.items())
    assert found["1 - cosine of embeddings, bf16"] > 1e-6  # another precision ran


def test_a_result_that_strays_is_named(monkeypatch):
    wrong = dict.fromkeys(gpu.TOLERANCES, 0.0) | {"MaxSim": 0.1}
    monkeypatch.setattr(gpu, "circuits_agree", lambda device: wrong)
    monkeypatch.setattr(gpu, "texts_agree", lambda *_: {})
    with pytest.raises(AssertionError, match="MaxSim differs by 1.0e-01"):
        gpu.measure(CPU, LIGHT, 2, 10)


def test_overlapped_states_are_those_of_one_after_the_other():
    texts = load_collection().texts()[:10]
    line = gpu.Pipeline(CPU, LIGHT, texts, size=4)
    one, two = line.run(overlapped=False), line.run(overlapped=True)
    assert [len(states) for states in one] == [4, 4, 2]
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    tokens = TextEmbedder(LIGHT, cache=False, device="cpu").encode_tokens(texts)
    shortest = tokens[int(np.argmin([len(text) for text in texts]))]
    wanted = gpu.bloch_vectors(line.map(torch.from_numpy(shortest)))
    assert torch.allclose(one[0][0, 1 : 1 + len(shortest)], wanted, atol=1e-4)


@pytest.mark.gpu
def test_all_of_it_on_a_device(monkeypatch, tmp_path):
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(gpu, "data_dir", lambda: tmp_path)
    monkeypatch.setattr("sys.argv", ["gpu", "--texts", "64"])
    gpu.main()
    stored = json.loads((tmp_path / "results" / "gpu.json").read_text(encoding="utf-8"))
    assert stored["device"] == torch.cuda.get_device_name()
