"""Clients that hang up, dawdle, send rubbish, or come in crowds."""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import psutil
from test_service import malformed

from faults import victims

HEAD = b"POST /rerank HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@contextlib.contextmanager
def service(model: str, **options):
    """A service in a process of its own: its port, its process, its log."""
    with tempfile.TemporaryDirectory() as folder:
        port, log = victims.free_port(), Path(folder) / "queries"
        log.touch()
        process = victims.start(victims.serve, port, model, str(log), options)
        try:
            end = time.monotonic() + 120
            while not healthy(port):
                assert process.is_alive() and time.monotonic() < end, "it did not start"
                time.sleep(0.05)
            yield SimpleNamespace(port=port, process=process, log=log, model=model)
        finally:
            process.kill()
            process.join()


def healthy(port: int) -> bool:
    try:
        return request(port, "GET", "/health")[0] == 200
    except OSError:
        return False


def request(port: int, method: str, path: str, body=b"", timeout: float = 60):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"{error!r}") from None
    finally:
        connection.close()


def until_waiting(port: int, count: int) -> None:
    """Until so many requests wait, or, on a slow machine, most of them."""
    end = time.monotonic() + 10
    while json.loads(request(port, "GET", "/health")[1])["waiting"] < count:
        if time.monotonic() > end:
            break
        time.sleep(0.01)


def opened(port: int, sent: bytes) -> socket.socket:
    """A connection on which so much was sent, and no more."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    with contextlib.suppress(OSError):
        client.sendall(sent)
    return client


def is_closed(client: socket.socket) -> bool:
    """Has the server answered or closed?"""
    client.settimeout(0.01)
    try:
        return client.recv(1) == b"" or True
    except TimeoutError:
        return False
    except OSError:
        return True


def asked(query: str, size: int = 20_000) -> bytes:
    """A whole request with documents of so many characters."""
    texts = ["what a long story " * (size // 180) for _ in range(10)]
    body = json.dumps({"query": query, "documents": texts}).encode()
    length = f"Content-Length: {len(body)}\r\n\r\n".encode()
    return HEAD + b"Content-Type: application/json\r\n" + length + body


def hang_ups(count: int, rng: random.Random, model: str):
    """Clients that leave while they wait: their requests are not computed."""
    with service(model, seconds=0.3) as one:
        clients = [opened(one.port, asked(f"query {i}")) for i in range(min(count, 32))]
        until_waiting(one.port, len(clients))
        for client in clients:
            client.close()
        time.sleep(0.1)
        before = len(one.log.read_text("utf-8").splitlines())
        body = json.dumps({"query": "small", "documents": ["one"]}).encode()
        status, _ = request(one.port, "POST", "/rerank", body)
        lines = one.log.read_text("utf-8").splitlines()[before:]
        return len(clients), sum(line != "small" for line in lines) + (status != 200)


def slow_heads(count: int, rng: random.Random, model: str):
    """Heads that are never finished, some of them sent letter by letter: the server
    closes them in time, and is healthy meanwhile.
    """
    with service(model, head=2) as one:
        clients = [
            opened(one.port, HEAD[: rng.randrange(len(HEAD))]) for _ in range(count)
        ]
        bad, end = 0, time.monotonic() + 3
        while time.monotonic() < end:
            bad += not healthy(one.port)
            for client in clients[::10]:
                with contextlib.suppress(OSError):
                    client.send(b"x")
            time.sleep(0.2)
        still = sum(not is_closed(client) for client in clients)
        for client in clients:
            client.close()
        return count, bad + still


def slow_bodies(count: int, rng: random.Random, model: str):
    """Bodies of 1.9 MB that lack a byte: answered or closed in time, at most 64 MB of
    them held (twice, while they are joined), and the service healthy meanwhile.
    """
    with service(model, body=3) as one:
        resident = psutil.Process(one.process.pid).memory_info
        before, size = resident().rss, 1_900_000
        length = f"Content-Length: {size}\r\n\r\n".encode()
        part = HEAD + length + b" " * (size - 1)
        with ThreadPoolExecutor(16) as pool:
            clients = list(pool.map(lambda _: opened(one.port, part), range(count)))
        bad = not healthy(one.port)
        bad += resident().rss - before > 200e6
        time.sleep(4)
        still = sum(not is_closed(client) for client in clients)
        for client in clients:
            client.close()
        return count, int(bad) + still


def few_handles(count: int, rng: random.Random, model: str):
    """More connections than the process may have handles: /health goes on, and the log
    stays short.
    """
    with service(model, handles=256) as one:
        clients, bad, count = [], 0, max(count, 300)
        for number in range(count):
            clients.append(opened(one.port, HEAD[:20]))
            if number % 20 == 0:
                bad += not healthy(one.port)
        bad += not healthy(one.port)
        bad += Path(f"{one.log}.stderr").stat().st_size > 100_000
        for client in clients:
            client.close()
        return count, bad


def stops(count: int, rng: random.Random, model: str):
    """SIGTERM while 30 requests wait: each is answered, or told 503."""
    bad = trials = 0
    for _ in range(count):
        with (
            service(model, seconds=0.3, stop=2) as one,
            ThreadPoolExecutor(30) as pool,
        ):
            texts = ["what a long story " * 500] * (5 if model == "toy" else 20)
            waiting = []
            for i in range(30):
                body = json.dumps({"query": f"query {i}", "documents": texts}).encode()
                waiting.append(pool.submit(request, one.port, "POST", "/rerank", body))
            until_waiting(one.port, 30)
            os.kill(one.process.pid, signal.SIGTERM)
            found = Counter()
            for one_answer in waiting:
                try:
                    found[one_answer.result()[0]] += 1
                except OSError:
                    found["lost"] += 1
            trials, bad = trials + 30, bad + 30 - found[200] - found[503]
            print(f"  stopped with 30 waiting: {dict(found)}", file=sys.stderr)
    return trials, bad


def fuzz(count: int, rng: random.Random, model: str):
    """Bodies that are not what they should be: never a 5xx."""
    with service(model) as one:
        bad = 0
        for _ in range(count):
            try:
                bad += request(one.port, "POST", "/rerank", malformed(rng))[0] >= 500
            except OSError:
                bad += 1
        return count, bad


def memory(count: int, rng: random.Random, model: str):
    """Memory after many requests is that after a few, but for 10 %."""
    with service(model) as one:
        process = psutil.Process(one.process.pid)
        connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60)
        for number in range(count):
            if number == min(count // 2, 200):
                before = process.memory_info().rss
            texts = [f"{rng.random()} of a story" for _ in range(rng.randrange(1, 6))]
            body = json.dumps({"query": f"query {number}", "documents": texts})
            connection.request(
                "POST", "/rerank", body, {"Content-Type": "application/json"}
            )
            connection.getresponse().read()
        connection.close()
        grown = process.memory_info().rss / before - 1
        print(f"  memory: {100 * grown:+.1f} % over {count} requests", file=sys.stderr)
        return count, int(grown > 0.1)
