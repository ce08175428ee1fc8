"""What lies on a disk: kills, flipped bits, files cut short, two writers, no room."""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from faults import victims
from qrr_lib import FaissRetriever
from qrr_lib.arrays import read_arrays, read_tensors, write_tensors
from qrr_lib.embed.cache import EmbeddingCache
from qrr_lib.embed.models import model_spec
from qrr_lib.encode.angles import load_source
from qrr_lib.files import data_dir
from qrr_lib.rank.judged import load_vectors

LIGHT = victims.LIGHT
MODELS = (LIGHT, "all-mpnet-base-v2")


def content(made) -> bytes:
    """What was read, as bytes."""
    if isinstance(made, dict):
        parts = [str(key).encode() + content(made[key]) for key in sorted(made)]
        return b"".join(parts)
    if isinstance(made, tuple):
        return b"".join(map(content, made))
    array = made.numpy() if hasattr(made, "numpy") else np.asarray(made)
    return array.tobytes() if array.dtype.kind != "O" else repr(made).encode()


def head(path: Path):
    source, provenance = load_source(path)
    return dict(source.state_dict()), repr(source), repr(provenance)


def index(path: Path):
    retriever = FaissRetriever.load(path)
    return retriever.search(victims.vector_of(1)[None], 5)[0], repr(retriever.ids)


def vectors(path: Path):
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "scifact"
        shutil.copytree(data_dir() / "scifact", folder)
        shutil.copy(path, folder / f"{LIGHT}.safetensors")
        found = load_vectors(folder)[1]
    return found.docs, found.queries


def originals(folder: Path) -> dict:
    """{what: (file, how it is read)}: what the course ships, and what is saved."""
    data, made = data_dir(), folder / "made"
    kinds = {}
    for model in MODELS:
        kinds[f"course head ({model})"] = (
            data / "heads" / f"course_one_qubit_{model}.safetensors",
            head,
        )
        kinds[f"qubit map ({model})"] = (
            data / "maps" / f"qubits_64_{model}.safetensors",
            head,
        )
    kinds["shipped embeddings"] = (
        data / "course/embeddings" / f"{LIGHT}.npz",
        read_arrays,
    )
    kinds["shipped token states"] = data / "course/tokens" / f"{LIGHT}.npz", read_arrays
    kinds["shipped vectors"] = data / "scifact" / f"{LIGHT}.safetensors", vectors
    victims.save_index(made / "index", 7)
    kinds["FAISS index"] = made / "index", index
    tensors = read_tensors(kinds[f"course head ({LIGHT})"][0])[1]
    write_tensors(made / "checkpoint", tensors, {"training": "{}"})
    kinds["checkpoint"] = made / "checkpoint", read_tensors
    return kinds


def flip(data: bytes, rng: random.Random) -> bytes:
    """Flip one bit; every second time in the first 4,000 bytes, where names are."""
    place = rng.randrange(len(data) if rng.random() < 0.5 else min(4000, len(data)))
    return (
        data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
    )


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def damaged(count: int, rng: random.Random, harm, wanted=None) -> tuple[int, int]:
    """(trials, how many were read as something else or not refused in one line)."""
    bad = trials = 0
    with tempfile.TemporaryDirectory() as work:
        for what, (path, read) in originals(Path(work)).items():
            if wanted and wanted not in what:
                continue
            whole, right = path.read_bytes(), content(read(path))
            target = Path(work) / f"harmed{path.suffix}"
            for _ in range(count):
                target.write_bytes(harm(whole, rng))
                trials += 1
                try:
                    bad += content(read(target)) != right
                except ValueError as error:
                    bad += "\n" in str(error)
                except BaseException as error:
                    print(f"  {what}: {error!r}", file=sys.stderr)
                    bad += 1
    return trials, bad


def flips(count: int, rng: random.Random):
    """One bit of a stored file is flipped."""
    return damaged(count, rng, flip)


def cuts(count: int, rng: random.Random):
    """A stored file is cut short."""
    return damaged(count, rng, cut)


