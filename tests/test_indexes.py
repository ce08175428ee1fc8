"""Every FAISS index: exact when it must be, close when it may be, saved and read back
whole, and clear about what it cannot do.
"""

import numpy as np
import pytest

from qrr_lib import FaissRetriever, QubitAnglePredictor, Reranker, Scorer
from qrr_lib.rank.first_stage import INDEXES
from qrr_lib.rank.recall import neighbour_recall, noisy_copies

N, D = 10_000, 32  # just enough for a PQ code, small enough for seconds
APPROXIMATE = [kind for kind in INDEXES if kind != "flat"]


def unit(rng, rows: int, dim: int = D) -> np.ndarray:
    vectors = rng.normal(size=(rows, dim)).astype("f4")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def data():
    seeds = unit(np.random.default_rng(0), 50)
    vectors, queries = noisy_copies(seeds, N, seed=1), noisy_copies(seeds, 40, seed=2)
    exact = [
        [f"d{i}" for i in row]
        for row in np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    ]
    return vectors, queries, exact


@pytest.fixture(scope="module")
def built(data):
    made = {}
    for kind in INDEXES:
        made[kind] = FaissRetriever(kind)
        made[kind].add([f"d{i}" for i in range(N)], data[0])
    return made


def test_recall_by_hand():
    assert neighbour_recall([["a", "b"], ["x"]], [["b", "c"], ["x", "y"]]) == 0.5
    assert neighbour_recall([[]], [["a"]]) == 0.0
    with pytest.raises(ValueError, match="longer"):
        neighbour_recall([["a"]], [["a"], ["b"]])


@pytest.mark.parametrize("kind", INDEXES)
def test_defaults_find_most_neighbours(kind, built, data):
    scores, ids = built[kind].search(data[1], 10)
    assert scores.shape == (40, 10) and all(len(set(row)) == 10 for row in ids)
    assert (np.diff(scores, axis=1) <= 0).all()
    recall = neighbour_recall(ids, data[2])
    assert (
        recall == 1 if kind == "flat" else recall > (0.3 if kind == "ivf_pq" else 0.9)
    ), recall  # 4 bytes for 32 numbers are few
    if kind in ("flat", "ivf", "hnsw"):  # uncompressed: the scores are cosines
        rows = [[int(key[1:]) for key in row] for row in ids]
        assert np.allclose(
            scores, np.einsum("qd,qkd->qk", data[1], data[0][rows]), atol=1e-5
        )


def test_all_cells_are_exact_and_one_is_not(built, data):
    ivf = built["ivf"]
    before, recalls = ivf.nprobe, []
    for nprobe in (1, 2, ivf._index.nlist):
        ivf.nprobe = nprobe
        recalls.append(neighbour_recall(ivf.search(data[1], 10)[1], data[2]))
    ivf.nprobe = before
    assert recalls[0] < recalls[1] <= recalls[2] == 1


def test_more_ef_search_finds_more(built, data):
    hnsw, recalls = built["hnsw"], []
    for ef in (10, 500):
        hnsw.ef_search = ef
        recalls.append(neighbour_recall(hnsw.search(data[1], 10)[1], data[2]))
    hnsw.ef_search = 128
    assert recalls[0] < recalls[1] > 0.98


def test_a_walk_keeps_at_least_k_in_view(built, data):
    """FAISS itself leaves gaps when efSearch is below k."""
    hnsw = built["hnsw"]
    hnsw.ef_search = 4
    ids = hnsw.search(data[1], 200)[1]
    hnsw.ef_search = 128
    assert all(len(row) == 200 for row in ids)
    assert neighbour_recall([row[:10] for row in ids], data[2]) > 0.98


