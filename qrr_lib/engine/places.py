"""From a place, "folder" or "http://host:6333/name", to the store of an index there
(lesson 14).
"""

import contextlib
import os
import re
from urllib.parse import urlsplit

from qrr_lib.engine import client as server
from qrr_lib.engine.edge import SHARD, EdgeStore, in_use
from qrr_lib.engine.passage import Point
from qrr_lib.engine.stores import Store
from qrr_lib.files import is_local, path_of, say, secret
from qrr_lib.lazy import package

COLLECTION = "qrr"  # unless an address names another
LOCAL = "meta.json"  # qdrant-client's local mode made a folder that holds it


def is_address(place) -> bool:
    """True for "http://…", and for "host:6333", which is then told what it lacks."""
    return bool(re.match(r"[\w.-]+:(//|[0-9])", str(place)))


def open_store(place, layout: dict | None = None, first: Point | None = None) -> Store:
    """Open the store of an index; with a layout, make it, with a first point.

    FileNotFoundError if there is none to open, ValueError if what shall be made is
    there, or the place holds something else.
    """
    if is_address(place) or not isinstance(place, (str, os.PathLike)):
        return _on_server(place, layout, first)
    folder = path_of(place)
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    if LOCAL in there:
        return _on_server(place, layout, first)
    _check(place, SHARD in there, layout)
    if SHARD in there:
        return EdgeStore(folder)
    if there or folder.is_file():
        raise ValueError(
            f"{folder} is a file or holds other files: an index wants a folder of its "
            "own"
        )
    made = EdgeStore.make if _has_edge() else _on_server
    return made(folder, layout, first)


def _on_server(place, layout: dict | None, first: Point | None) -> Store:
    client, name = _client(place)
    own = client is not place
    said = f"{place}" if own else "the client's server"
    store = server.ClientStore(client, said, name, own)
    try:
        _check(place, store.exists and store.count() > 0, layout)
    except (FileNotFoundError, ValueError):
        store.close()
        raise
    if layout:
        store.make(layout, first)
    return store


def _check(place, there: bool, layout: dict | None) -> None:
    if layout and there:
        raise ValueError(f"there is an index at {place} already: open that one")
    if not layout and not there:
        raise FileNotFoundError(f"no index at {place}: make one first (qrr index)")


def _client(place) -> tuple:
    """(client, name of the collection) for an address, a folder or a client."""
    if not isinstance(place, (str, os.PathLike)):
        return place, COLLECTION
    client = package("qdrant_client").QdrantClient
    if not is_address(place):
        try:
            return client(path=str(place)), COLLECTION
        except RuntimeError as error:  # its lock
            raise in_use(place) from error
    address = urlsplit(place)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f"{place} is no address: write http://host:6333")
    port = address.port or (443 if address.scheme == "https" else 6333)
    made = client(
        url=f"{address.scheme}://{address.hostname}:{port}",
        timeout=server.SECONDS,
        api_key=secret("QRR_ENGINE_KEY"),
        check_compatibility=False,
        trust_env=not is_local(place),
    )
    return made, address.path.strip("/") or COLLECTION


def _has_edge() -> bool:
    """True if Qdrant Edge is installed; says so if it is not."""
    with contextlib.suppress(ValueError):
        return bool(package("qdrant_edge"))
    say(
        "qdrant-edge-py is not installed (it has no wheel for every platform): "
        "qdrant-client keeps the index in this folder instead, all of it in memory"
    )
    return False
