"""Angle sources: the brief's head, the map without labels, their files and their
fingerprints; and angles as codes.
"""

import json
import math

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from qrr_lib import Circuit, OnnxAngles, QubitAnglePredictor, QubitMap
from qrr_lib.arrays import write_tensors
from qrr_lib.encode import EquatorialHead, bloch_vectors, encode
from qrr_lib.encode.angles import course_head, fingerprint, load_source, save_source
from qrr_lib.encode.codes import (
    angles_to_codes,
    bloch_table,
    codes_to_angles,
    codes_to_bloch,
    codes_to_features,
)
from qrr_lib.files import data_dir

TURN = 2 * math.pi


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uneven_vectors() -> torch.Tensor:
    """(500, 24) unit vectors whose directions differ a lot in variance."""
    return nn.functional.normalize(normal(500, 24) * torch.linspace(3, 0.2, 24) + 0.5)


VECTORS = uneven_vectors()


def fitted(*arguments, **options) -> QubitMap:
    return QubitMap(*arguments, **options).fit(VECTORS)


# the head


def test_default_is_the_recipe():
    head = QubitAnglePredictor()
    assert sum(p.numel() for p in head.parameters()) == 263_170
    kinds = [type(layer).__name__ for layer in head.layers]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    sizes = [(m.in_features, m.out_features) for m in head.layers[::2]]
    assert sizes == [(768, 256), (256, 256), (256, 2)]


@pytest.mark.parametrize("circuit", [Circuit(), Circuit(4, 3, "cz_ring"), Circuit(64)])
def test_shape_and_ranges(circuit):
    made = QubitAnglePredictor(32, 16, circuit, seed=1)(100 * normal(50, 32))
    assert made.shape == (50, *circuit.angle_shape)
    theta, gamma = made.unbind(-1)
    assert 0 <= theta.min() and theta.max() <= math.pi + 1e-6
    assert 0 <= gamma.min() and gamma.max() <= TURN + 1e-6
    # large inputs reach both ends of the ranges
    assert theta.max() > 3 and gamma.max() > 5 and gamma.min() < 1


def test_xavier_start_and_seeds():
    head = QubitAnglePredictor(seed=0)
    for layer in head.layers[::2]:
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert not layer.bias.any()
    same, other = QubitAnglePredictor(seed=0), QubitAnglePredictor(seed=1)
    x = normal(3, 768)
    assert torch.equal(head(x), same(x)) and not torch.equal(head(x), other(x))


# the map


def test_the_map_is_pca_a_rotation_and_tanh():
    qubits, vectors = fitted(4, scale=0.7, seed=3), VECTORS.numpy()
    made = qubits(VECTORS)
    assert made.shape == (500, 1, 4, 2) and made.min() >= 0
    assert made[..., 0].max() <= math.pi and made[..., 1].max() <= TURN
    centred = vectors - vectors.mean(axis=0, dtype=float)
    principal = np.linalg.svd(centred, full_matrices=False)[2][:8].T  # (D, 2n)
    # the rotation, up to signs of the directions
    inside = principal.T @ qubits.directions.numpy()
    assert np.allclose(inside @ inside.T, np.eye(8), atol=1e-5)
    u = centred @ qubits.directions.numpy()
    theta = math.pi / 2 + math.pi / 2 * np.tanh(0.7 * math.sqrt(8) * u[:, :4])
    gamma = math.pi + math.pi * np.tanh(0.7 * math.sqrt(8) * u[:, 4:])
    assert np.allclose(made[:, 0], np.stack([theta, gamma], axis=-1), atol=1e-5)
    # it shares the variance among the qubits
    shared, before = u.var(axis=0), (centred @ principal).var(axis=0)
    assert shared.sum() == pytest.approx(before.sum(), rel=1e-3)
    assert shared.max() / shared.min() < before.max() / before.min()


def test_the_smallest_number_of_vectors_fits():
    assert QubitMap(4).fit(VECTORS[:9]).is_fitted


# files and fingerprints


SOURCES = [
    QubitAnglePredictor(24, 8, Circuit(3, 2, "cnot_chain"), seed=3),
    EquatorialHead(24, Circuit(5), seed=0),
    fitted(4, scale=0.5, seed=2, bits=4),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
def test_a_source_survives_its_file_and_damage_is_noticed(source, tmp_path):
    path, origin = tmp_path / "source.safetensors", {"seed": 0, "alpha": {"known": 0.4}}
    source.save(path, origin)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    back, provenance = load_source(path, 24)
    assert provenance == origin and fingerprint(back) == fingerprint(source)
    assert [getattr(back, name) for name in source.SETTINGS] == [
        getattr(source, name) for name in source.SETTINGS
    ]
    assert torch.equal(back(VECTORS), source(VECTORS))
    assert torch.equal(type(source).load(path)(VECTORS), source(VECTORS))
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="checksum does not match"):
        load_source(path)


