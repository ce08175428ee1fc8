"""What an index is: the model and map it belongs to, kept in a point of its own (lesson
14).
"""

import base64
import tempfile
import uuid
from pathlib import Path

from qrr_lib.encode.angles import load_source, save_source
from qrr_lib.engine.passage import Point
from qrr_lib.files import say
from qrr_lib.rank.scorer import Scorer

FORMAT = 3
ABOUT = str(uuid.UUID(int=1))
SCORER = ("similarity", "interaction", "idf")


def new_about(tokens: str, kind) -> dict:
    """What an index is: the model and map that it belongs to, and what makes the scorer
    again, its map as a safetensors file in base64.
    """
    scorer = kind.scorer
    kept = scorer.codec.similarity.name, scorer.interaction, scorer.idf
    about = {"format": FORMAT, "tokens": tokens, **kind.belongs_to()}
    about |= dict(zip(SCORER, kept))
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
    return Scorer(angles, per="token", **{name: about[name] for name in SCORER})


def about_point(about: dict) -> Point:
    """The point that keeps it."""
    return Point(ABOUT, {}, {"about": about})


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


def as_made(about: dict, embedder):
    """The embedder in the precision in which an index was made: int8 is not mixed with
    the others, which hardly differ.
    """
    made = about["model_sha256"].startswith("int8-")
    if made == (getattr(embedder, "precision", None) == "int8"):
        return embedder
    if made:
        say("this index was made in int8: so are the vectors of what comes now")
    else:
        say("this index was not made in int8: going on in fp32")
    return embedder.with_precision("int8" if made else "fp32")


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
