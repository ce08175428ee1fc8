"""Texts become vectors (lesson 01).

models, download, finder: which weights, and where they come from · collection: judged
texts · embedder, cache
"""

from __future__ import annotations

from qrr_lib.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "models": [
            "MODELS",
            "ModelNotFoundError",
            "ModelSpec",
            "default_model",
            "model_spec",
        ],
        "finder": ["model_folder"],
        "collection": ["Collection", "Document", "load_collection"],
        "cache": ["text_key"],
        "embedder": ["EncodedText", "TextEmbedder"],
    },
)
