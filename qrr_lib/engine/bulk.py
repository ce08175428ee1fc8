"""Many files at once with Ray, on one machine or a cluster (lesson 14; needs the extra
`[cluster]`).

One process reads files and cuts them into passages; workers embed and encode groups of
them, and hand them on to a server, or write them into Parquet files that an index takes
in. What is there already, by its content's hash, is passed over, so that each passage
is done once, however often the job is broken off.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from qrr_lib.engine.index import Index
from qrr_lib.engine.parts import part_about, write_part
from qrr_lib.engine.passage import Passage, digest, payload_of
from qrr_lib.engine.passages import cut, stale, word_pieces
from qrr_lib.engine.places import is_address
from qrr_lib.engine.readers import read_documents
from qrr_lib.engine.stores import EngineError
from qrr_lib.engine.tokens import tokens_named
from qrr_lib.lazy import package

DOCUMENTS = 100  # in a group, on average


class Parts:
    """A folder of Parquet files, named by a digest of what they hold."""

    def __init__(self, folder: Path, embedder, tokens: str):
        self.folder, self.kind = folder, tokens_named(tokens, embedder)
        self.about = {"tokens": tokens} | self.kind.belongs_to()

    def add(self, passages: list[Passage]) -> tuple[int, Path]:
        """Write passages, unless they are there: (how many were new, their file)."""
        payloads = list(map(payload_of, passages))
        hashes = [one["hash"] for one in payloads]
        path = self.folder / f"{digest([self.about, hashes])}.parquet"
        if path.exists():
            return 0, path
        write_part(path, self.about, self.kind.points(payloads))
        return len(passages), path


class Worker:
    """Does groups of passages; Ray makes one in every process.

    Parameters
    ----------
    make_embedder : callable
        () → embedder.
    place, tokens : as in `load_in_bulk`
    """

    def __init__(self, make_embedder: Callable, place: str, tokens: str):
        embedder = make_embedder()
        if is_address(place):
            self.target = Index.open(place, embedder)
        else:
            self.target = Parts(Path(place), embedder, tokens)

    def do(self, passages: list[Passage]) -> tuple[int, Path | None]:
        """How many passages were written, and into which file."""
        done = self.target.add(passages)
        return done if isinstance(done, tuple) else (done, None)


def grouped(
    documents: Iterable[Passage], pieces: tuple, seen: dict[str, int]
) -> Iterator[list[Passage]]:
    """Passages of documents in groups; `seen` becomes {document id: how many}.

    A group ends where a digest of a document's id says so: a new document changes one
    group, and leaves the others' files as they are.
    """
    group = []
    for document in documents:
        own = list(cut(document, *pieces))
        seen[document.id] = len(own)
        group += own
        if int(digest(document.id), 16) % DOCUMENTS == 0:
            yield group
            group = []
    if group:
        yield group


def load_in_bulk(
    files: dict[Path, str],
    place: str | os.PathLike,
    make_embedder: Callable,
    tokens: str = "states",
    workers: int | None = None,
    address: str | None = None,
) -> dict:
    """Embed and encode files on many workers, into an index on a server or a folder of
    Parquet files for `qrr index`; run it again after a break.

    Parameters
    ----------
    files : as `find_files` returns them
    place : address, or path of a folder that all workers see
    make_embedder : callable
        () → embedder, called in every worker.
    tokens : as in `Index.create`; for an index that is there already, its own are taken
    workers : int or None
        None takes one for each graphics card, or else for each processor core.
    address : str or None
        Of a running Ray cluster; None starts one on this machine.

    Returns {"seen": {document id: how many passages it has}, "written": passages that
    were new or changed, "deleted", "skipped": {file: reasons}}.
    """
    embedder, server = make_embedder(), is_address(place)
    place = str(place if server else _folder(Path(place)))
    if server:
        try:
            Index.open(place, embedder).close()
        except FileNotFoundError:
            Index.create(place, embedder, tokens=tokens).close()
    seen, skipped, deleted = {}, {}, 0
    groups = grouped(read_documents(files, skipped), word_pieces(embedder), seen)
    done = on_ray(groups, (make_embedder, place, tokens), workers, address)
    if server:
        with Index.open(place, embedder) as index:
            deleted = index.delete(stale(index.ids(), seen))
    else:
        for path in _parts(Path(place)) - {path for _, path in done}:
            path.unlink()  # of what is gone or has changed
    written = sum(count for count, _ in done)
    found = {"seen": seen, "written": written, "deleted": deleted}
    return found | {"skipped": skipped}


def on_ray(
    groups: Iterable[list[Passage]],
    arguments: tuple,
    workers: int | None,
    address: str | None,
) -> list[tuple]:
    """Do groups with Ray, by workers made from `arguments`, on the cluster that is
    running or on one that is started for them; what became of each.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = package("ray", "cluster")
    ActorPool = package("ray.util", "cluster").ActorPool
    ours = not ray.is_initialized()
    options, actors = {"logging_level": "ERROR", "log_to_driver": False}, []
    try:
        if ours:
            ray.init(address=address, **options)
        there = ray.cluster_resources()
        kind = "GPU" if there.get("GPU") else "CPU"
        most = max(1, int(there.get(kind, 1)))
        make = ray.remote(**{f"num_{kind.lower()}s": 1})(Worker).remote
        actors = [make(*arguments) for _ in range(min(workers or most, most))]
        pool, done = ActorPool(actors), []
        for group in groups:
            if not pool.has_free():  # read on when a worker is
                done.append(pool.get_next_unordered())
            pool.submit(lambda actor, own: actor.do.remote(own), group)
        while pool.has_next():
            done.append(pool.get_next_unordered())
        return done
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
