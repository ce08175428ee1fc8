"""Many files at once with Ray, on one machine or a cluster (lesson 14; needs the extra
`[cluster]`).

A task is a part of a file: a worker reads it, cuts it into passages, embeds and encodes
them, and hands them on to a server, or writes them into a Parquet file that an index
takes in. What is there already, by its content's hash, is passed over, so that each
passage is done once, however often the job is broken off.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path

from qrr_lib.embed.rows import TABLES, kind_of
from qrr_lib.engine.extra import EngineError, package
from qrr_lib.engine.index import Index
from qrr_lib.engine.parts import part_about, write_part
from qrr_lib.engine.passage import Passage, digest, payload_of
from qrr_lib.engine.passages import cut, stale, word_pieces
from qrr_lib.engine.places import is_address
from qrr_lib.engine.readers import most_documents, read_documents
from qrr_lib.engine.tokens import tokens_named

ROWS = 1000  # documents in a task


class Parts:
    """A folder of Parquet files, named by a digest of what they hold."""

    def __init__(self, folder: Path, tokens: str, embedder):
        self.folder, self.kind = folder, tokens_named(tokens, embedder)
        self.about = {"tokens": tokens} | self.kind.belongs_to()

    def add(self, passages: list[Passage]) -> tuple[int, str]:
        """Write passages, unless they are there: (how many were new, their file)."""
        hashes = [payload_of(passage)["hash"] for passage in passages]
        path = self.folder / f"{digest([self.about, hashes])}.parquet"
        if path.exists() or not passages:
            return 0, path.name
        encoded = self.kind.encode([passage.full for passage in passages])
        write_part(path, self.about, passages, *encoded)
        return len(passages), path.name


class Worker:
    """Does tasks; Ray makes one in every process.

    Parameters
    ----------
    make_embedder : callable
        () → embedder.
    place, tokens : as in `load_in_bulk`
    """

    def __init__(self, make_embedder: Callable, place: str, tokens: str):
        embedder = make_embedder()
        self.pieces = word_pieces(embedder)
        self.server = is_address(place)
        if self.server:
            self.target = Index.open(place, embedder)
        else:
            self.target = Parts(Path(place), tokens, embedder)

    def do(self, task: dict) -> dict:
        """What became of a task: {document id: its passages}, {document id: its file},
        how many passages were written, into which part, and {file: what could not be
        read}.
        """
        skipped: dict[Path, list[str]] = {}
        documents = read_documents(task["files"], skipped)
        own = list(itertools.islice(documents, task["first"], task["end"]))
        found = {one.id: list(cut(one, *self.pieces)) for one in own}
        passages = list(itertools.chain(*found.values()))
        added = self.target.add(passages)
        written, part = (added, None) if self.server else added
        return {
            "seen": {key: len(passages) for key, passages in found.items()},
            "places": {one.id: one.source for one in own},
            "written": written,
            "part": part,
            "skipped": skipped,
        }


def tasks_of(files: dict[Path, str], rows: int = ROWS) -> list[dict]:
    """Cut files (as `find_files` returns them) into tasks of about `rows` documents.

    A table is read from its beginning for each of them. Other files are put together by
    a digest of their names, so that a new one changes one task.
    """
    tasks, texts = [], {}
    tables = [path for path in files if kind_of(path) in TABLES]
    for path in tables:
        starts = range(0, max(1, most_documents(path)), rows)
        for first in starts:
            end = None if first == starts[-1] else first + rows
            tasks.append({"files": {path: files[path]}, "first": first, "end": end})
    count = 1 << max(0, (len(files) - len(tables) - 1) // rows).bit_length()
    for path in sorted(files.keys() - set(tables)):
        group = int(digest(files[path]), 16) % count
        texts.setdefault(group, {})[path] = files[path]
    whole = {"first": 0, "end": None}
    return [*tasks, *({"files": own} | whole for _, own in sorted(texts.items()))]


def load_in_bulk(
    files: dict[Path, str],
    place: str | os.PathLike,
    make_embedder: Callable,
    tokens: str = "states",
    workers: int | None = None,
    address: str | None = None,
    rows: int = ROWS,
) -> dict:
    """Embed and encode files on many workers, into an index on a server or a folder of
    Parquet files for `qrr index`; run it again after a break.

    Parameters
    ----------
    files : as `find_files` returns them
        All workers must see them, and the folder, at the same paths.
    place : address or path
    make_embedder : callable
        () → embedder, called in every worker.
    tokens : as in `Index.create`; for an index that is there already, its own are taken
    workers : int or None
        None takes one for each graphics card, or else for each processor core.
    address : str or None
        Of a running Ray cluster; None starts one on this machine.
    rows : int
        Documents in a task.

    Returns {"seen": {document id: how many passages it has}, "written": passages that
    were new or changed, "deleted", "skipped": {file: reasons}}.
    """
    tasks, place = tasks_of(files, rows), str(place)
    if not is_address(place):
        place = str(_folder(Path(place)))
        work = on_ray(tasks, (make_embedder, place, tokens), workers, address)
        for path in _parts(Path(place)) - {Path(place, one["part"]) for one in work}:
            path.unlink()  # of what is gone or has changed
        return _summary(work)
    embedder = make_embedder()
    try:
        Index.open(place, embedder).close()
    except FileNotFoundError:
        Index.create(place, embedder, tokens=tokens).close()
    work = on_ray(tasks, (make_embedder, place, tokens), workers, address)
    done = _summary(work)
    with Index.open(place, embedder) as index:
        done["deleted"] = index.delete(stale(index.ids(), done["seen"]))
    return done


def on_ray(
    tasks: list[dict], arguments: tuple, workers: int | None, address: str | None
) -> list[dict]:
    """Do tasks with Ray, by workers made from `arguments`, on the cluster that is
    running or on one that is started for them; what became of each, in their order.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray, pool = package("ray", "cluster"), package("ray.util", "cluster").ActorPool
    ours = not ray.is_initialized()
    options, actors = {"logging_level": "ERROR", "log_to_driver": False}, []
    try:
        if ours:
            ray.init(address=address, **options)
        there = ray.cluster_resources()
        kind = "GPU" if there.get("GPU") else "CPU"
        most = min(len(tasks), max(1, int(there.get(kind, 1))))
        make = ray.remote(**{f"num_{kind.lower()}s": 1})(Worker).remote
        actors = [make(*arguments) for _ in range(min(workers or most, most))]
        return list(pool(actors).map(lambda actor, one: actor.do.remote(one), tasks))
    except Exception as error:  # Ray raises all kinds, plain if a node does not start
        found = re.search(r"^[\w.]+(Error|Exception): .*", str(error), re.MULTILINE)
        raise EngineError(
            f"Ray on {address or 'this machine'} failed: {found[0] if found else error}"
            ". Start a cluster with `ray start --head`, or leave the address out. What "
            "was written is kept: run it again to go on"
        ) from error
    finally:
        for actor in actors:
            ray.kill(actor)
        if ours:
            ray.shutdown()


