"""Many files at once with Ray Data, on one machine or a cluster (lesson 14; needs the
extra `[cluster]`).

A task is a part of a file: a worker reads it, cuts it into passages, embeds and encodes
them, and hands them on to a server, or writes them into a Parquet file that an index
takes in. What is there already, by its content's hash, is passed over, so that each
passage is done once, however often the job is broken off.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qrr_lib.engine.cluster import on_ray
from qrr_lib.engine.formats import TABLES
from qrr_lib.engine.index import Index
from qrr_lib.engine.parts import part_about, write_part
from qrr_lib.engine.passage import Passage, payload_of
from qrr_lib.engine.passages import cut, stale, word_pieces
from qrr_lib.engine.readers import kind_of, most_documents, read_documents
from qrr_lib.engine.tokens import tokens_named
from qrr_lib.rank.codecs import TEXTS_A_BLOCK
from qrr_lib.rank.states import States

ROWS = 1000  # documents in a task


class Parts:
    """A folder of Parquet files, one a task."""

    def __init__(self, folder: Path, tokens: str, embedder):
        self.folder, self.kind = folder, tokens_named(tokens, embedder, None)
        self.about = {"tokens": tokens} | self.kind.belongs_to()

    def __call__(self, task: dict, passages: list[Passage]) -> int:
        """Write the passages of a task, unless they are there: how many were new."""
        path = self.folder / task["part"]
        about = self.about | {"hash": digest([payload_of(p)["hash"] for p in passages])}
        if not passages:
            path.unlink(missing_ok=True)
            return 0
        if path.exists() and about.items() <= (part_about(path) or {}).items():
            return 0
        texts = [passage.full for passage in passages]
        blocks = range(0, len(texts), TEXTS_A_BLOCK)
        made = [self.kind.encode(texts[i : i + TEXTS_A_BLOCK]) for i in blocks]
        vectors, states = zip(*made)
        encoded = np.concatenate(vectors), States.join(list(states))
        write_part(path, about, passages, *encoded)
        return len(passages)


class Server:
    """An index at an address."""

    def __init__(self, place: str, embedder):
        self.index = Index.open(place, embedder)

    def __call__(self, task: dict, passages: list[Passage]) -> int:
        """Add the passages of a task: how many were new or changed."""
        return self.index.add(passages)


class Worker:
    """Does tasks; Ray makes one in every process.

    Parameters
    ----------
    make_embedder : callable
        () → embedder.
    make_target : callable
        embedder → `Parts` or `Server`.
    """

    def __init__(self, make_embedder: Callable, make_target: Callable):
        embedder = make_embedder()
        self.target, self.pieces = make_target(embedder), word_pieces(embedder)

    def __call__(self, batch: dict) -> dict:
        done = [json.dumps(self.do(json.loads(task))) for task in batch["item"]]
        return {"item": np.array(done)}

    def do(self, task: dict) -> dict:
        """What became of a task: {document id: its passages}, {document id: its file},
        how many passages were written, and {file: what could not be read}.
        """
        skipped: dict[Path, list[str]] = {}
        files = {Path(path): name for path, name in task["files"].items()}
        documents = read_documents(files, skipped)
        own = list(itertools.islice(documents, task["first"], task["end"]))
        found = {one.id: list(cut(one, *self.pieces)) for one in own}
        written = self.target(task, list(itertools.chain(*found.values())))
        done = {"seen": {key: len(passages) for key, passages in found.items()}}
        reasons = {path.as_posix(): told for path, told in skipped.items()}
        places = {one.id: one.source for one in own}
        return done | {"places": places, "written": written, "skipped": reasons}


def digest(names: list[str]) -> str:
    """Names to a name of 32 characters."""
    return hashlib.blake2b("\0".join(names).encode(), digest_size=16).hexdigest()


def tasks_of(files: dict[Path, str], rows: int = ROWS) -> list[dict]:
    """Cut files (as `find_files` returns them) into tasks of about `rows` documents.

    A table is read from its beginning for each of them. Other files are put together by
    a digest of their names, so that a new one changes one task.
    """
    names = {path.as_posix(): name for path, name in files.items()}
    tables = [path for path in names if kind_of(Path(path)) in TABLES]
    tasks, groups = [], {}
    for path in tables:
        starts = range(0, max(1, most_documents(Path(path))), rows)
        for first in starts:
            end = None if first == starts[-1] else first + rows
            task = {"files": {path: names[path]}, "first": first, "end": end}
            tasks.append(task | {"part": part_name(path, first, rows)})
    count = 1 << max(0, (len(names) - len(tables) - 1) // rows).bit_length()
    for path in names.keys() - set(tables):
        groups.setdefault(int(digest([names[path]]), 16) % count, []).append(path)
    for number, paths in sorted(groups.items()):
        task = {"files": {path: names[path] for path in sorted(paths)}, "first": 0}
        tasks.append(task | {"end": None, "part": part_name("texts", number, count)})
    return tasks


def part_name(*what) -> str:
    """Name of the file that a task writes."""
    return f"{digest(list(map(str, what)))}.parquet"


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
    tasks = tasks_of(files, rows)
    if "://" not in str(place):
        folder = _folder(Path(place))
        target = functools.partial(Parts, folder, tokens)
        work = on_ray(Worker, tasks, (make_embedder, target), workers, address)
        for path in set(_parts(folder)) - {folder / task["part"] for task in tasks}:
            path.unlink()  # of files that are gone
        return _summary(work)
    embedder = make_embedder()
    _begin(place, embedder, tokens, files)
    target = functools.partial(Server, str(place))
    work = on_ray(Worker, tasks, (make_embedder, target), workers, address)
    done = _summary(work)
    with Index.open(place, embedder) as index:
        done["deleted"] = index.delete(stale(index.ids(), done["seen"]))
    return done


def _begin(place: str, embedder, tokens: str, files: dict[Path, str]) -> None:
    """Make the index if need be, and add a first document: every worker weighs words
    by the same average length then.
    """
    try:
        index = Index.open(place, embedder)
    except FileNotFoundError:
        index = Index.create(place, embedder, tokens=tokens)
    with index:
        if not index.about["average"]:
            pieces = word_pieces(embedder)
            some = itertools.islice(read_documents(files, {}), TEXTS_A_BLOCK)
            passages = (passage for one in some for passage in cut(one, *pieces))
            index.add(itertools.islice(passages, TEXTS_A_BLOCK))


def _folder(folder: Path) -> Path:
    """The folder, made if need be; ValueError if it holds anything but parts."""
    folder.mkdir(parents=True, exist_ok=True)
    # a killed worker leaves .name.partial-...
    there = {path for path in folder.iterdir() if path.name[0] != "."}
    if strange := there - set(_parts(folder)):
        raise ValueError(
            f"{folder} holds other files ({min(strange).name}): take an empty folder"
        )
    return folder.resolve()


def _parts(folder: Path) -> list[Path]:
    return [path for path in folder.glob("[!.]*.parquet") if part_about(path)]


def _summary(work: list[dict]) -> dict:
    """All tasks together; an id from two files is said, as one of them is lost."""
    seen, places, skipped, written = {}, {}, {}, 0
    for done in work:
        for key, file in done["places"].items():
            if (there := places.setdefault(key, file)) != file:
                reason = f"the id {key!r} stands in {there}, too"
                done["skipped"].setdefault(file, []).append(reason)
        seen |= done["seen"]
        written += done["written"]
        for file, reasons in done["skipped"].items():
            # each task of a table reads it from the beginning
            known = skipped.setdefault(Path(file), [])
            known += [reason for reason in reasons if reason not in known]
    return {"seen": seen, "written": written, "deleted": 0, "skipped": skipped}
