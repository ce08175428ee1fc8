"""What can go wrong with an index: kills, two at once, a full disk, a server that does
not answer.
"""

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
from fake_qdrant import FakeQdrant, fake_qdrant
from test_engine import QUERIES, scores, toy_map
from test_tokens import ToyTokens

from qrr_lib import Scorer
from qrr_lib.engine import EngineError, Index, client, condition
from qrr_lib.engine.passage import payload_of

pytest.importorskip("qdrant_edge")


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
    points = index.store.scroll(["id", "hash", "codes", "words"], ["dense"])
    there = {p.payload["id"]: p for page in points for p in page if "id" in p.payload}
    parts = [known[key, point.payload["hash"]] for key, point in there.items()]
    vectors = np.array([point.vectors["dense"] for point in there.values()])
    np.testing.assert_allclose(vectors, [part[0] for part in parts], atol=1e-6)
    for number, name in enumerate(("codes", "words"), 1):
        kept = [point.payload[name] for point in there.values()]
        assert kept == [part[number] for part in parts]
    assert len(there) == len(index)
    return {key: point.payload["hash"] for key, point in there.items()}


@pytest.fixture(scope="module")
def known(made) -> dict:
    """{(id, hash): (dense vector, codes, words)} of both versions of every passage."""
    every = {}
    with Index.open(made, ToyTokens()) as index:
        for passage in [*before(), *after()]:
            [point] = index.kind.points([payload_of(passage)])
            own = point.vectors["dense"], point.payload["codes"], point.payload["words"]
            every[passage.id, point.payload["hash"]] = own
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
        for key in same:  # and words are weighed among those that were found
            np.testing.assert_allclose(found[key][::2], same[key][::2], atol=1e-5)
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


# job: passages that it changes in a folder that was indexed and then edited
COMMANDS = {
    "qrr index docs --to my.index --sync": {"n0.txt#1", "n1.txt#1", "r1#1", "r9#1"},
    "qrr delete --index my.index n1.txt n2.txt r1 r2": {"n1.txt#1", "r2#1"},
}


@pytest.mark.slow
@pytest.mark.parametrize("job", COMMANDS, ids=lambda job: job.split()[1])
def test_forty_kills_of_a_command_lose_nothing(victims, job, tmp_path):
    """As a user gives it, with the light model: whatever is there is one of two
    versions of a passage, and the same command again ends in the same index.
    """
    random.seed(job)
    folder, kept, early = tmp_path / "here", tmp_path / "kept", 0
    edited_folder(folder, victims)
    shutil.copytree(folder, kept)
    before = held(folder)
    told, longest = killed(victims, job, folder, 900)
    after, wanted = held(folder), asked(folder)
    changed = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
    assert told == ["done"] and changed >= COMMANDS[job] and before.keys() - changed
    for _ in range(40):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        told, _ = killed(victims, job, folder, random.uniform(0, longest))
        early += not told
        there = held(folder)
        assert all(value in (before.get(k), after.get(k)) for k, value in there.items())
        assert before.keys() & after.keys() <= there.keys()
        told, _ = killed(victims, job, folder, 900)
        assert told == ["done"] and held(folder) == after
        found = asked(folder)
        assert found.keys() == wanted.keys()
        for key in wanted:
            np.testing.assert_allclose(found[key], wanted[key], atol=1e-5)
    assert early >= 10, f"only {early} of 40 kills came in mid-work"


def edited_folder(folder: Path, victims) -> None:
    """Texts and a table, indexed; then some are gone, some changed, some new."""
    docs = folder / "docs"
    docs.mkdir(parents=True)
    for i in range(6):
        text = f"A note on the storm of number {i}, and on the sea."
        (docs / f"n{i}.txt").write_text(text, encoding="utf-8")
    rows = [json.dumps({"id": f"r{i}", "text": f"Number {i}."}) for i in range(6)]
    (docs / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    told, _ = killed(victims, "qrr index docs --to my.index", folder, 900)
    assert told == ["done"]
    (docs / "n0.txt").unlink()
    (docs / "n1.txt").write_text("Another text.", encoding="utf-8")
    rows[1] = json.dumps({"id": "r1", "text": "Another text."})
    rows.append(json.dumps({"id": "r9", "text": "New."}))
    (docs / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")


def asked(folder: Path) -> dict:
    with Index.open(folder / "my.index", engine_victim.light()) as index:
        return scores(index, {"q": "the storm of number 5"})


def held(folder: Path) -> dict[str, str]:
    with Index.open(folder / "my.index", engine_victim.light()) as index:
        return index.column("hash")


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


# two at once, a full disk


def test_a_second_process_gets_one_clear_line(made, victims, tmp_path):
    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    code = (
        "import sys\nfrom test_tokens import ToyTokens\n"
        "from qrr_lib.engine import Index\ntry: Index.open(sys.argv[1], ToyTokens())"
        "\nexcept ValueError as error: print(error)"
    )
    path = os.pathsep.join(str(p) for p in (TESTS, TESTS.parent))
    command = [sys.executable, "-c", code, str(folder)]
    environment = os.environ | {"PYTHONPATH": path}
    options = {"capture_output": True, "text": True, "env": environment}
    with Index.open(folder, ToyTokens()):
        said = subprocess.run(command, check=True, **options)
    assert said.stdout.count("\n") == 1
    assert f"the index in {folder} is open in another process" in said.stdout
    with Index.open(folder, ToyTokens()) as index:  # closed, it may be opened
        assert len(index) == len(before())


def test_no_room_is_said_before_anything_is_written(made, tmp_path, monkeypatch):
    folder = tmp_path / "index"
    shutil.copytree(made, folder)
    usage = namedtuple("usage", "total used free")
    with Index.open(folder, ToyTokens()) as index:
        there = index.column("hash")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 10**6))
        with pytest.raises(EngineError, match="make room, then run it again"):
            index.add(after())
        assert index.column("hash") == there and index.search("jazz")
        with pytest.raises(EngineError, match="make room"):
            Index.create(
                tmp_path / "other", ToyTokens(), Scorer(toy_map(), per="token")
            )
        monkeypatch.undo()
        index.add(after())
        assert index.column("hash") == wanted_of("index")
    with pytest.raises(FileNotFoundError):
        Index.open(tmp_path / "other", ToyTokens())


