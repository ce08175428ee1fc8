"""An index in a folder and on a server: what comes in, what is found, and that it is
what the reranker finds in memory.
"""

import ctypes
import datetime
import itertools
import math
import os
import re
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from test_tokens import WORDS, ToyTokens

from qrr_lib import QubitAnglePredictor, Reranker, Scorer, TextEmbedder, load_collection
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.engine import EngineError, Index, Passage, condition
from qrr_lib.engine.edge import PIECE, EdgeStore
from qrr_lib.engine.passage import Point
from qrr_lib.rank.maxsim import TokenRarity
from qrr_lib.rank.states import States
from qrr_lib.rank.union import Union

pytest.importorskip("qdrant_edge")
qdrant_client = pytest.importorskip("qdrant_client")

MODEL = "all-MiniLM-L6-v2"
NASTY_IDS = [
    "a/b\\c",
    "../../etc/passwd",
    "quote ' and \"",
    "new\nline\tand\x00null",
    "emoji 🐈 and ünï",
    "' OR 1=1; --",
    " spaces ",
    "#1",
    "x" * 5000,
]


@pytest.fixture
def embedder():
    return ToyTokens()


def toy_map(seed: int = 0) -> QubitMap:
    texts = [" ".join(two) for two in itertools.permutations(WORDS, 2)]
    encoded = ToyTokens().encode_with_tokens(texts)
    return QubitMap(6, seed=seed, bits=4).fit(
        np.concatenate([e.tokens for e in encoded])
    )


@pytest.fixture
def scorer():
    return Scorer(toy_map(), per="token")


SERVER = os.environ.get("QRR_ENGINE_URL")  # of a real server, such as http://host:6333
PLACES = ["folder", "server", *(["address"] if SERVER else [])]


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    """A folder, the client's local mode in place of a server, and a server if there is
    one.
    """
    if request.param == "folder":
        yield tmp_path / "toy.index"
        return
    real = request.param == "address"
    client = open_client(SERVER if real else ":memory:")
    name = f"test-{uuid.uuid4().hex}"
    yield f"{SERVER}/{name}" if real else client
    if real:
        client.delete_collection(name)
    client.close()


def open_client(place: str):
    return qdrant_client.QdrantClient(place, check_compatibility=False)


def test_a_real_server_is_among_the_places():
    if not SERVER:
        pytest.skip("QRR_ENGINE_URL names no Qdrant server; its local mode stands in")
    assert "address" in PLACES


def test_the_workflow_runs_the_server_of_this_client():
    root = Path(__file__).resolve().parent.parent
    workflow = (root / ".github/workflows/tests.yml").read_text("utf-8")
    pins = (root / "constraints.txt").read_text("utf-8")
    server, client = r"qdrant/qdrant:v(\d+\.\d+)\.\d+", r"qdrant-client==(\d+\.\d+)"
    assert re.findall(server, workflow) == re.findall(client, pins) != []


def passages(count: int = 60) -> list[Passage]:
    """Three words each, with fields."""
    words = itertools.islice(itertools.permutations(WORDS, 3), 0, count * 7, 7)
    return [
        Passage(f"d{i}", a, f"{b} {c}", f"{a}.txt", {"year": 2000 + i, "lang": c[:2]})
        for i, (a, b, c) in enumerate(words)
    ]


@pytest.fixture
def index(place, embedder, scorer):
    with Index.create(place, embedder, scorer) as index:
        index.add(passages())
        yield index


def scores(index: Index, queries: dict[str, str], **options) -> dict:
    """{(query, passage): its signals}."""
    found = index.candidates(queries, **options)
    return {
        (qid, found.doc_ids[row]): [s[q, i] for s in found.signals.values()]
        for q, qid in enumerate(found.query_ids)
        for i, row in enumerate(found.rows[q])
        if row >= 0
    }


QUERIES = {"q1": "qubit state", "q2": "jazz", "q3": "river bread token"}


# the same as in memory


@pytest.fixture(scope="module")
def course():
    collection, embedder = load_collection("course"), TextEmbedder(MODEL)
    scorer = Scorer(QubitMap.shipped(MODEL), per="token")
    return collection, embedder, Reranker(embedder, scorer, Union()).index(collection)


@pytest.fixture(scope="module", params=["folder", "server"])
def course_index(request, course, tmp_path_factory):
    collection, embedder, _ = course
    client = qdrant_client.QdrantClient(":memory:")
    folder = tmp_path_factory.mktemp("course") / "course.index"
    place = {"folder": folder, "server": client}[request.param]
    with Index.create(place, embedder) as index:
        index.add(Passage(key, *doc) for key, doc in collection.docs.items())
        yield index
    client.close()


