"""Open an index folder of token states (lesson 09)."""

import os
from pathlib import Path

from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.rank.reranker import Reranker
from qrr_lib.rank.scorer import Scorer
from qrr_lib.rank.token_store import read_store


def open_index(
    folder: str | os.PathLike,
    embedder,
    angles=None,
    alpha: float | None = None,
    first_stage=None,
    **options,
) -> Reranker:
    """Open an index folder written by `Reranker.index(..., folder=...)`: a `Reranker`
    that is ready to search.

    `angles` is only needed if it was not a `QubitMap` (that is kept in the folder);
    `options` go to `Scorer`. Raises what `read_store` raises; the hashes of model and
    map must be those of the index.
    """
    ids, vectors, states, manifest = read_store(folder)
    if angles is None:
        if "map" not in manifest["files"]:
            raise ValueError(
                f"the index in {folder} keeps no map: give the angle source it was "
                "made with, angles=..."
            )
        angles = QubitMap.load(Path(folder) / manifest["files"]["map"]["name"])
    scorer = Scorer(angles, per="token", **options)
    here = scorer.codec.belongs_to(embedder)
    for name in ("model_sha256", "map_sha256"):
        if manifest[name] != here[name]:
            raise ValueError(
                f"the index in {folder} belongs to another {name.split('_')[0]} "
                f"({name} {manifest[name][:12]}, here {here[name][:12]}): codes can "
                "only be compared with codes of the same model and the same map; index "
                "again"
            )
    return Reranker(embedder, scorer, first_stage, alpha).add(ids, vectors, states)