def test_a_head_in_half_precision_comes_back_in_single(tmp_path):
    head = QubitAnglePredictor(24, 8, seed=0).half()
    head.save(tmp_path / "head.safetensors")
    back = QubitAnglePredictor.load(tmp_path / "head.safetensors")
    assert back(VECTORS).dtype == torch.float32 and back.layers[0].weight.requires_grad
    assert torch.equal(back.layers[0].weight, head.layers[0].weight.float())


def test_what_the_course_ships_is_read_and_belongs_together():
    for path in (data_dir() / "heads").glob("*.safetensors"):
        head, provenance = load_source(path)
        assert provenance["model"] in path.name and head.embedding_dim in (384, 768)
    for model in ("all-MiniLM-L6-v2", "all-mpnet-base-v2"):
        with np.load(data_dir() / "course" / "tokens" / f"{model}.npz") as shipped:
            assert fingerprint(QubitMap.shipped(model)) == str(shipped["map_sha256"])


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "head.safetensors"
    QubitAnglePredictor(24, 8, seed=0).save(path)
    old = path.read_bytes()

    def broken(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        QubitAnglePredictor(24, 8, seed=1).save(path)
    assert path.read_bytes() == old and len(list(tmp_path.iterdir())) == 1


class Foreign(nn.Module):
    """A source of another's making."""

    circuit = Circuit(4)

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)