def test_every_signal_and_the_order_are_those_in_memory(course, course_index):
    collection, _, reranker = course
    queries = collection.split("test")
    if course_index.store.size() is None:  # the client's local mode takes longer
        queries = dict(list(queries.items())[::5])
    found = course_index.candidates(queries, 100)
    ids = [[found.doc_ids[r] for r in row if r >= 0] for row in found.rows]
    memory = reranker.candidates(queries, given=dict(zip(queries, ids)))
    for name, here in found.signals.items():
        np.testing.assert_allclose(here, memory.signals[name], atol=2e-6, err_msg=name)
    assert course_index.weights == reranker.weights
    best, there = found.run(course_index.weights), memory.run(reranker.weights)
    for qid in queries:
        here, other = np.array(list(best[qid])), np.array(list(there[qid]))
        for key in here[here != other]:  # only scores that are equal but for rounding
            at = list(there[qid].values())[list(here).index(key)]
            assert there[qid][key] == pytest.approx(at, abs=2e-6)


def test_found_is_what_the_union_in_memory_finds(course, course_index):
    """But for equal scores at the end, and BM25's average length, which the engine
    keeps from the first block.
    """
    collection, _, reranker = course
    queries = dict(list(collection.split("dev").items())[::2])
    found, memory = (one.candidates(queries, 50) for one in (course_index, reranker))
    for here, there in zip(found.rows, memory.rows):
        here = [found.doc_ids[r] for r in here if r >= 0]
        there = [memory.doc_ids[r] for r in there if r >= 0]
        assert here[:50] == there[:50]  # by cosine
        same = set(here) & set(there)
        assert len(same) >= 0.95 * max(len(here), len(there))


def test_each_token_weighs_as_in_memory(course, course_index):
    _, _, reranker = course
    query = "how are angles encoded on a sphere"
    best = course_index.search(query)[0]
    here = course_index.explain(query, best.id)
    there = reranker.explain(query, best.id)
    assert [m._replace(similarity=0, weight=0) for m in here] == [
        m._replace(similarity=0, weight=0) for m in there
    ]
    total = sum(match.weight * match.similarity for match in here)
    assert total == pytest.approx(best.signals["states"], abs=1e-5)


# what comes in, what goes out


def test_a_second_run_writes_only_what_changed(index):
    assert len(index) == 60
    assert index.add(passages()) == 0
    changed = [
        p._replace(text="lemon lemon") if p.id == "d7" else p for p in passages(70)
    ]
    before = index.column("hash")
    assert index.add(changed) == 11
    assert len(index) == 70 == len(index.ids())
    after = index.column("hash")
    assert [key for key in before if before[key] != after[key]] == ["d7"]
    assert index.search("lemon")[0].text == "lemon lemon"


def test_what_is_merged_on_the_way_is_the_same_index(
    embedder, scorer, tmp_path, monkeypatch
):
    found, merged = [], []
    real = EdgeStore.optimise
    monkeypatch.setattr(EdgeStore, "optimise", lambda s: (merged.append(1), real(s)))
    monkeypatch.setattr("qrr_lib.engine.index.TEXTS_A_BLOCK", 10)
    for piece in (10_000, 20):
        monkeypatch.setattr("qrr_lib.engine.edge.PIECE", piece)
        with Index.create(tmp_path / f"{piece}", embedder, scorer) as index:
            index.add(passages())
            found.append((scores(index, QUERIES, k=60), index.column("hash")))
    assert found[0] == found[1] and len(merged) == 1 + 4


def anonymous_bytes() -> int:
    """Memory of this process that no file holds."""
    status = Path("/proc/self/status")
    if not status.exists() or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("memory is asked for where Linux and glibc are")
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", status.read_text("utf-8"))[1])


