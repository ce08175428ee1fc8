"""Vectors beyond one machine (lesson 14; needs the extra `[scale]`).

blocks, bulk: files of documents embedded in blocks · milvus: vectors in an engine
"""

from qrr_lib.lazy import lazy_names

HOMES = {"milvus": "MilvusIndex", "bulk": "embed_files", "extra": "EngineError"}
__getattr__, __dir__, __all__ = lazy_names(__name__, HOMES)
