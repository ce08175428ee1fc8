"""Work on an index in a process of its own, to be killed (test_engine_faults)."""

import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from test_engine import passages, toy_map
from test_tokens import ToyTokens

import qrr_lib
from qrr_lib import Scorer, TextEmbedder
from qrr_lib.course import cli
from qrr_lib.engine import Index, Passage
from qrr_lib.rank.codecs import TEXTS_A_BLOCK

COUNT = 1200
STEP = 40  # passages a delete takes out


@functools.cache
def before() -> list[Passage]:
    """What lies in the index before the work: two thirds of all."""
    return passages(COUNT)[: COUNT * 2 // 3]


@functools.cache
def after() -> list[Passage]:
    """What shall lie in it: every third with another text, the last third new."""
    every = passages(COUNT)
    every[::3] = [p._replace(text=f"noise {p.text}") for p in every[::3]]
    return every


@functools.cache
def gone() -> list[str]:
    """Ids that are taken out, in this order."""
    return [p.id for p in before()[::2]]


def told(passages: list[Passage], say: Callable[[int], None]) -> Iterator[Passage]:
    """Passages for `Index.add`, which asks for the next block when the one before is
    on disk: how many are is said then.
    """
    for number, passage in enumerate(passages):
        if number and number % TEXTS_A_BLOCK == 0:
            say(number)
        yield passage


def make(folder: Path) -> None:
    """The index before the work."""
    with Index.create(folder, ToyTokens(), Scorer(toy_map(), per="token")) as index:
        index.add(before())


@functools.cache
def light() -> TextEmbedder:
    """The light model, loaded once, before a process is forked; and what else a
    command imports.
    """
    for name in ("bm25s", "Stemmer", "qdrant_edge", "tqdm"):
        importlib.import_module(name)
    return TextEmbedder("all-MiniLM-L6-v2", cache=False)


def work(job: str, folder: str, acknowledged: str) -> None:
    """Do a job; a line is written for all that is acknowledged."""
    with open(acknowledged, "a", encoding="utf-8", buffering=1) as lines:
        if job.startswith("qrr "):
            os.chdir(folder)
            qrr_lib.TextEmbedder = lambda **_: light()
            print("begun", file=lines)
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                cli.main(job.split()[1:])
            print("done", file=lines)
            return
        if job == "create":
            make(Path(folder))
        with Index.open(folder, ToyTokens()) as index:
            print("begun", file=lines)
            if job == "index":
                index.add(told(after(), lambda done: print(done, file=lines)))
            for start in range(0, len(gone()) if job == "delete" else 0, STEP):
                index.delete(gone()[start : start + STEP])
                print(start + STEP, file=lines)
            if job == "optimise":
                index.delete(gone())
                print(len(gone()), file=lines)
                index.store.optimise()
        print("done", file=lines)


def serve() -> None:
    """Fork a process for every job that is read from stdin, after all was imported and
    before any index was opened; say its number, and reap it at the next line.
    """
    for line in sys.stdin:
        if json.loads(line)[0].startswith("qrr "):
            light()
        number = os.fork()
        if number == 0:
            work(*json.loads(line))
            os._exit(0)
        print(number, flush=True)
        sys.stdin.readline()
        os.waitpid(number, 0)
        print("reaped", flush=True)


if __name__ == "__main__":
    serve()