# a server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(client, "PAUSE", 0.01)
    monkeypatch.setattr(client, "SECONDS", 1)
    with fake_qdrant() as server:
        yield server


def test_an_index_on_a_server_is_the_one_in_a_folder(server, made, tmp_path, scorer):
    shutil.copytree(made, tmp_path / "index")
    with Index.open(tmp_path / "index", ToyTokens()) as index:
        wanted = scores(index, QUERIES, where=[condition("year<2300")], k=300)
    place = f"{server.address}/mine"
    with Index.create(place, ToyTokens(), scorer) as index:
        index.add(before())
        assert index.info()["place"] == place
    with Index.open(place, ToyTokens()) as index:
        found = scores(index, QUERIES, where=[condition("year<2300")], k=300)
        assert index.delete(["d1"]) == 1 and len(index) == len(before()) - 1
    assert found.keys() == wanted.keys() and len(found) == 900
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], atol=1e-5)
    with pytest.raises(FileNotFoundError, match="no index at .*/other"):
        Index.open(f"{server.address}/other", ToyTokens())


def test_a_server_that_is_not_there_is_said(server, monkeypatch):
    server.stop()
    with pytest.raises(EngineError, match="is the server there") as told:
        Index.open(server.address, ToyTokens())
    assert server.address in str(told.value) and "\n" not in str(told.value)


def test_a_server_that_sleeps_is_asked_again_and_then_given_up(server, scorer):
    asked = []

    def sleep(path):
        asked.append(path)
        time.sleep(1.5)
        return 500

    with Index.create(server.address, ToyTokens(), scorer) as index:
        index.add(before()[:100])
        server.fault = sleep
        with pytest.raises(EngineError, match="time"):
            len(index)
        assert len(asked) == client.TRIES
        server.fault = lambda path: None
        assert len(index) == 100


def test_a_server_that_restarts_in_mid_write_loses_nothing(server, scorer):
    with Index.create(server.address, ToyTokens(), scorer) as index:
        port, local, calls = server.server_port, server.local, []

        def restart(path):
            calls.append(path)
            if len(calls) == 30:
                threading.Thread(target=again).start()
            return 503 if len(calls) >= 30 else None

        def again():
            server.stop()
            later.append(FakeQdrant(port, local))

        later = []
        server.fault = restart
        assert index.add(before()[:600]) == 600
        assert len(calls) >= 30
        assert index.column("hash") == {
            p.id: payload_of(p)["hash"] for p in before()[:600]
        }
        later[0].stop()


def test_a_server_that_dies_in_mid_write_keeps_what_was_acknowledged(server, scorer):
    with Index.create(server.address, ToyTokens(), scorer) as index:
        calls, told = [], []

        def die(path):
            calls.append(path)
            return 503 if len(calls) >= 30 else None

        server.fault = die
        with pytest.raises(EngineError, match="What was acknowledged is kept"):
            index.add(engine_victim.told(before(), told.append))
        server.fault = lambda path: None
        assert 0 < told[-1] < len(before())
        assert {p.id for p in before()[: told[-1]]} <= index.column("hash").keys()
        index.add(before())
        assert index.column("hash") == {p.id: payload_of(p)["hash"] for p in before()}


def test_a_key_that_is_refused_is_said_at_once(server, scorer):
    asked = []
    server.fault = lambda path: asked.append(path) or 403
    with pytest.raises(EngineError, match="403.*QRR_ENGINE_KEY"):
        Index.create(server.address, ToyTokens(), scorer)
    assert len(asked) == 1