def test_compression_saves_what_it_says(built):
    flat, sq8, pq = (
        built[kind].size_in_bytes() for kind in ("flat", "ivf_sq8", "ivf_pq")
    )
    assert flat == pytest.approx(4 * D * N, rel=0.01)
    # centres, and the length of each list
    cells = built["ivf"]._index.nlist * (4 * D + 8)
    # one byte a number and 8 of row number
    assert sq8 == pytest.approx((D + 8) * N + cells, rel=0.02)
    assert pq == pytest.approx((D // 8 + 8) * N + cells + 4 * 256 * D, rel=0.02)
    assert FaissRetriever().size_in_bytes() == 0


def test_the_rule_for_cells_and_nprobe(built):
    assert (
        built["ivf"]._index.nlist == min(round(4 * N**0.5), N // 39) == 256
        and built["ivf"].nprobe == 8
    )
    assert built["ivf_pq"]._index.pq.M == D // 8 and built["hnsw"].ef_search == 128
    small = FaissRetriever("ivf")
    small.add([str(i) for i in range(200)], unit(np.random.default_rng(0), 200))
    assert small._index.nlist == 5 and small.nprobe == 8


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_the_same_seed_gives_the_same_index(kind, data):
    import faiss

    threads, answers = faiss.omp_get_max_threads(), []
    faiss.omp_set_num_threads(1)
    try:
        for _ in range(2):
            retriever = FaissRetriever(kind)
            retriever.add([f"d{i}" for i in range(N)], data[0])
            answers.append(retriever.search(data[1], 10)[1])
    finally:
        faiss.omp_set_num_threads(threads)
    assert answers[0] == answers[1]


def test_missing_neighbours_are_left_out(rng):
    """Two far clusters, one cell in view: a search for more than the cell holds
    returns what there is.
    """
    centres = np.eye(2, D, dtype="f4").repeat([60, 140], axis=0)
    vectors = centres + 0.01 * unit(rng, 200)
    retriever = FaissRetriever("ivf")
    retriever.add([f"d{i}" for i in range(200)], vectors)
    retriever.nprobe = 1
    scores, ids = retriever.search(np.eye(2, D, dtype="f4"), 100)
    assert scores.shape == (2, 100) and 0 < len(ids[0]) <= 60
    assert set(ids[0]) <= {f"d{i}" for i in range(60)}
    for row, line in zip(ids, scores):
        assert np.isfinite(line[: len(row)]).all()
        assert (line[len(row) :] == -np.inf).all()


def test_the_reranker_takes_short_lists(toy_embedder):
    texts = {
        f"d{i}": ("aaaa" if i < 60 else "zzzz") + chr(97 + i % 26) for i in range(200)
    }
    scorer, retriever = (
        Scorer(QubitAnglePredictor(26, 16, seed=0)),
        FaissRetriever("ivf"),
    )
    reranker = Reranker(toy_embedder, scorer, retriever).index(texts)
    retriever.nprobe = 1
    found = reranker.search("aaaa", k=100, candidates=100)
    assert 0 < len(found) <= 60
    assert {doc.doc_id for doc in found} <= {f"d{i}" for i in range(60)}
    assert all(np.isfinite(doc.score) for doc in found)


@pytest.mark.parametrize("kind", INDEXES)
def test_saved_and_read_back(kind, built, data, tmp_path):
    path = tmp_path / "ünder a folder" / "index.faiss"
    built[kind].save(path)
    again = FaissRetriever.load(path)
    # nothing partial is left
    assert [p.name for p in path.parent.iterdir()] == ["index.faiss"]
    assert (
        again.kind == kind
        and len(again) == N
        and again.size_in_bytes() == built[kind].size_in_bytes()
    )
    for (s, i), (t, j) in [
        (built[kind].search(data[1], 10), again.search(data[1], 10))
    ]:
        assert np.array_equal(s, t) and i == j
    if kind == "hnsw":
        assert again.ef_search == built[kind].ef_search
    elif kind != "flat":
        assert again.nprobe == built[kind].nprobe
    again.add(['näw\n"id"'], data[1][:1])
    assert 'näw\n"id"' in again.search(data[1][:1], 10)[1][0]
    with pytest.raises(ValueError, match="duplicate ids.*d3"):
        again.add(["d3"], data[1][:1])


def test_an_index_knows_what_made_its_vectors(built, data, tmp_path):
    retriever = FaissRetriever(made_by="mpnet")
    retriever.add(["a"], data[1][:1])
    retriever.save(tmp_path / "index")
    assert FaissRetriever.load(tmp_path / "index", "mpnet").made_by == "mpnet"
    with pytest.raises(ValueError, match="made by another model.*mpnet, not MiniLM"):
        FaissRetriever.load(tmp_path / "index", "MiniLM")


def test_files_that_are_not_whole(built, tmp_path):
    """Cut short, one bit turned, one byte more, or something else: all refused."""
    path = tmp_path / "index.faiss"
    built["ivf_sq8"].save(path)
    whole = path.read_bytes()
    cuts = (0, 5, 16, 20, 60, len(whole) // 2, len(whole) - 1)
    broken = [whole[:cut] for cut in cuts]
    for place in (18, 40, len(whole) // 2, len(whole) - 3):
        turned = bytes([whole[place] ^ 1])
        broken.append(whole[:place] + turned + whole[place + 1 :])
    broken += [whole + b"x", b"PK\x03\x04 something else altogether, quite long"]
    said = "not written by FaissRetriever.save.*cut short or damaged.*save the index"
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=said):
            FaissRetriever.load(path)
    with pytest.raises(FileNotFoundError):
        FaissRetriever.load(tmp_path / "absent")


def test_a_failed_save_keeps_the_old_file(built, tmp_path, monkeypatch):
    import safetensors.torch

    path = tmp_path / "index.faiss"
    built["flat"].save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="disk full"):
        built["flat"].save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [
        "index.faiss"
    ]


def test_noisy_copies(rng):
    vectors = unit(rng, 30)
    plain = noisy_copies(vectors, 20, noise=0)
    assert np.allclose((plain @ vectors.T).max(axis=1), 1, atol=1e-5)
    made = noisy_copies(vectors, 25_000, noise=0.5, seed=3)
    assert made.shape == (25_000, D) and made.dtype == np.float32
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert np.array_equal(
        made[:10_000], noisy_copies(vectors, 10_000, noise=0.5, seed=3)
    )
    assert not np.array_equal(made[:20], noisy_copies(vectors, 20, noise=0.5, seed=4))
    flat = vectors.copy()
    flat[:, 0] = 0.5  # no two texts differ here, so noise has nothing to add
    raw = noisy_copies(
        flat / np.linalg.norm(flat, axis=1, keepdims=True), 1000, noise=0.5
    )
    assert raw[:, 0].std() < raw[:, 1:].std(axis=0).min()
