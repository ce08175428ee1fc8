"""From a place, "folder" or "http://host:6333/name", to the store of an index there
(lesson 14).
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from qrr_lib.engine import client as server
from qrr_lib.engine.edge import LOCK, POINTS, EdgeStore, locked
from qrr_lib.engine.extra import EngineError, package
from qrr_lib.engine.stores import Point, Store
from qrr_lib.files import say, setting

COLLECTION = "qrr"  # unless an address names another
LOCAL = "meta.json"  # qdrant-client's local mode made a folder that holds it


def make_store(place, layout: dict, first: Point) -> Store:
    """Make the store of an index, with its first point; ValueError if the place holds
    something already.
    """
    taken = ValueError(f"there is an index at {place} already: open that one")
    if isinstance(place, (str, os.PathLike)) and "://" not in str(place):
        folder = Path(place)
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if there & {POINTS, LOCAL}:
            raise taken
        if folder.is_file() or there - {LOCK, f"{POINTS}.begun"}:
            raise ValueError(
                f"{folder} is a file or holds other files: an index wants a folder of "
                "its own"
            )
        if _has_edge():
            return EdgeStore(folder, layout, first)
    options = _client(place)
    store = server.ClientStore(**options)
    if store.there and store.count():
        store.close()
        raise taken
    return server.ClientStore(**options, layout=layout, first=first)


def open_store(place) -> Store:
    """Open the store of an index; FileNotFoundError if there is none."""
    missing = FileNotFoundError(f"no index at {place}: make one first")
    if isinstance(place, (str, os.PathLike)) and "://" not in str(place):
        if (Path(place) / POINTS).is_dir():
            return EdgeStore(Path(place))
        if not (Path(place) / LOCAL).is_file():
            raise missing
    store = server.ClientStore(**_client(place))
    if not store.there:
        store.close()
        raise missing
    return store


def _client(place) -> dict:
    """Arguments of `ClientStore` for an address, a folder or a client."""
    if not isinstance(place, (str, os.PathLike)):
        return {"client": place, "place": "the client's server", "name": COLLECTION}
    client = package("qdrant_client").QdrantClient
    if "://" not in str(place):
        options = {"lock": locked(Path(place)), "client": client(path=str(place))}
        return {"place": str(place), "name": COLLECTION} | options
    address = urlsplit(place)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f"{place} is no address: write http://host:6333")
    port = address.port or (443 if address.scheme == "https" else 6333)
    options = {"timeout": server.SECONDS, "api_key": setting("QRR_ENGINE_KEY")}
    options |= {"url": f"{address.scheme}://{address.hostname}:{port}"}
    made = client(check_compatibility=False, **options)
    return {
        "client": made,
        "place": place,
        "name": address.path.strip("/") or COLLECTION,
    }


def _has_edge() -> bool:
    """True if Qdrant Edge is installed; says so if it is not."""
    try:
        package("qdrant_edge")
    except EngineError:
        say(
            "qdrant-edge-py is not installed (it has no wheel for every platform): "
            "qdrant-client keeps the index in this folder instead, all of it in memory"
        )
        return False
    return True
