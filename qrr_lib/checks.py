"""Checks at the edge: what comes from a reader is looked at once, and then trusted."""

from collections.abc import Collection, Mapping


def whole_number(name: str, value, least: int = 1) -> int:
    """The value as an int; ValueError unless it is a whole number from `least` up.

    NumPy's integers are whole numbers, True and 2.0 are not.
    """
    whole = hasattr(value, "__index__") and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(
            f"{name} must be a whole number from {least} up, not {value!r}"
        )
    return int(value)


def one_of(what: str, value, choices: Collection[str]) -> str:
    """The value; ValueError unless it is one of the choices."""
    if value not in choices:
        raise ValueError(
            f"unknown {what} {value!r}; choose one of {', '.join(choices)}"
        )
    return value


def checked_queries(queries: Mapping[str, str]) -> list[str]:
    """The texts of {query id: text}; ValueError for a query without a word."""
    for query in queries.values():
        if not isinstance(query, str) or not query.strip():
            raise ValueError("the query is empty: write at least one word")
    return list(queries.values())


def refuse_integer_seed(primitive):
    """Return a sampler or estimator of Qiskit or Aer; ValueError if it was made with an
    integer seed, in whatever place it keeps it.
    """
    options = getattr(primitive, "options", None)
    kept = [getattr(options, name, None) for name in ("backend_options", "run_options")]
    seeds = [getattr(primitive, "seed", None), getattr(options, "seed_simulator", None)]
    seeds += [part.get("seed_simulator") for part in kept if isinstance(part, dict)]
    if any(hasattr(seed, "__index__") for seed in seeds):
        raise ValueError(
            f"this {type(primitive).__name__} has an integer seed and would start the "
            "same random numbers again, so that errors cancel in comparisons and "
            "rankings look stable; leave the seed out, or for a StatevectorSampler "
            "take seed=np.random.default_rng(...)"
        )
    return primitive
