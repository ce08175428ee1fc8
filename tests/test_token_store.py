"""The index folder: opened as it was written, or refused; a kill or a full disk leaves
the old one whole.
"""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from test_tokens import DOCS, WORDS, ToyTokens, random_codes

from qrr_lib import Circuit, QubitAnglePredictor, Reranker
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.states import States
from qrr_lib.rank.token_index import open_index
from qrr_lib.rank.token_store import StoreWriter, read_store


@pytest.fixture
def embedder():
    return ToyTokens()


@pytest.fixture
def folder(tmp_path, embedder):
    scorer = Scorer(QubitMap(6), per="token")
    Reranker(embedder, scorer).index(DOCS, folder=tmp_path / "index")
    return tmp_path / "index"


def names(folder):
    return sorted(p.name.split("-")[0] for p in folder.iterdir())


def test_gathering_texts(rng):
    states = random_codes(rng, [3, 0, 4, 1])
    part = states[[2, 1, 0]]
    assert part.offsets.tolist() == [0, 4, 4, 7] and np.array_equal(
        part.rows[:4], states.rows[3:7]
    )
    assert (
        np.array_equal(states[1:3].token_ids, states.token_ids[3:7])
        and len(states[1:3]) == 2
    )
    joined = States.join([states[:2], states[2:]])
    assert (
        np.array_equal(joined.rows, states.rows)
        and joined.offsets.tolist() == states.offsets.tolist()
    )
    assert len(states[[]]) == 0 and len(States.join([states[[]], states])) == 4


def test_an_index_on_disk_answers_like_one_in_memory(folder, embedder):
    memory = Reranker(embedder, Scorer(QubitMap(6), per="token")).index(DOCS)
    disk = open_index(folder, embedder)
    assert (
        isinstance(disk.states.rows, np.memmap)
        and disk.states.rows.nbytes == 12 * memory.states.offsets[-1]
    )
    assert names(folder) == [
        "codes",
        "ids",
        "manifest.json",
        "map",
        "token_ids",
        "vectors",
    ]
    for query in ("phase qubit river", "bread"):
        assert disk.search(query, k=20) == memory.search(query, k=20)
        assert disk.explain(query, "d3") == memory.explain(query, "d3")
    plain = open_index(folder, embedder, idf=False, alpha=0)
    expected = Reranker(
        embedder, Scorer(QubitMap(6), idf=False, per="token"), alpha=0
    ).index(DOCS)
    assert plain.search("bread kernel", k=20) == expected.search("bread kernel", k=20)


def test_one_byte_a_qubit_on_disk(tmp_path, embedder):
    memory = Reranker(embedder, Scorer(QubitMap(6, bits=4), per="token")).index(DOCS)
    scorer = Scorer(QubitMap(6, bits=4), per="token")
    written = Reranker(embedder, scorer).index(DOCS, folder=tmp_path)
    disk = open_index(tmp_path, embedder)
    assert (
        disk.states.rows.nbytes == 6 * memory.states.offsets[-1]
        and disk.scorer.angles.bits == 4
    )
    assert (
        disk.search("phase qubit river", k=20)
        == memory.search("phase qubit river", k=20)
        == written.search("phase qubit river", k=20)
    )
    same_but_finer = QubitMap(6).fit(
        np.concatenate(
            [t.tokens for t in embedder.encode_with_tokens(list(DOCS.values()))]
        )
    )
    with pytest.raises(ValueError, match="another map"):
        open_index(tmp_path, embedder, angles=same_but_finer)


def test_a_folder_is_written_once_and_replaced_whole(folder, embedder):
    two = {"one": " ".join(WORDS[:8]), "two": " ".join(WORDS[8:16])}
    reranker = Reranker(embedder, Scorer(QubitMap(6), per="token"))
    reranker.index(two, folder=folder)
    # the old files are gone
    assert (
        len(open_index(folder, embedder).states) == 2
        and len(list(folder.iterdir())) == 6
    )
    with pytest.raises(ValueError, match="written once"):
        reranker.index({"more": "river"}, folder=folder)
    assert len(open_index(folder, embedder).states) == 2


