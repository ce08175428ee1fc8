"""Results and tables show themselves: header cells and words in a notebook, aligned
text elsewhere.
"""

import pickle
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from IPython.lib.pretty import pretty

from qrr_lib import HybridIndex, QubitAnglePredictor, RankedDocument, Reranker, Scorer
from qrr_lib.course import table
from qrr_lib.embed.collection import Collection, Document
from qrr_lib.rank import Ranking
from qrr_lib.tables import LONG, bar, move


def tree(shown) -> ElementTree.Element:
    """The HTML of something, parsed (it is well formed)."""
    return ElementTree.fromstring(shown._repr_html_().replace("&nbsp;", " "))


def words(node) -> str:
    return " ".join("".join(node.itertext()).split())


@pytest.fixture
def ranking():
    ranked = [
        RankedDocument("c", 1, 3, 0.7, 0.55, 0.85),
        RankedDocument("a", 2, 1, 0.65, 0.62, 0.68),
        RankedDocument("gone", 3, 3, 0.5, -0.1, 0.5),
    ]
    documents = {
        "a": Document("A <title> & more", "Some text."),
        "c": Document("The third", "word " * LONG),
    }
    return Ranking(ranked, documents)


def test_a_ranking_is_a_list(ranking):
    plain = list(ranking)
    assert ranking == plain and isinstance(ranking, list) and ranking[0].doc_id == "c"
    assert isinstance(ranking[:2], Ranking) and ranking[:2].documents
    assert [doc.rank for doc in ranking] == [1, 2, 3] and repr(ranking) == repr(plain)
    again = pickle.loads(pickle.dumps(ranking))
    assert again == ranking and again._repr_html_() == ranking._repr_html_()


def test_a_ranking_has_header_cells_moves_and_texts_on_demand(ranking):
    root = tree(ranking)
    heads = [words(cell) for cell in root.findall("thead/tr/th[@scope='col']")]
    assert heads == ["rank", "move", "document", "score", "cosine", "states"]
    rows = root.findall("tbody/tr")
    assert [words(row.find("th[@scope='row']")) for row in rows] == ["1", "2", "3"]
    moves = [words(row.findall("td")[0]) for row in rows]
    assert moves == ["▲ 2 from 3", "▼ 1 from 1", "="]
    assert [words(node) for node in root.iter("summary")] == [
        "The third",
        "A <title> & more",
    ]
    opened = [words(node) for node in root.iter("details")]
    assert len(opened[0]) < LONG + 20 and opened[0].endswith("…")
    assert "gone" in words(rows[2]), "a document without a text shows its id"


def test_bars_are_as_long_as_scores_are_high_and_numbers_stand_beside(ranking):
    drawn = [node for node in tree(ranking).iter("div") if len(node)]
    assert all(node.get("aria-hidden") == "true" for node in drawn)
    wide = [int(re.search(r"width: (\d+)%", n[0].get("style"))[1]) for n in drawn]
    assert wide == [70, 55, 85, 65, 62, 68, 50, 0, 50]
    assert "-0.100" in ranking._repr_html_(), "no bar for less than nothing"
    assert bar(1.2).html.count("width: 100%") == 1 and bar(None).text == ""


def test_elsewhere_a_ranking_is_aligned_text(ranking):
    assert pretty(ranking) == str(ranking)
    assert str(ranking).splitlines() == [
        "rank  move       document          score  cosine  states",
        "   1  +2 from 3  The third         0.700   0.550   0.850",
        "   2  -1 from 1  A <title> & more  0.650   0.620   0.680",
        "   3  =          gone              0.500  -0.100   0.500",
    ]
    str(ranking).encode("ascii")  # any console can print it
    assert str(Ranking()) == "rank  move  document  score" and tree(Ranking())


def test_what_search_returns_knows_titles(toy_embedder):
    texts = {"a": "bread of rye", "b": "a quiet river", "c": "phase of a token"}
    docs = {key: Document(f"On {text}", text) for key, text in texts.items()}
    collection = Collection("toy", docs, {}, {})
    scorer = Scorer(QubitAnglePredictor(26, 16, seed=0))
    reranker = Reranker(toy_embedder, scorer).index(collection)
    assert "On a quiet river" in str(reranker.search("quiet river", k=1))
    reranker.index({"d": "zebra quartz"})
    assert (
        "<details><summary>d</summary>zebra" in reranker.search("zebra")._repr_html_()
    )
    scorer = Scorer(QubitAnglePredictor(26, 16, seed=0), similarity="local_fidelity")
    index = HybridIndex(toy_embedder, scorer).index(collection)
    found = index.search("quiet river", k=2)
    assert "On a quiet river" in str(found) and found[0].rank == 1


def test_words_get_a_column_where_they_were_looked_at():
    one = RankedDocument("a", 1, 1, 0.5, 0.5, 0.5, 0.25)
    assert Ranking([one]).table().headers[-1] == "words"


# tables of lessons


def test_a_table_has_a_caption_and_header_cells():
    made = table(
        {"flat": [1, 23.456], "a < b": [np.int64(1200), np.float32(7)]},
        ["index", "bytes", "ms"],
        "What a search costs.",
    )
    root = tree(made)
    assert root.tag == "table" and words(root.find("caption")) == "What a search costs."
    assert [words(c) for c in root.findall("thead/tr/th[@scope='col']")] == [
        "index",
        "bytes",
        "ms",
    ]
    assert [words(c) for c in root.findall("tbody/tr/th[@scope='row']")] == [
        "flat",
        "a < b",
    ]
    assert repr(made).splitlines() == [
        "What a search costs.",
        "index  bytes      ms",
        "flat       1  23.456",
        "a < b  1,200   7.000",
    ]


def test_a_table_takes_rows_text_and_bars():
    made = table(
        [["a", 0.5, None], ["b", 1, "x"]], ["name", "recall", ""], bars=["recall"]
    )
    widths = re.findall(r"width: (\d+)%", made._repr_html_())
    assert widths == ["50", "100"] and "caption" not in made._repr_html_()
    assert repr(table({"a": 1}, ["k", "v"])) == "k  v\na  1"


@pytest.mark.parametrize(
    "rows, bars, message",
    [
        ([["a", 1]], (), "a row has 2 cells for 3 headers"),
        ([["a", 1, 2, 3]], (), "a row has 4 cells for 3 headers"),
        ([["a", 1, 2]], ["zz"], "no column 'zz'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(rows, bars, message):
    with pytest.raises(ValueError, match=message):
        table(rows, ["a", "b", "c"], bars=bars)


def test_a_move_is_said_in_words():
    assert move(4, 4).text == "=" and move(1, 5).text == "+4 from 5"
