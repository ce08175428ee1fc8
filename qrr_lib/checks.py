"""Checks at the edge: what comes from a reader is looked at once, and then trusted.

One normaliser a type: whole number, choice, text, list of texts, ids, numbers, grade.
"""

import math
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence

MOST_GRADE = 10_000  # trec_eval keeps a counter for each grade up to the largest


def whole_number(name: str, value, least: int = 1) -> int:
    """The value as an int; ValueError unless it is a whole number from `least` up.

    NumPy's integers are whole numbers, True and 2.0 are not.
    """
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None or whole < least:
        raise ValueError(
            f"{name} must be a whole number from {least} up, not {value!r}"
        )
    return whole


def grade(value) -> int:
    """A judgement as trec_eval takes it: a whole number, 0 for what is not relevant.

    NumPy's numbers and 2.0 are whole; negative grades (TREC's −2 is spam) count as 0.
    """
    try:
        number = float(value)
        whole = number == math.floor(number) and number <= MOST_GRADE
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or isinstance(value, (str, bytes)):
        raise ValueError(
            f"a grade must be a whole number, at most {MOST_GRADE:,}, not {value!r}"
        )
    return max(int(number), 0)


def one_of(what: str, value, choices: Collection[str]) -> str:
    """The value; ValueError unless it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"unknown {what} {value!r}; choose one of {', '.join(choices)}"
        )
    return value


def checked_text(name: str, value, advice: str) -> str:
    """The value; ValueError unless it is a str with a word in it, and Unicode."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {type(value).__name__}, not str: {advice}")
    if not value.strip():
        raise ValueError(f"{name} is empty: {advice}")
    if not is_unicode(value):
        raise ValueError(f"{name} holds half a character (a lone surrogate): remove it")
    return value


def is_unicode(text: str) -> bool:
    """False for a text with half a surrogate pair: JSON can hold it, UTF-8 can't."""
    return text.isascii() or text == text.encode("utf-8", "replace").decode()


def listed(name: str, values: Iterable) -> list:
    """The values as a list; ValueError for a single text, a mapping, or no list."""
    single = isinstance(values, (str, bytes, Mapping))
    if single or not isinstance(values, Iterable):
        raise ValueError(
            f"{name} must be a list, not {type(values).__name__}; wrap a single one: "
            "[one]"
        )
    return list(values)


def checked_texts(
    texts: Iterable[str], ids: Sequence[str] = (), name: str = "text"
) -> list[str]:
    """The texts as a list; ValueError names the one that is wrong, by its id if there
    are any, else by its place.
    """
    texts = listed("texts", texts)
    for i, text in enumerate(texts):
        called = f"document {ids[i]!r}" if ids else f"{name} {i}"
        checked_text(called, text, "remove it, or give it at least one word")
    return texts


def check_ids(ids: Iterable[str], known: Iterable[str] = (), done="added") -> list[str]:
    """The ids as a list; ValueError if one is no string, blank or no Unicode, or occurs
    twice or in `known`: nothing was `done`.
    """
    ids, taken, twice = listed("ids", ids), set(known), []
    for key in ids:
        if not isinstance(key, str) or not key.strip() or not is_unicode(key):
            raise ValueError(f"ids must be non-empty strings, not {key!r}")
        if key in taken:
            twice.append(key)
        taken.add(key)
    if twice:
        raise ValueError(f"duplicate ids, nothing was {done}: {', '.join(twice[:5])}")
    return ids


def numbers(name: str, values):
    """Numbers of any shape as a float tensor: from a tensor (gradients and device
    stay), an array of any layout, or lists. Whole numbers become float32.

    ValueError for what holds no real numbers.
    """
    import numpy as np
    import torch

    if not isinstance(values, torch.Tensor):
        try:
            values = np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{name} must be an array of numbers: {error}") from None
        if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
            kind = f"not {values.dtype}: give float32"
            raise ValueError(f"{name} must be an array of numbers, {kind}")
        kept = values.dtype.kind == "f" and values.dtype.itemsize == 8
        kind = np.float64 if kept else np.float32
        values = torch.from_numpy(np.require(values, kind, ["C", "W"]))
    if values.is_complex() or values.dtype == torch.bool:
        raise ValueError(f"{name} must be real numbers, not {values.dtype}")
    return values if values.is_floating_point() else values.float()


def checked_queries(queries: Mapping[str, str]) -> list[str]:
    """The texts of {query id: text}; ValueError for anything else, or a query without
    a word.
    """
    if not isinstance(queries, Mapping):
        raise ValueError(
            f"queries must be {{query id: text}}, not {type(queries).__name__}"
        )
    for query in queries.values():
        checked_text("the query", query or "", "write at least one word")
    return list(queries.values())


def refuse_integer_seed(primitive):
    """Return a sampler or estimator of Qiskit or Aer; ValueError if it was made with an
    integer seed, in whatever place it keeps it.
    """
    options = getattr(primitive, "options", None)
    kept = [getattr(options, name, None) for name in ("backend_options", "run_options")]
    seeds = [getattr(primitive, "seed", None), getattr(options, "seed_simulator", None)]
    for name in ("backend", "_backend"):  # a simulator may have a seed of its own
        backend = getattr(getattr(primitive, name, None), "options", None)
        seeds.append(getattr(backend, "seed_simulator", None))
    seeds += [part.get("seed_simulator") for part in kept if isinstance(part, dict)]
    if any(hasattr(seed, "__index__") for seed in seeds):
        raise ValueError(
            f"this {type(primitive).__name__} has an integer seed and would start the "
            "same random numbers again, so that errors cancel in comparisons and "
            "rankings look stable; leave the seed out, or for a StatevectorSampler "
            "take seed=np.random.default_rng(...)"
        )
    return primitive
