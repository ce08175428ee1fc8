"""First stage by words, the signal "words", and lists made one (lessons 08 and 09).

BM25 (Robertson & Zaragoza 2009) is `bm25s`'s (Lù 2024, arXiv:2407.03618), words are
stemmed by PyStemmer's Porter stemmer, English stop words are left out.
"""

import zlib
from collections.abc import Mapping
from typing import Self

import numpy as np

from qrr_lib.checks import check_ids, listed, whole_number
from qrr_lib.embed.collection import Collection
from qrr_lib.rank.metrics import Run, best_first

K1, B = 1.5, 0.75  # how soon repeated words count no more; how much long texts pay
ENOUGH = 20.0  # BM25 at which words have half a vote


class BM25:
    """Find documents by their words: rare words count more, repeated ones ever less.

    Parameters
    ----------
    stem : bool
        Reduce words to their stems first ("retrieving" → "retriev").
    """

    def __init__(self, stem: bool = True):
        self.stem = stem
        self.ids: list[str] = []
        self._texts: list[np.ndarray] = []  # the words of each document, by number
        self._index = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def words(self) -> Self:
        """What scores words: this very stage."""
        return self

    def add(self, ids: list[str], vectors=None, texts: list[str] | None = None) -> None:
        """Add N texts under N new ids; a text may have no words. `vectors` are not
        looked at.

        Raises ValueError, before anything is stored, for empty, duplicate or non-string
        ids, and for texts that are missing or no strings.
        """
        ids, texts = self.check(ids, texts)
        numbers = word_numbers(texts, self.stem)
        self.ids += ids
        self._texts += [np.array(words, dtype=np.uint32) for words in numbers]
        self._index = None

    def check(self, ids, texts) -> tuple[list[str], list[str]]:
        """Both as lists; raises what `add` raises."""
        ids, texts = check_ids(ids, self.ids), _strings(texts or [])
        if len(ids) != len(texts):
            raise ValueError(
                f"words need a text, a str, for each of {len(ids)} ids: "
                "add(ids, texts=[...])"
            )
        return ids, texts

    def find(self, vectors, texts: list[str], k: int) -> list[dict[str, None]]:
        """Each query's best k documents, as every first stage gives them: {document
        id: cosine}, best first, None where it was not computed.
        """
        return [dict.fromkeys(ids) for ids in self.search(texts, k)[1]]

    def search(self, texts: list[str], k: int) -> tuple[np.ndarray, list[list[str]]]:
        """Find the k best documents for each of Q queries.

        Returns (scores, ids), best first: (Q, k) float32, with fewer columns if there
        are fewer documents, and Q lists of ids. A document that shares no word with the
        query is not found: lists are then shorter and scores end in -inf.
        """
        k = min(whole_number("k", k), len(self))
        (index, place), texts, found = self._built(), _strings(texts), []
        scores = np.full((len(texts), k), -np.inf, dtype=np.float32)
        for line, asked in zip(scores, word_numbers(texts, self.stem)):
            known = [place[word] for word in asked if word in place]
            values = index.get_scores(known) if known else np.zeros(len(self), "f4")
            best = np.argsort(-values, kind="stable")[:k]
            best = best[values[best] > 0]
            line[: len(best)] = values[best]
            found.append([self.ids[row] for row in best])
        return scores, found

    def size_in_bytes(self) -> int:
        """Bytes of the words and of bm25s's postings; ids and vocabulary not
        counted.
        """
        index, _ = self._built()
        postings = index.scores.values() if index else []
        return sum(np.asarray(part).nbytes for part in [*self._texts, *postings])

    def _built(self) -> tuple:
        """bm25s's index of all documents (None if they have no words), and where it
        keeps each word.
        """
        if self._index is None:
            import bm25s

            place: dict[int, int] = {}
            corpus = [
                [place.setdefault(word, len(place)) for word in text.tolist()]
                for text in self._texts
            ]
            index = bm25s.BM25(k1=K1, b=B) if place else None
            if index:
                index.index((corpus, place), show_progress=False)
            self._index = index, place
        return self._index

    def scores(self, texts: list[str], rows: np.ndarray) -> np.ndarray:
        """The signal "words" of candidates: Q queries, (Q, K) rows (−1: none) → (Q, K)
        float32 in [0, 1).

        It is BM25 with document frequencies *among the candidates* of the query: a word
        that all of them have can't tell them apart. Then divided by the query's largest
        score + 20: linear within a query, and a query of few or common words, about
        which BM25 knows little, moves the mix little. How that was chosen:
        data/results/compare.json.
        """
        signal = np.zeros(rows.shape, dtype=np.float32)
        for line, row, asked in zip(signal, rows, word_numbers(texts, self.stem)):
            found = [self._texts[r] for r in row[row >= 0]]
            line[row >= 0] = words_signal(asked, found)
        return signal


