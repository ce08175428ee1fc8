"""Vectors beyond one machine (lesson 14; needs the extra `[scale]`).

blocks, bulk: files of documents embedded in blocks · milvus: vectors in an engine
"""

from __future__ import annotations

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "milvus": ["MilvusIndex"],
        "bulk": ["embed_files"],
        "extra": ["EngineError"],
    },
)