@pytest.mark.slow
def test_what_merges_have_freed_goes_back_to_the_system(tmp_path):
    rng = np.random.default_rng(0)

    def point(_) -> Point:
        pieces = dict.fromkeys(rng.integers(0, 30_000, 120).tolist(), 1.0)
        vectors = {"dense": rng.standard_normal(384).tolist()}
        vectors |= {"words": pieces, "pieces": pieces}
        return Point(str(uuid.UUID(bytes=rng.bytes(16))), vectors, {})

    layout = {"dense": 384, "tokens": None}
    store = EdgeStore.make(tmp_path / "index", layout, point(0))
    for _ in range(2 * PIECE // 128):
        store.upsert([point(i) for i in range(128)])
    used = anonymous_bytes()
    ctypes.CDLL(None).malloc_trim(0)
    assert used - anonymous_bytes() < 2**23  # the last of two merges frees 2**25
    store.close()


@pytest.mark.parametrize("part", ["title", "text", "source", "fields"])
def test_every_part_of_a_passage_counts_as_a_change(index, part):
    other = {"fields": {"year": 1}}.get(part, "matrix")
    assert index.add([passages()[3]._replace(**{part: other})]) == 1
    assert len(index) == 60


def test_what_is_deleted_is_not_found(index):
    best = index.search("qubit state")[0].id
    assert index.delete([best, "never there"]) == 1
    assert len(index) == 59 and best not in index.ids()
    assert best not in [hit.id for hit in index.search("qubit state", k=60)]
    assert index.delete([best]) == 0 and index.delete([]) == 0


def test_scores_do_not_remember_what_is_gone(place, embedder, scorer, tmp_path):
    """Rarity follows what comes and goes: an index with a past scores as one
    without.
    """
    ours, others = passages(40)[:20], passages(40)[20:]
    with Index.create(tmp_path / "fresh.index", embedder, scorer) as fresh:
        fresh.add(ours)
        wanted = scores(fresh, QUERIES)
    with Index.create(place, embedder, scorer) as index:
        index.add([p._replace(text="noise noise phase") for p in ours[:5]])
        scores(index, QUERIES)  # from here on counts are kept up, not made anew
        index.add(others)
        index.add(ours)
        index.delete([p.id for p in others])
        for found in (scores(index, QUERIES), opened_again(index, embedder)):
            assert found.keys() == wanted.keys()
            for key in wanted:
                np.testing.assert_allclose(found[key], wanted[key], atol=1e-5)


def opened_again(index: Index, embedder) -> dict:
    """Scores after the index was closed and opened."""
    index.close()
    with Index.open(index.place, embedder) as again:
        return scores(again, QUERIES)


def test_ids_may_hold_any_character(index, place, embedder):
    index.add(
        [Passage(key, "", f"kernel {WORDS[i]}") for i, key in enumerate(NASTY_IDS)]
    )
    assert set(NASTY_IDS) <= set(index.ids())
    found = {hit.id for hit in index.search("kernel", k=60)}
    assert set(NASTY_IDS) <= found
    assert index.explain("kernel", NASTY_IDS[0])[0].document_token == "kernel"
    assert index.delete(NASTY_IDS) == len(NASTY_IDS)
    assert len(index) == 60


@pytest.mark.parametrize(
    "passage, said",
    [
        (Passage("", "a", "b"), "non-empty"),
        (Passage(7, "a", "b"), "non-empty"),
        (Passage("e", "", "  "), "'e' is empty"),
        (Passage("\udc80", "a", "b"), "non-empty strings"),
        (Passage("s", "a", "\udc80"), "half a character"),
        (Passage("n", "a", "b", "", {"x": math.nan}), "cannot be stored"),
        (Passage("d1", "again", "twice"), "duplicate"),
    ],
)
def test_a_bad_passage_is_refused_and_nothing_of_its_block_is_kept(
    index, passage, said
):
    with pytest.raises(ValueError, match=said):
        index.add([*passages(61), passage])
    assert len(index) == 60


def test_an_id_that_comes_twice_in_two_blocks_is_refused(place, embedder, scorer):
    many = [Passage(f"p{i}", WORDS[i % 20], WORDS[i % 7]) for i in range(200)]
    with Index.create(place, embedder, scorer) as index:
        with pytest.raises(ValueError, match="duplicate ids.*p3"):
            index.add([*many, many[3]])
        assert len(index) == 128  # the first block is kept
        assert index.add(iter(many)) == 72 and len(index) == 200


def test_texts_without_a_word_or_a_token_are_kept(index):
    index.add([Passage("stop", "", "the of and"), Passage("none", "", "?")])
    assert {"stop", "none"} <= set(index.ids())
    found = scores(index, {"q": "the jazz"}, k=62)
    assert found["q", "stop"][1] == 0
    assert found["q", "none"][2] == 0
    assert index.explain("jazz", "none") == []


# what is asked


def test_a_hit_shows_the_passage_and_its_scores(index):
    hits = index.search("qubit state", k=5)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert sorted(hits, key=lambda hit: -hit.score) == hits
    stored = {p.id: p for p in passages()}
    for hit in hits:
        assert (hit.title, hit.text) == stored[hit.id][1:3]
        assert (hit.source, hit.fields) == stored[hit.id][3:]
        mixed = sum(index.weights[name] * s for name, s in hit.signals.items())
        assert hit.score == pytest.approx(mixed, abs=1e-6)
        assert all(
            -1e-6 <= s <= 1 for name, s in hit.signals.items() if name != "cosine"
        )
    index.weights = 1.0
    by_cosine = index.search("qubit state", k=5)
    assert [hit.first_rank for hit in by_cosine] == [1, 2, 3, 4, 5]


def test_hits_show_themselves_as_a_table(index):
    index.add([Passage(f"e{i}", "", f"jazz <b>{WORDS[i]}</b>") for i in range(3)])
    hits = index.search("jazz", k=3, where=[("id", "in", ["e0", "e1", "e2"])])
    assert isinstance(hits, list) and len(hits) == 3
    html = hits._repr_html_()
    assert html.count("<tr>") == 4 and "<b>" not in html
    for name in ("rank", "move", "document", "score", "cosine", "words", "states"):
        assert f">{name}</th>" in html
    assert f"{hits[0].score:.3f}" in html
    plain = str(hits).splitlines()
    assert len(plain) == 4 and "<" not in str(hits)
    assert plain[1].split()[0] == "1" and (hits[0].title or hits[0].id) in plain[1]
    assert hits[:2]._repr_html_().count("<tr>") == 3
    assert not index.search("jazz", where=[condition("year=1")])


def test_an_empty_index_finds_nothing(place, embedder, scorer):
    with Index.create(place, embedder, scorer) as index:
        assert (
            index.search("qubit") == []
            and len(index) == 0
            and index.column("hash") == {}
        )
        assert index.candidates(QUERIES).rows.shape == (3, 0)
        index.add(passages(3))
        assert len(index.search("qubit")) == 3


def test_a_query_must_say_something(index):
    with pytest.raises(ValueError, match="the query is empty"):
        index.search("  ")
    with pytest.raises(ValueError, match="k must be a whole number"):
        index.search("jazz", k=0)
    with pytest.raises(ValueError, match="no passage 'nowhere'"):
        index.explain("jazz", "nowhere")


def fulfils(passage: Passage, one: tuple) -> bool:
    field, operator, value = one
    own = passage.fields.get(field, getattr(passage, field, None))
    if own is None:
        return False
    compare = {
        "=": lambda: own == value,
        "in": lambda: own in value,
        "<": lambda: own < value,
        "<=": lambda: own <= value,
        ">": lambda: own > value,
        ">=": lambda: own >= value,
    }
    return compare[operator]()


@pytest.mark.parametrize(
    "where",
    [
        ["year=2003"],
        ["year<2005"],
        ["year<=2005"],
        ["year>2055"],
        ["year>=2055", "year<2058"],
        ["year in 2001,2003,1999"],
        ["lang=qu"],
        ["lang in qu,st", "year>2010"],
        ["id=d17"],
        ["source in angle.txt,bread.txt"],
        ["absent=1"],
    ],
)
def test_conditions_hold_for_all_that_is_found_and_for_nothing_else(index, where):
    where = [condition(text) for text in where]
    found = {hit.id for hit in index.search("qubit state", k=60, where=where)}
    wanted = {p.id for p in passages() if all(fulfils(p, one) for one in where)}
    assert found == wanted


def test_fields_of_many_kinds(index):
    day = datetime.date(2024, 5, 1)
    fields = {
        "tags": ["a", "b"],
        "a.b": "x",
        "ok": True,
        "day": day,
        "n": "12",
        "f": 0.5,
    }
    index.add([Passage("many", "jazz", "lemon", fields=fields)])
    for text in ("tags=b", "a.b=x", "ok=true", 'day="2024-05-01"', "n=12", "f=0.5"):
        hits = index.search("jazz", where=[condition(text)])
        assert [hit.id for hit in hits] == ["many"], text
    assert index.search("jazz", where=[condition("ok=false")]) == []


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("year>2000", ("year", ">", 2000)),
        (" year >= 2000.5 ", ("year", ">=", 2000.5)),
        ("lang=de", ("lang", "=", "de")),
        ('zip="0123"', ("zip", "=", "0123")),
        ("draft=false", ("draft", "=", False)),
        ("a b.c=d=e", ("a b.c", "=", "d=e")),
        ("lang in de, en", ("lang", "in", ["de", "en"])),
        ("source=C:\\x<y>.txt", ("source", "=", "C:\\x<y>.txt")),
    ],
)
def test_a_condition_is_read(text, wanted):
    assert condition(text) == wanted