@contextlib.contextmanager
def own_cache():
    """A cache folder of one's own, by QRR_CACHE_DIR."""
    before = os.environ.get("QRR_CACHE_DIR")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["QRR_CACHE_DIR"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("QRR_CACHE_DIR")
            if before is not None:
                os.environ["QRR_CACHE_DIR"] = before


def cached(count: int, rng: random.Random):
    """The embedding cache is damaged: right or absent vectors, and it works again."""
    bad, keys = 0, [n.to_bytes(32, "big") for n in range(200)]
    spec = model_spec(LIGHT)
    right = {key: victims.vector_of(n) for n, key in enumerate(keys)}
    with own_cache(), contextlib.redirect_stderr(open(os.devnull, "w")):
        cache = EmbeddingCache(spec)
        cache.put(right)
        whole = cache.path.read_bytes()
        for _ in range(count):
            harm = rng.choice([flip, cut, lambda data, rng: rng.randbytes(9999)])
            cache.path.write_bytes(harm(whole, rng))
            try:
                with warnings.catch_warnings(action="error"):
                    for _ in range(4):
                        again = EmbeddingCache(spec)
                        again.shipped = {}
                        found = again.get(keys)
                        wrong = [k for k in found if (found[k] != right[k]).any()]
                        again.put({k: right[k] for k in keys if k not in found})
                    bad += bool(wrong) or len(found) < len(keys)
            except (Exception, UserWarning) as error:
                print(f"  cache: {error!r}", file=sys.stderr)
                bad += 1
    return count, bad


# kills and two writers


def kills(count: int, rng: random.Random):
    """kill -9 while a head or an index is saved: the last that was acknowledged, or a
    later one, is there, whole; no partial file outlives the next save.
    """
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            kind = rng.choice(list(victims.KINDS))
            path = Path(folder) / f"{number}.safetensors"
            hear, tell = victims.FORKS.Pipe(duplex=False)
            process = victims.start(victims.keep_saving, kind, str(path), tell)
            hear.poll(60)
            time.sleep(rng.uniform(0, 0.05))
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            tell.close()
            last = 0
            with contextlib.suppress(EOFError, OSError):
                while True:
                    last = hear.recv()
            save, load = victims.KINDS[kind]
            lost = load(path) < last
            save(path, last + 2)
            left = [other for other in path.parent.iterdir() if "partial" in other.name]
            bad += lost or bool(left) or load(path) != last + 2
            path.unlink()
    return count, int(bad)


def cache_kills(count: int, rng: random.Random):
    """kill -9 while two processes store embeddings in one file: nothing that was
    acknowledged is lost or wrong.
    """
    bad = 0
    for _ in range(count):
        with own_cache() as folder:
            pipes = [victims.FORKS.Pipe(duplex=False) for _ in range(2)]
            pair = [
                victims.start(victims.keep_caching, str(folder), 10**6 * i, tell)
                for i, (_, tell) in enumerate(pipes, 1)
            ]
            for hear, _ in pipes:
                hear.poll(60)
            time.sleep(rng.uniform(0, 0.2))
            stored = []
            for process, (hear, tell) in zip(pair, pipes):
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                tell.close()
                with contextlib.suppress(EOFError, OSError):
                    while True:
                        stored.append(hear.recv())
            cache = EmbeddingCache(model_spec(LIGHT))
            cache.shipped = {}
            found = cache.get([n.to_bytes(32, "big") for n in stored])
            vectors = [found.get(n.to_bytes(32, "big")) for n in stored]
            lost = [v is None or v[0] != n for n, v in zip(stored, vectors)]
            bad += any(lost)
    return count, bad


def two_writers(count: int, rng: random.Random):
    """Two processes save to one path: every reader finds a whole file."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        victims.save_head(path, 1)
        pipes = [victims.FORKS.Pipe(duplex=False) for _ in range(2)]
        pair = [
            victims.start(victims.keep_saving, "head", str(path), tell)
            for _, tell in pipes
        ]
        for hear, _ in pipes:
            hear.poll(60)
        for _ in range(count):
            try:
                victims.load_head(path)
            except Exception as error:
                print(f"  two writers: {error!r}", file=sys.stderr)
                bad += 1
        bad += sum(not process.is_alive() for process in pair)
        for process in pair:
            process.kill()
            process.join()
    return count, bad


# no room, no permission


def saved_or_said(path: str) -> list[str]:
    """What became of saving one of each kind: it was saved, or one line said why not,
    or many did.
    """
    told = []
    for save, _ in victims.KINDS.values():
        try:
            save(Path(path), 5)
            told.append("saved")
        except (OSError, ValueError) as error:
            told.append("one line" if "\n" not in str(error) else "many")
    return told


def save_where_there_is_no_room(path: str, tell) -> None:
    """In a process that may write no file of more than 100 kB, unless the disk is
    smaller still.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    tell.send(saved_or_said(path))


def save_without_permission(path: str, tell) -> None:
    """As nobody, if we are root."""
    if os.geteuid() == 0:
        os.setuid(65534)
    tell.send(saved_or_said(path))


def refused(count: int, job, mode: int) -> tuple[int, int]:
    bad = 0
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "head.safetensors"
            victims.save_head(path, 4)
            os.chmod(folder, mode)
            hear, tell = victims.FORKS.Pipe(duplex=False)
            process = victims.start(job, str(path), tell)
            told = hear.recv() if hear.poll(60) else []
            process.join()
            os.chmod(folder, 0o755)
            whole = victims.load_head(path) == 4
            alone = [other.name for other in path.parent.iterdir()] == [path.name]
            bad += not (set(told) == {"one line"} and whole and alone)
    return count, bad


def no_room(count: int, rng: random.Random):
    """There is no room for a save: one line, the old file is whole, nothing is left."""
    return refused(count, save_where_there_is_no_room, 0o755)


def read_only(count: int, rng: random.Random):
    """A save into a folder that may not be written."""
    return refused(count, save_without_permission, 0o555)


def full_disk(count: int, rng: random.Random):
    """The same on a file system of 1 MB that is really full, where we may mount one."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return 0, 0
        bad, path = 0, Path(folder) / "head.safetensors"
        try:
            victims.save_head(path, 4)
            (Path(folder) / "stranger").write_bytes(bytes(100_000))
            for number in range(count):
                save = list(victims.KINDS.values())[number % 2][0]
                with contextlib.suppress(OSError, ValueError):
                    save(path, 5)
                    bad += 1
                names = {other.name for other in path.parent.iterdir()}
                whole = victims.load_head(path) == 4
                bad += not whole or names != {path.name, "stranger"}
            os.environ["QRR_CACHE_DIR"] = folder
            with warnings.catch_warnings(record=True):
                cache = EmbeddingCache(model_spec(LIGHT))
                for first in range(0, 2000, 100):
                    numbers = range(first, first + 100)
                    rows = {
                        n.to_bytes(32, "big"): victims.vector_of(n) for n in numbers
                    }
                    cache.put(rows)
            with contextlib.closing(sqlite3.connect(cache.path)) as db:
                bad += db.execute("PRAGMA integrity_check").fetchone() != ("ok",)
        finally:
            os.environ.pop("QRR_CACHE_DIR", None)
            subprocess.run(["umount", folder], check=True)
    return count, bad
