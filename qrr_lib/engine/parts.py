"""Passages that were encoded elsewhere, in Parquet files that an index takes in (lesson
14).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from qrr_lib.engine.extra import package
from qrr_lib.engine.passage import Passage
from qrr_lib.files import atomic_path
from qrr_lib.rank.states import States, offsets_of

ABOUT = b"qrr"  # what a file of ours is known by


def write_part(
    path: Path, about: dict, passages: list[Passage], vectors, states: States
) -> None:
    """Write encoded passages, the whole file or nothing; `about` says what they belong
    to.
    """
    arrow, parquet = package("pyarrow"), package("pyarrow.parquet")
    bounds = list(zip(states.offsets, states.offsets[1:]))
    columns = {
        "passage": [json.dumps([*one[:4], dict(one.fields)]) for one in passages],
        "vector": [vector.tobytes() for vector in vectors],
        "rows": [np.ascontiguousarray(states.rows[a:b]).tobytes() for a, b in bounds],
        "token_ids": [states.token_ids[a:b].tobytes() for a, b in bounds],
    }
    kept = about | {"kind": states.rows.dtype.str, "shape": states.rows.shape[1:]}
    table = arrow.table(columns).replace_schema_metadata({ABOUT: json.dumps(kept)})
    with atomic_path(path) as partial:
        parquet.write_table(table, partial, compression="zstd")


def part_about(path: Path) -> dict | None:
    """What the passages in a file belong to; None if it is no file of ours."""
    if path.suffix.lower() != ".parquet":
        return None
    try:
        found = package("pyarrow.parquet").read_schema(path).metadata or {}
    except (OSError, ValueError):  # whoever reads it will say what is wrong
        return None
    return json.loads(found[ABOUT]) if ABOUT in found else None


def read_part(path: Path) -> tuple[list[Passage], tuple[np.ndarray, States]]:
    """Passages of a file, and what they are encoded to: embeddings (N, D) and
    states.
    """
    about = part_about(path)
    columns = package("pyarrow.parquet").read_table(path).to_pydict()
    passages = [Passage(*json.loads(text)) for text in columns["passage"]]
    ids = [np.frombuffer(own, dtype="<u4") for own in columns["token_ids"]]
    vectors, rows = (b"".join(columns[name]) for name in ("vector", "rows"))
    vectors = np.frombuffer(vectors, dtype="<f4").reshape(len(passages), -1)
    rows = np.frombuffer(rows, dtype=about["kind"]).reshape(-1, *about["shape"])
    return passages, (
        vectors,
        States(rows, offsets_of(map(len, ids)), np.concatenate(ids)),
    )
