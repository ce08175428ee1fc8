"""The embedder in fewer bits: near fp32, kept apart from it, exported whole or not."""

import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qrr_lib import QubitMap, Scorer, TextEmbedder
from qrr_lib.embed import int8
from qrr_lib.embed.models import model_spec
from qrr_lib.engine.about import as_made

LIGHT = "all-MiniLM-L6-v2"
TEXTS = [
    "A qubit is a unit vector.",
    "Bread rises overnight in a cool kitchen, slowly, and tastes the better for it.",
]


@pytest.fixture(scope="module")
def exact():
    return TextEmbedder(LIGHT, cache=False, device="cpu")


@pytest.mark.parametrize("precision, least", [("bf16", 0.999), ("int8", 0.98)])
def test_vectors_and_tokens_stay_near_fp32(exact, precision, least):
    embedder = exact.with_precision(precision)
    vectors, tokens = embedder.encode(TEXTS), embedder.encode_tokens(TEXTS)
    assert vectors.dtype == tokens[0].dtype == np.float32
    for rows in (vectors, *tokens):
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert (vectors * exact.encode(TEXTS)).sum(axis=1).min() > least
    for own, theirs in zip(tokens, exact.encode_tokens(TEXTS)):
        assert (own * theirs).sum(axis=1).min() > least


def test_in_int8_neighbours_change_nothing(exact):
    embedder = exact.with_precision("int8")
    alone = [embedder.encode([text])[0] for text in TEXTS]
    assert np.array_equal(embedder.encode(TEXTS), alone)
    assert embedder.with_cache(False).model is embedder.model


def test_equal_shares_of_a_channel_change_nothing(rng):
    linear = torch.nn.Linear(5, 3)
    split = int8.SplitLinear(linear, torch.tensor([1, 4, 1, 2, 1]))
    x = torch.from_numpy(rng.normal(size=(2, 7, 5)).astype(np.float32))
    assert torch.allclose(split(x), linear(x), atol=1e-6)
    assert split.weight.shape == (3, 9)


def test_auto_is_bf16_only_where_the_processor_has_it(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for there, chosen in ((True, "bf16"), (False, "fp32")):
        has = {"avx512_bf16": there, "avx2": True, "cpu_name": "some"}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert TextEmbedder(LIGHT, precision="auto").precision == chosen
    assert not capsys.readouterr().err
    assert TextEmbedder(LIGHT, precision="bf16").precision == "bf16"
    assert "slower than fp32" in capsys.readouterr().err


def test_an_unknown_precision_is_refused():
    with pytest.raises(
        ValueError, match="unknown precision 'int4'; choose one of fp32"
    ):
        TextEmbedder(LIGHT, precision="int4")


@pytest.fixture
def exporter(empty_cache, monkeypatch, tmp_path):
    """Calls `int8_file` with an exporter that writes `data` and ends with `code`."""

    def ask(data: bytes, code: int):
        def run(command, **options):
            command[-1].write_bytes(data)
            return SimpleNamespace(returncode=code, stderr="noise\nout of memory")

        monkeypatch.setattr(subprocess, "run", run)
        return int8.int8_file(model_spec(LIGHT), tmp_path)

    return ask


def test_an_export_that_fails_half_way_leaves_nothing(exporter, empty_cache):
    with pytest.raises(ValueError, match="failed .out of memory.; nothing was kept"):
        exporter(b"half of it", 1)
    assert list((empty_cache / "onnx").iterdir()) == []


def test_an_export_is_kept_under_its_hash(exporter, empty_cache, capsys):
    path = exporter(b"whole", 0)
    assert exporter(b"never written", 0) == path and path.read_bytes() == b"whole"
    path.write_bytes(b"damaged")
    capsys.readouterr()
    assert exporter(b"whole", 0) == path and path.read_bytes() == b"whole"
    assert "damaged" in capsys.readouterr().err
    assert list((empty_cache / "onnx").iterdir()) == [path]


def test_precisions_share_no_cached_vector_and_int8_no_states(empty_cache, exact):
    kinds = [TextEmbedder(LIGHT, precision=p) for p in ("fp32", "bf16", "int8")]
    assert len({embedder._cache.path for embedder in kinds}) == 3
    assert kinds[0]._cache.shipped and not kinds[2]._cache.shipped
    codec = Scorer(QubitMap.shipped(LIGHT), per="token").codec
    known = [codec.belongs_to(embedder)["model_sha256"] for embedder in kinds]
    assert known[0] == known[1] != known[2]


def test_an_index_is_asked_in_the_precision_it_was_made_in(exact, capsys):
    plain = {"model_sha256": model_spec(LIGHT).sha256}
    small = {"model_sha256": "int8-" + model_spec(LIGHT).sha256}
    assert as_made(plain, exact) is exact and not capsys.readouterr().err
    embedder = as_made(small, exact)
    assert embedder.precision == "int8" and "made in int8" in capsys.readouterr().err
    assert as_made(small, embedder) is embedder
    assert as_made(plain, embedder).precision == "fp32"
    assert "not made in int8" in capsys.readouterr().err
