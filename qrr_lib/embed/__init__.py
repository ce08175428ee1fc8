"""Texts become vectors (lesson 01).

rows: tables in files · collection, qrels: judged texts · models, finder, archives:
which weights, and where they come from · embedder, cache: each text is paid for once ·
int8: the embedder in 8 bits
"""

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "collection": "Collection Document load_collection",
        "models": "MODELS ModelNotFoundError ModelSpec default_model model_spec",
        "finder": "model_folder",
        "cache": "text_key",
        "embedder": "EncodedText TextEmbedder",
    },
)