def onnx_angles(path, factor: float) -> OnnxAngles:
    """A file like those of `export_onnx`: angles are embeddings times a factor."""
    nodes = [helper.make_node("Mul", ["embeddings", "factor"], ["angles"])]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2])
        for name in ("embeddings", "angles")
    ]
    weights = [helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])]
    model = helper.make_model(
        helper.make_graph(nodes, "head", ends[:1], ends[1:], weights),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    about = {"kind": "angles", "embedding_dim": 2, "circuit": {}}
    helper.set_model_props(model, {"qrr": json.dumps(about)})
    path.write_bytes(model.SerializeToString())
    return OnnxAngles(path)


def test_fingerprints_differ_where_angles_differ(tmp_path):
    layer = nn.Linear(24, 8)
    onnx = [onnx_angles(tmp_path / f"{factor}.onnx", factor) for factor in (1, 2)]
    every = [
        *SOURCES,
        *onnx,
        QubitAnglePredictor(24, 8, seed=0),
        QubitAnglePredictor(24, 8, seed=1),
        QubitAnglePredictor(24, 8, seed=0).half(),
        QubitAnglePredictor(24, 8, Circuit(trailing=True), seed=0),
        fitted(4),
        fitted(4, scale=0.5),
        fitted(4, seed=1),
        fitted(4, bits=4),
        fitted(3),
        Foreign(layer, nn.ReLU()),
        Foreign(layer, nn.Tanh()),
        Foreign(fitted(4)),
        Foreign(fitted(4, scale=0.5)),
    ]
    prints = [fingerprint(source) for source in every]
    assert len(set(prints)) == len(every) and {len(p) for p in prints} == {64}
    assert fingerprint(fitted(4)) == fingerprint(fitted(4).eval())
    assert fingerprint(OnnxAngles(tmp_path / "1.onnx")) == fingerprint(onnx[0])


# codes


@pytest.mark.parametrize("bits, levels", [(8, 256), (4, 16)])
def test_codes_lose_at_most_half_a_step(random_angles, bits, levels):
    made = random_angles(4000, Circuit(3)).float()
    codes = angles_to_codes(made, bits)
    assert codes.dtype == np.uint8 and codes.shape == (4000, 3, 2)[: 2 + bits // 8]
    off = (codes_to_angles(codes) - made).abs().amax(dim=(0, 1, 2))
    step = torch.tensor([math.pi, TURN]) / levels
    assert (off <= step / 2 + 1e-5).all() and (off > 0.95 * step / 2).all()
    assert np.array_equal(angles_to_codes(codes_to_angles(codes), bits), codes)


def test_the_ends_of_the_ranges_have_the_outermost_codes():
    """In half a byte an angle, θ is the upper half."""
    ends = torch.tensor([[0.0, 0.0], [0.0, TURN], [math.pi, 0.0]]).view(1, 1, 3, 2)
    assert angles_to_codes(ends).tolist() == [[[0, 0], [0, 255], [255, 0]]]
    assert angles_to_codes(ends, bits=4).tolist() == [[0x00, 0x0F, 0xF0]]


@pytest.mark.parametrize("bits, rows", [(8, 65536), (4, 256)])
def test_the_table_holds_bloch_vectors(rng, bits, rows):
    """Every code has a row of its own, of norm 1."""
    table = bloch_table(bits)
    assert table.shape == (rows, 4) and not table[:, 3].any()
    assert np.allclose(np.linalg.norm(table, axis=1), 1, atol=1e-6)
    assert len(np.unique(table.round(5), axis=0)) == rows
    shape = (300, 7, 2)[: 2 + bits // 8]
    codes = rng.integers(0, 256, shape, dtype=np.uint8)
    want = bloch_vectors(codes_to_angles(codes)).numpy()
    assert np.allclose(codes_to_bloch(codes), want, atol=1e-6)
    features = codes_to_features(codes)
    inner = np.einsum("anx,bnx->ab", want, want)
    assert np.allclose(features @ features.T, inner, atol=1e-4)
    assert codes_to_features(codes[:0]).shape == (0, 28)


# refusals


@pytest.fixture
def folder(tmp_path):
    """A head, a map, half a map, and text under their usual ending."""
    QubitAnglePredictor(24, 8).save(tmp_path / "head.safetensors")
    fitted(4).save(tmp_path / "map.safetensors")
    data = (tmp_path / "map.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(data[:50])
    write_tensors(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {})
    return tmp_path


def reads(load, name, *arguments):
    return lambda folder: load(folder / f"{name}.safetensors", *arguments)


def fits(vectors, *arguments, **options):
    return lambda folder: QubitMap(*arguments, **options).fit(vectors)


REFUSED = {
    "head, width": (
        lambda _: QubitAnglePredictor()(torch.zeros(2, 384)),
        "384 numbers, this head was made for 768",
    ),
    "head, circuit": (
        lambda _: QubitAnglePredictor(circuit=4),
        r"take Circuit\(n_qubits=…\) as the circuit, not 4",
    ),
    "encode, circuit": (lambda _: encode(VECTORS, "ring"), "circuit, not 'ring'"),
    "map, width": (
        lambda _: fitted(4)(torch.zeros(2, 12)),
        "12 numbers, this head was made for 24",
    ),
    "map, not fitted": (lambda _: QubitMap(4)(VECTORS), "not fitted: call .fit"),
    "map, few vectors": (fits(VECTORS[:8], 4), "at least 9 vectors to fit, got 8"),
    "map, few numbers": (fits(VECTORS, 13), "at most 12 qubits fit"),
    "map, flat": (fits(VECTORS[:5].repeat(20, 1), 4), "span fewer than the 8"),
    "map, NaN": (fits(torch.full((50, 24), math.nan), 4), "embedding 0 holds NaN"),
    "map, one vector": (fits(np.zeros(24), 4), r"shape \(B, D\), got shape \(24,\)"),
    "map, no qubit": (fits(VECTORS, 0), "n_qubits"),
    "scale 0": (fits(VECTORS, scale=0), "scale must be"),
    "scale -1": (fits(VECTORS, scale=-1), "scale must be"),
    "scale infinite": (fits(VECTORS, scale=math.inf), "scale must be"),
    "scale in words": (fits(VECTORS, scale="wide"), "scale must be"),
    "save, a twin": (lambda path: save_source(nn.Linear(2, 2), path), "compared with"),
    "save, not fitted": (lambda path: QubitMap(4).save(path), "nothing to save"),
    "head file, width": (
        reads(QubitAnglePredictor.load, "head", 768),
        "the QubitAnglePredictor in .* was made for 24-d embeddings, not 768-d",
    ),
    "map file, width": (
        reads(load_source, "map", 768),
        "the QubitMap in .* 24-d embeddings",
    ),
    "head as map": (reads(QubitMap.load, "head"), "not a saved QubitMap"),
    "map as head": (reads(EquatorialHead.load, "map"), "not a saved EquatorialHead"),
    "other tensors": (reads(load_source, "other"), "not a saved QubitAnglePredictor"),
    "half a file": (reads(load_source, "half"), "not a readable safetensors"),
    "fingerprint": (lambda _: fingerprint(len), "no weights to tell it apart"),
    "codes of two layers": (
        lambda _: angles_to_codes(torch.zeros(5, 2, 3, 2)),
        "one layer",
    ),
    **{
        f"{bits!r} bits": (fits(VECTORS, bits=bits), "4 or 8 bits")
        for bits in (0, 3, 16, "4", None)
    },
    "codes of 3 bits": (
        lambda _: angles_to_codes(torch.zeros(1, 1, 1, 2), 3),
        "4 or 8 bits",
    ),
}


@pytest.mark.parametrize("action, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(action, words, folder):
    with pytest.raises(ValueError, match=words):
        action(folder)


ABSENT = {
    "absent": reads(load_source, "absent"),
    "no map for 'other'": lambda _: QubitMap.shipped("other"),
    "no trained head": lambda _: course_head("other"),
}


@pytest.mark.parametrize("words", ABSENT)
def test_absent_files(words, tmp_path):
    with pytest.raises(FileNotFoundError, match=words):
        ABSENT[words](tmp_path)