def _folder(folder: Path) -> Path:
    """The folder, made if need be; ValueError if it holds anything but parts."""
    folder.mkdir(parents=True, exist_ok=True)
    # a killed worker leaves .name.partial-...
    there = {path for path in folder.iterdir() if path.name[0] != "."}
    if strange := there - _parts(folder):
        raise ValueError(
            f"{folder} holds other files ({min(strange).name}): take an empty folder"
        )
    return folder.resolve()


def _parts(folder: Path) -> set[Path]:
    return {path for path in folder.glob("[!.]*.parquet") if part_about(path)}


def _summary(work: list[dict]) -> dict:
    """All tasks together; an id from two files is said, as one of them is lost."""
    seen, places, skipped, written = {}, {}, {}, 0
    for done in work:
        for key, file in done["places"].items():
            if (there := places.setdefault(key, file)) != file:
                reason = f"the id {key!r} stands in {there}, too"
                skipped.setdefault(Path(file), {})[reason] = None
        for file, reasons in done["skipped"].items():  # each task of a table says them
            skipped.setdefault(file, {}).update(dict.fromkeys(reasons))
        seen |= done["seen"]
        written += done["written"]
    skipped = {file: list(reasons) for file, reasons in skipped.items()}
    return {"seen": seen, "written": written, "deleted": 0, "skipped": skipped}