def _strings(texts) -> list[str]:
    """The texts as a list, empty ones among them; ValueError for what is no str."""
    texts = listed("texts", texts)
    if strange := [text for text in texts if not isinstance(text, str)]:
        raise ValueError(f"words are found in a text, a str, not in {strange[0]!r}")
    return [text.encode("utf-8", "replace").decode() for text in texts]


def word_numbers(texts: list[str], stem: bool = True) -> list[list[int]]:
    """Words of every text, each by a number that is the same on every machine; no
    English stop words, and stems in place of words.
    """
    import Stemmer
    from bm25s.tokenization import Tokenizer

    stemmer = Stemmer.Stemmer("english") if stem else None
    tokenizer = Tokenizer(stopwords="en", stemmer=stemmer)
    options = {"update_vocab": True, "show_progress": False, "return_as": "string"}
    found = tokenizer.tokenize(texts, allow_empty=False, **options)
    return [[zlib.crc32(word.encode()) for word in words] for words in found]


def words_signal(asked: list[int], texts: list[np.ndarray]) -> np.ndarray:
    """The signal "words" of one query's candidates, see `BM25.scores`: words by number,
    of the query and of K texts → (K,) in [0, 1).
    """
    if not texts:
        return np.zeros(0)
    lengths = np.array([len(text) for text in texts])
    owner, words = np.repeat(np.arange(len(texts)), lengths), np.concatenate(texts)
    drag = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-12))
    total = np.zeros(len(texts))
    for word in asked:
        count = np.bincount(owner[words == word], minlength=len(texts))
        having = np.count_nonzero(count)
        rarity = np.log1p((len(texts) - having + 0.5) / (having + 0.5))
        total += rarity * count / (count + drag)
    return total / (total.max() + ENOUGH)


def reciprocal_rank_fusion(
    runs: list[Run], k: int = 60, depth: int = 100
) -> dict[str, dict[str, float]]:
    """Fuse runs by Σ 1/(k + rank) (Cormack, Clarke & Büttcher 2009), keeping the best
    `depth` documents of each query.
    """
    fused: dict[str, dict[str, float]] = {}
    for run in runs:
        for qid, found in run.items():
            total = fused.setdefault(qid, {})
            for rank, doc in enumerate(best_first(found), 1):
                total[doc] = total.get(doc, 0.0) + 1 / (k + rank)
    return {
        qid: {doc: total[doc] for doc in best_first(total)[:depth]}
        for qid, total in fused.items()
    }


def bm25_run(
    collection: Collection, queries: Mapping[str, str], k: int = 100, stem: bool = True
) -> dict[str, dict[str, float]]:
    """Search a collection by words: {query id: text} → {query id: {document id:
    score}}, best first; documents that share no word with the query are not in it.
    """
    stage = BM25(stem)
    stage.add(list(collection.docs), texts=collection.texts())
    scores, found = stage.search(list(queries.values()), k)
    lines = zip(queries, found, scores)
    return {qid: dict(zip(ids, map(float, line))) for qid, ids, line in lines}