def test_a_kill_in_mid_write_leaves_the_old_index(folder, embedder, rng):
    before = open_index(folder, embedder).search("bread")
    writer = StoreWriter(folder)
    # … and no commit
    writer.add(["x"], np.zeros((1, 24), "f4"), random_codes(rng, [3], n=6))
    assert len(list(folder.iterdir())) == 10
    assert open_index(folder, embedder).search("bread") == before
    writer.abort()
    assert len(list(folder.iterdir())) == 6


class Interrupted(ToyTokens):
    """Fails at the second block, as a reader's Ctrl-C would."""

    calls = 0

    def encode_with_tokens(self, texts, **options):
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return super().encode_with_tokens(texts)


def test_an_interrupted_index_cleans_up(folder, embedder):
    before = open_index(folder, embedder).search("bread")
    fitted = QubitMap.load(next(folder.glob("map-*")))
    with pytest.raises(KeyboardInterrupt):
        scorer = Scorer(fitted, per="token")
        Reranker(Interrupted(), scorer).index(DOCS, folder=folder)
    assert (
        len(list(folder.iterdir())) == 6
        and open_index(folder, embedder).search("bread") == before
    )


def test_a_full_disk_is_said_and_leaves_the_old_index(folder, embedder, monkeypatch):
    class Full:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name):
            return getattr(self.file, name)

    made = StoreWriter.__init__

    def init(self, path):
        made(self, path)
        self.files["codes"] = Full(self.files["codes"])

    before = open_index(folder, embedder).search("bread")
    monkeypatch.setattr(StoreWriter, "__init__", init)
    with pytest.raises(
        OSError, match="could not be written .No space left on device.* make room"
    ) as caught:
        scorer = Scorer(QubitMap(6), per="token")
        Reranker(embedder, scorer).index(DOCS, folder=folder)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert (
        len(list(folder.iterdir())) == 6
        and open_index(folder, embedder).search("bread") == before
    )


@pytest.mark.parametrize("kind", ["codes", "token_ids", "vectors", "ids", "map"])
def test_damage_is_noticed(folder, embedder, kind):
    path = next(folder.glob(f"{kind}-*"))
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=f"{kind}-.* is cut short"):
        open_index(folder, embedder)
    path.write_bytes(data[:5] + bytes([data[5] ^ 1]) + data[6:])
    with pytest.raises(ValueError, match=f"{kind}-.* was changed"):
        open_index(folder, embedder)
    path.unlink()
    with pytest.raises(ValueError, match=f"lacks {kind}-"):
        open_index(folder, embedder)


def test_codes_of_another_model_or_map_are_refused(folder, embedder):
    other = QubitMap(6, seed=1).fit(
        np.concatenate(
            [t.tokens for t in embedder.encode_with_tokens(list(DOCS.values()))]
        )
    )
    with pytest.raises(ValueError, match="another map"):
        open_index(folder, embedder, angles=other)

    class Other(ToyTokens):
        name = "another-toy"

    with pytest.raises(ValueError, match="another model"):
        open_index(folder, Other())


def test_manifests_that_cannot_be_read(folder, embedder, tmp_path):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(ValueError, match="format 99, this library reads 2"):
        open_index(folder, embedder)
    for broken in ('{"format"', "[]", "{}"):
        (folder / "manifest.json").write_text(broken)
        with pytest.raises(ValueError, match="damaged"):
            open_index(folder, embedder)
    with pytest.raises(FileNotFoundError, match="no index in"):
        read_store(tmp_path / "nothing")


def test_another_angle_source_is_not_kept_but_asked_for(tmp_path, embedder):
    head = QubitAnglePredictor(24, 8, Circuit(3), seed=0)
    made = Reranker(embedder, Scorer(head, per="token"))
    made.index({**DOCS, "ünï\u2028 code": "bread"}, folder=tmp_path)
    with pytest.raises(ValueError, match="keeps no map"):
        open_index(tmp_path, embedder)
    opened = open_index(
        tmp_path, embedder, angles=QubitAnglePredictor(24, 8, Circuit(3), seed=0)
    )
    assert opened.search("bread") == made.search("bread")
    assert "ünï\u2028 code" in opened.doc_ids
    with pytest.raises(ValueError, match="another map"):
        open_index(
            tmp_path, embedder, angles=QubitAnglePredictor(24, 8, Circuit(3), seed=1)
        )