@pytest.mark.parametrize(
    "text", ["year", "=3", "year>", "year>new", 'a"b=1', "year<true", ""]
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ValueError):
        condition(text)


# how states are kept


def test_the_engine_compares_tokens_as_brute_force_does(place, embedder, scorer):
    with Index.create(place, embedder, scorer, tokens="full") as index:
        index.add(passages())
        assert index.info()["tokens"] == "full"
        found = scores(index, QUERIES, k=60)
    assert len(found) == 180
    documents = embedder.encode_with_tokens([p.full for p in passages()])
    rarity = TokenRarity()
    rarity.count(
        States.of([d.tokens for d in documents], [d.token_ids for d in documents])
    )
    for qid, query in zip(QUERIES, embedder.encode_with_tokens(list(QUERIES.values()))):
        weights = rarity.weights(query.token_ids)
        for passage, document in zip(passages(), documents):
            both = query.tokens @ document.tokens.T / 2 + 0.5
            wanted = weights @ both.max(axis=1)
            # in a folder a number has 8 bits
            assert found[qid, passage.id][2] == pytest.approx(wanted, abs=0.04)


def test_only_what_can_be_kept_is_taken(tmp_path, embedder):
    with pytest.raises(ValueError, match="per='token'"):
        Index.create(tmp_path / "a", embedder, Scorer(QubitAnglePredictor(24)))
    with pytest.raises(ValueError, match="not fitted"):
        Index.create(tmp_path / "a", embedder, Scorer(QubitMap(6), per="token"))
    with pytest.raises(ValueError, match="unknown tokens 'codes'"):
        Index.create(tmp_path / "a", embedder, None, tokens="codes")
    assert not (tmp_path / "a").exists()


