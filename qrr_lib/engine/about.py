"""What an index is: the model and map it belongs to, kept in a point of its own (lesson
14).
"""

import base64
import tempfile
import uuid
from pathlib import Path

from qrr_lib.embed.embedder import TextEmbedder
from qrr_lib.embed.models import EMBEDDING_MODELS
from qrr_lib.encode.angles import load_source, save_source
from qrr_lib.engine.tokens import tokens_named
from qrr_lib.files import say
from qrr_lib.rank.scorer import Scorer

FORMAT = 3
ABOUT = str(uuid.UUID(int=1))


def new_about(tokens: str, kind) -> dict:
    """What an index is: the model and map that it belongs to, and what makes the scorer
    again, its map as a safetensors file in base64.
    """
    scorer = kind.scorer
    about = {"format": FORMAT, "tokens": tokens, **kind.belongs_to()}
    about["similarity"] = scorer.codec.similarity.name
    about |= {"interaction": scorer.interaction, "idf": scorer.idf}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.safetensors"
        try:
            save_source(scorer.angles, path)
        except ValueError:  # no angle source of ours, or (full tokens) none is needed
            return about
        return about | {"map": base64.b64encode(path.read_bytes()).decode()}


def kept_scorer(about: dict) -> Scorer | None:
    """The scorer that an index was made with; None if its map could not be kept."""
    if "map" not in about:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.safetensors"
        path.write_bytes(base64.b64decode(about["map"]))
        angles = load_source(path)[0]
    kept = {name: about[name] for name in ("similarity", "interaction", "idf")}
    return Scorer(angles, per="token", **kept)


def read_about(place, store) -> dict:
    """What the index in a store is; ValueError if it is none of ours."""
    found = store.retrieve([ABOUT], ["about"])
    about = found[0].payload.get("about", {}) if found else {}
    if about.get("format") != FORMAT:
        raise ValueError(
            f"what is at {place} is no index of this library (or of another edition): "
            "take another place, or index again"
        )
    return about


def kept_kind(place, about: dict, embedder=None, scorer: Scorer | None = None):
    """How an index keeps tokens (`qrr_lib.engine.tokens`), with its scorer; ValueError
    if it belongs to another model or map. Without an embedder, with that of its model.
    """
    if embedder is None:
        if about["model"] not in EMBEDDING_MODELS:
            raise ValueError(
                f"the index at {place} was made with the model {about['model']!r}: "
                "open it in Python, with an embedder of that model"
            )
        embedder = TextEmbedder(about["model"], cache=False)
    check_same(place, about, {"model": embedder.name})
    embedder = as_made(about, embedder)
    kind = tokens_named(about["tokens"], embedder, scorer or kept_scorer(about))
    check_same(place, about, kind.belongs_to())
    return kind


def as_made(about: dict, embedder):
    """The embedder in the precision in which an index was made: int8 is not mixed with
    the others, which hardly differ.
    """
    int8 = about["model_sha256"].startswith("int8-")
    if int8 == (getattr(embedder, "precision", None) == "int8"):
        return embedder
    precision = "int8" if int8 else "fp32"
    say(f"this index was {'' if int8 else 'not '}made in int8: going on in {precision}")
    return embedder.with_precision(precision)


def check_same(place, about: dict, here: dict) -> None:
    """ValueError unless an index belongs to the model and map at hand."""
    for name, value in here.items():
        if about[name] != value:
            raise ValueError(
                f"the index at {place} belongs to another {name.split('_')[0]} ({name} "
                f"{about[name][:20]}, here {value[:20]}): its states cannot be "
                "compared; open it with that one (QRR_MODEL names a model), or index "
                "again"
            )
