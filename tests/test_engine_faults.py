"""What can go wrong with an index: kills, two at once, a full disk, a server that does
not answer.
"""

from __future__ import annotations

import http.server
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import engine_victim
import numpy as np
import pytest
from engine_victim import after, before, gone
from test_engine import QUERIES, passages, scores, toy_map
from test_tokens import ToyTokens

from qrr_lib import Scorer
from qrr_lib.engine import EngineError, Index
from qrr_lib.engine.passage import payload_of, point_id

pytest.importorskip("qdrant_edge")
qdrant_client = pytest.importorskip("qdrant_client")


TESTS = Path(__file__).resolve().parent


@pytest.fixture
def scorer():
    return Scorer(toy_map(), per="token")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """An index before any work; to be copied."""
    folder = tmp_path_factory.mktemp("made") / "index"
    engine_victim.make(folder)
    return folder


@pytest.fixture(scope="module")
def victims():
    """A process that has imported everything and forks one for every job."""
    if not hasattr(os, "fork"):
        pytest.skip("a process for every kill is forked, which this system does not do")
    path = os.pathsep.join(
        str(p) for p in (TESTS, TESTS.parent, TESTS.parent / "tools")
    )
    command = [sys.executable, str(TESTS / "engine_victim.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(command, env=environment, bufsize=1, **pipes) as process:
        yield process
        process.stdin.close()


# kill -9


def killed(victims, job: str, folder: Path, seconds: float):
    """Begin a job, kill it some time after it has begun: what it acknowledged, and how
    long it took.
    """
    told = folder.parent / "acknowledged"
    told.write_text("", encoding="utf-8")
    print(json.dumps([job, str(folder), str(told)]), file=victims.stdin)
    number = int(victims.stdout.readline())
    while job != "create" and not told.read_text("utf-8"):
        time.sleep(0.002)
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds and "done" not in told.read_text(
        "utf-8"
    ):
        time.sleep(0.002)
    took = time.perf_counter() - begun
    os.kill(number, signal.SIGKILL)
    print(file=victims.stdin)
    assert victims.stdout.readline() == "reaped\n"
    return told.read_text("utf-8").split()[1:], took


def check_whole(index: Index, known: dict) -> dict[str, str]:
    """Every passage is as one of its versions says, all its parts: {id: its hash}."""
    points = index.store.scroll(["id", "hash", "codes"], ["dense"])
    there = {p.payload["id"]: p for page in points for p in page if "id" in p.payload}
    parts = [known[key, point.payload["hash"]] for key, point in there.items()]
    vectors = np.array([point.vectors["dense"] for point in there.values()])
    np.testing.assert_allclose(vectors, [vector for vector, _ in parts], atol=1e-6)
    assert [p.payload["codes"] for p in there.values()] == [codes for _, codes in parts]
    assert len(there) == len(index)
    return {key: point.payload["hash"] for key, point in there.items()}


@pytest.fixture(scope="module")
def known(made) -> dict:
    """{(id, hash): (dense vector, codes)} of both versions of every passage."""
    every = {}
    with Index.open(made, ToyTokens()) as index:
        for passage in [*before(), *after()]:
            vectors, states = index.kind.encode([passage.full])
            own = vectors[0], index.kind.kept(states)[1]["codes"]
            every[passage.id, payload_of(passage)["hash"]] = own
    return every


def wanted_of(job: str) -> dict[str, str]:
    """{id: hash} when a job is done."""
    if job == "index":
        return {p.id: payload_of(p)["hash"] for p in after()}
    left = [p for p in before() if p.id not in gone()]
    return {p.id: payload_of(p)["hash"] for p in left}


def check_acknowledged(job: str, there: dict, told: list[str]) -> None:
    count = max([int(line) for line in told if line != "done"], default=0)
    if job == "index":
        wanted = {p.id: payload_of(p)["hash"] for p in after()[:count]}
        assert {key: there.get(key) for key in wanted} == wanted
        assert {p.id for p in before()} <= there.keys()
    else:
        assert not set(gone()[:count]) & there.keys()
        assert {p.id for p in before()} - set(gone()) <= there.keys()


def finish(job: str, index: Index) -> None:
    if job == "index":
        index.add(after())
    else:
        index.delete(gone())
        index.store.optimise()


@pytest.fixture(scope="module")
def results(made, tmp_path_factory) -> dict:
    """{job: scores when it was done without a kill}."""
    found = {}
    for job in ("index", "delete"):
        folder = tmp_path_factory.mktemp("whole") / "index"
        shutil.copytree(made, folder)
        with Index.open(folder, ToyTokens()) as index:
            finish(job, index)
            found[job] = scores(index, QUERIES, k=20)
    return found | {"optimise": found["delete"]}


def campaign(victims, job: str, made, known, results, tmp_path, trials: int) -> int:
    """Kill a job `trials` times at random moments; how many kills came in mid-work."""
    random.seed(job)
    shutil.copytree(made, tmp_path / "whole" / "index")
    told, longest = killed(victims, job, tmp_path / "whole" / "index", 60)
    assert told[-1] == "done"
    early = 0
    for trial in range(trials):
        folder = tmp_path / f"{trial}" / "index"
        shutil.copytree(made, folder)
        told, _ = killed(victims, job, folder, random.uniform(0, longest))
        early += "done" not in told
        with Index.open(folder, ToyTokens()) as index:
            check_acknowledged(job, check_whole(index, known), told)
            finish(job, index)
            assert check_whole(index, known) == wanted_of(job)
            found = scores(index, QUERIES, k=20)
        same = {key: results[job][key] for key in found if key in results[job]}
        assert len(same) > 0.9 * len(found)  # equal scores may stand for each other
        for key in same:
            np.testing.assert_allclose(found[key], same[key], atol=1e-5)
        shutil.rmtree(folder.parent)
    return early


@pytest.mark.parametrize("job", ["index", "delete", "optimise"])
def test_a_kill_loses_nothing(victims, job, made, known, results, tmp_path):
    assert campaign(victims, job, made, known, results, tmp_path, 4)


@pytest.mark.slow
@pytest.mark.parametrize("job", ["index", "delete", "optimise"])
def test_forty_kills_lose_nothing(victims, job, made, known, results, tmp_path):
    early = campaign(victims, job, made, known, results, tmp_path, 40)
    assert early >= 10, f"only {early} of 40 kills came in mid-work"


def test_a_kill_while_an_index_is_made(victims, scorer, tmp_path):
    """There is none, or one that opens."""
    random.seed(0)
    for trial in range(6):
        folder = tmp_path / f"{trial}" / "index"
        folder.parent.mkdir()
        killed(victims, "create", folder, random.uniform(0, 0.5))
        try:
            index = Index.open(folder, ToyTokens())
        except FileNotFoundError:
            index = Index.create(folder, ToyTokens(), scorer)
        with index:
            index.add(before()[:200])
            assert len(index) >= 200