# places


def test_an_index_is_opened_again(index, embedder):
    wanted, about = scores(index, QUERIES), index.info()
    index.close()
    with Index.open(index.place, embedder) as again:
        assert again.info() | {"bytes": 0} == about | {"bytes": 0}
        assert scores(again, QUERIES) == wanted


def test_an_index_knows_its_own_model(index, place, embedder, monkeypatch):
    """Whatever QRR_MODEL says; one that is none of the course's must be given."""
    index.close()
    with pytest.raises(ValueError, match="was made with the model 'toy'.*embedder"):
        Index.open(place)
    asked = []

    def make(name, cache):
        asked.append(name)
        return embedder

    monkeypatch.setattr("qrr_lib.engine.about.EMBEDDING_MODELS", [embedder.name])
    monkeypatch.setattr("qrr_lib.engine.about.TextEmbedder", make)
    with Index.open(place) as again:
        assert asked == [embedder.name] and len(again) == 60


def test_another_model_or_map_is_refused(index, place, embedder):
    index.close()
    other = ToyTokens()
    other.name = "another"
    with pytest.raises(ValueError, match="another model.* here another.*QRR_MODEL"):
        Index.open(place, other)
    with pytest.raises(ValueError, match="belongs to another map"):
        Index.open(place, embedder, Scorer(toy_map(seed=1), per="token"))
    with Index.open(place, embedder, Scorer(toy_map(), per="token")) as again:
        assert len(again) == 60


def test_two_indexes_at_one_place_are_refused(index, place, embedder, scorer):
    index.close()
    with pytest.raises(ValueError, match="already: open"):
        Index.create(place, embedder, scorer)
    with Index.open(place, embedder) as again:
        assert len(again) == 60


def test_nothing_at_a_place(tmp_path, embedder):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="no index"):
            Index.open(folder, embedder)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FileNotFoundError, match="no index"):
        Index.open(qdrant_client.QdrantClient(":memory:"), embedder)
    for address in ("ftp://host", "localhost:6333/mine", "127.0.0.1:6333"):
        with pytest.raises(ValueError, match="write http"):
            Index.open(address, embedder)


def test_other_files_are_left_alone(tmp_path, embedder, scorer):
    mine = tmp_path / "thesis.txt"
    mine.write_text("years of work", encoding="utf-8")
    with pytest.raises(ValueError, match="holds other files"):
        Index.create(tmp_path, embedder, scorer)
    with pytest.raises(ValueError, match="is a file"):
        Index.create(mine, embedder, scorer)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_qdrant_edge_the_client_keeps_the_folder(
    tmp_path, embedder, scorer, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    with Index.create(tmp_path / "i", embedder, scorer) as index:
        assert "qdrant-edge-py is not installed" in capsys.readouterr().err
        index.add(passages(20))
        wanted = scores(index, QUERIES)
        with pytest.raises(EngineError, match="open in another process"):
            Index.open(tmp_path / "i", embedder)
    with Index.open(tmp_path / "i", embedder) as again:
        assert scores(again, QUERIES) == wanted and len(again) == 20
