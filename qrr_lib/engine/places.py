"""From a place, "folder" or "http://host:6333/name", to the store that keeps an index
there (lesson 14).
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from qrr_lib.engine import client as server
from qrr_lib.engine.client import ClientStore
from qrr_lib.engine.extra import EngineError, package
from qrr_lib.engine.stores import LOCK, POINTS, EdgeStore, Point, locked
from qrr_lib.files import say, setting

COLLECTION = "qrr"  # unless an address names another


def make_store(place, layout: dict, first: Point):
    """Make the store of an index; ValueError if the place holds something already."""
    target = _target(place)
    if isinstance(target, Path):
        _check_free(target)
    if isinstance(target, Path) and _has_edge():
        return EdgeStore.make(target, layout, first)
    options = _client(target)
    client, name = options["client"], options["name"]
    try:
        there = ClientStore(client, options["place"], name, ours=False)
    except FileNotFoundError:
        return ClientStore.make(layout, first, **options)
    if there.count():
        raise _taken(place)
    return ClientStore.make(layout, first, **options)


def open_store(place):
    """Open the store of an index; FileNotFoundError if there is none."""
    target = _target(place)
    if not isinstance(target, Path):
        return ClientStore(**_client(target))
    if (target / POINTS).is_dir():
        return EdgeStore(target)
    if (target / "meta.json").is_file():  # qdrant-client's local mode made it
        return ClientStore(**_client(target))
    raise FileNotFoundError(f"no index in {target}: make one first")


def _target(place):
    """A folder as a Path, an address as text, a client as it is."""
    if isinstance(place, str) and "://" in place:
        if urlsplit(place).scheme not in ("http", "https"):
            raise ValueError(f"{place} is no address: write http://host:6333")
        return place
    if isinstance(place, (str, os.PathLike)):
        return Path(place)
    return place


def _check_free(folder: Path) -> None:
    if (folder / POINTS).is_dir() or (folder / "meta.json").is_file():
        raise _taken(folder)
    ours = (LOCK, f"{POINTS}.begun")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: an index is a folder of its own")
    if folder.is_dir() and (others := {p.name for p in folder.iterdir()} - set(ours)):
        raise ValueError(
            f"{folder} holds other files ({min(others)}, …): an index wants a folder "
            "of its own"
        )


def _taken(place) -> ValueError:
    return ValueError(f"there is an index at {place} already: open that one")


def _client(target) -> dict:
    """Arguments of `ClientStore` for an address, a folder or a client."""
    QdrantClient = package("qdrant_client", "engine").QdrantClient
    if isinstance(target, Path):
        lock = locked(target)
        client = QdrantClient(path=str(target))
        return {"client": client, "place": target, "name": COLLECTION, "lock": lock}
    if not isinstance(target, str):
        place = "this client's server"
        return {"client": target, "place": place, "name": COLLECTION, "ours": False}
    address = urlsplit(target)
    name = address.path.strip("/") or COLLECTION
    options = {"timeout": server.SECONDS, "check_compatibility": False}
    options["api_key"] = setting("QRR_ENGINE_KEY")
    port = address.port or (443 if address.scheme == "https" else 6333)
    url = f"{address.scheme}://{address.hostname}:{port}"
    return {"client": QdrantClient(url, **options), "place": target, "name": name}


def _has_edge() -> bool:
    """True if Qdrant Edge is installed; says so if it is not."""
    try:
        package("qdrant_edge", "engine")
    except EngineError:
        say(
            "qdrant-edge-py is not installed (it has no wheel for every platform): "
            "qdrant-client keeps the index in this folder instead, all of it in memory"
        )
        return False
    return True
