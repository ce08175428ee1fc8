"""The service: shapes that clients know, scores that keep the order, and a calm answer
to whatever arrives.
"""

import http.client
import json
import random
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest
from conftest import ToyEmbedder

from qrr_lib import QubitAnglePredictor, Reranker, Scorer
from qrr_lib.serve.server import hosts_of, running, token_for
from qrr_lib.serve.service import create_app
from qrr_lib.serve.shapes import Limits

CORPUS = {
    "a": "angles of a qubit",
    "b": "bread and butter",
    "c": "cosine of two vectors",
    "d": "a dog barks at a barge",
}
DOCUMENTS = list(CORPUS.values())
DOG = {"query": "dog", "documents": DOCUMENTS}
CLIENT = httpx.Client(timeout=30, trust_env=False)


class SlowEmbedder(ToyEmbedder):
    """Waits for a sign before it embeds a query that says so."""

    def __init__(self):
        self.go, self.entered = threading.Event(), threading.Event()
        self.calls = 0

    def encode(self, texts, batch_size=32, progress=None):
        self.calls += 1
        if texts[0] == "wait":
            self.entered.set()
            assert self.go.wait(20)
        return super().encode(texts)


def toy_modes(embedder=None):
    embedder, scorer = embedder or ToyEmbedder(), Scorer(QubitAnglePredictor(26))
    alphas = {"one-state": 0.5, "cosine": 1.0}
    return {
        name: Reranker(embedder, scorer, alpha=alpha).index(CORPUS)
        for name, alpha in alphas.items()
    }


@pytest.fixture(scope="module")
def toy():
    """Address of a running toy service, and its modes."""
    modes = toy_modes()
    limits = Limits(documents=50, characters=1000, body_bytes=20_000)
    with running(create_app(modes, CORPUS, limits=limits)) as url:
        yield url, modes


def ask(url, path="/rerank", **body):
    return CLIENT.post(url + path, json=body)


def results(url, path="/rerank", **body):
    answer = ask(url, path, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def indices(found):
    return [one["index"] for one in found]


def expected(mode, query, documents=DOCUMENTS):
    """(order, mixed scores) of the reranker itself."""
    ranked = mode.rank(query, documents)
    return [one["corpus_id"] for one in ranked], [one["score"] for one in ranked]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("name", ["one-state", "cosine"])
def test_the_documents_shape(toy, path, name):
    url, modes = toy
    order, scores = expected(modes[name], "a bad dog")
    objects = [DOCUMENTS[0], *({"text": d, "more": 1} for d in DOCUMENTS[1:])]
    answer = ask(url, path, model=name, query="a bad dog", documents=objects).json()
    found, alpha = answer["results"], modes[name].alpha
    assert indices(found) == order and answer["meta"]["mode"] == name
    assert all("document" not in one for one in found)
    mapped = [(x + alpha) / (1 + alpha) for x in scores]
    assert [one["relevance_score"] for one in found] == pytest.approx(mapped)
    asked = {"query": "a bad dog", "documents": DOCUMENTS, "model": name}
    short = results(url, path, top_n=2, return_documents=True, **asked)
    assert [one["document"]["text"] for one in short] == [
        DOCUMENTS[i] for i in order[:2]
    ]


def test_the_texts_shape(toy):
    url, modes = toy
    order, scores = expected(modes["one-state"], "a bad dog")
    asked = {"query": "a bad dog", "texts": DOCUMENTS}
    answer = ask(url, raw_scores=True, return_text=True, **asked).json()
    assert indices(answer) == order
    assert [one["text"] for one in answer] == [DOCUMENTS[i] for i in order]
    assert [one["score"] for one in answer] == pytest.approx(scores)
    mapped = ask(url, **asked).json()
    assert indices(mapped) == order and all(0 <= one["score"] <= 1 for one in mapped)


def test_scores_keep_their_order_on_random_texts(toy, rng):
    url, modes = toy
    for _ in range(5):
        letters = rng.choice(list("abcdefgh "), size=(40, 30))
        texts = ["".join(row) + "x" for row in letters]
        for name, mode in modes.items():
            _, raw = expected(mode, "a bad egg", texts)
            found = results(url, model=name, query="a bad egg", documents=texts)
            scores = [one["relevance_score"] for one in found]
            assert scores == sorted(scores, reverse=True)
            assert len(set(scores)) == len(set(raw))
            assert 0 <= min(scores) and max(scores) <= 1


def test_search_health_info(toy):
    url, modes = toy
    found = results(url, "/search", query="two vectors", model="cosine", top_n=2)
    wanted = [doc.doc_id for doc in modes["cosine"].search("two vectors", 2)]
    assert [one["doc_id"] for one in found] == wanted
    assert found[0]["text"] == CORPUS[wanted[0]] and found[0]["first_rank"] == 1
    assert httpx.get(url + "/health").json() == {"status": "ok", "waiting": 0}
    assert httpx.head(url + "/health").status_code == 200
    info = httpx.get(url + "/info").json()
    assert list(info["modes"]) == list(modes) and info["documents_indexed"] == 4
    assert info["limits"] == {
        "documents": 50,
        "characters": 1000,
        "body_bytes": 20_000,
        "waiting": 32,
    }


def test_the_cohere_client(toy):
    import cohere

    url, modes = toy
    order, _ = expected(modes["cosine"], "two vectors")
    asked = {"model": "cosine", "query": "two vectors", "documents": DOCUMENTS}
    second = cohere.ClientV2("no key", base_url=url).rerank(top_n=3, **asked).results
    assert [one.index for one in second] == order[:3]
    assert second[0].relevance_score > second[1].relevance_score
    client = cohere.Client("no key", base_url=url)
    first = client.rerank(return_documents=True, **asked).results
    assert [one.index for one in first] == order
    assert first[0].document.text == DOCUMENTS[order[0]]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(toy):
    url, modes = toy
    kind = "Content-Type: application/json"
    command = ["curl", "-s", "--noproxy", "*", url + "/rerank", "-H", kind, "-d"]
    done = subprocess.run([*command, json.dumps(DOG)], capture_output=True, check=True)
    order, _ = expected(modes["one-state"], "dog")
    assert indices(json.loads(done.stdout)["results"]) == order


REFUSALS = [
    ({"query": "q", "documents": ["x"] * 51}, 422, "the limit is 50"),
    ({"query": "q", "documents": ["x" * 1001]}, 422, "document 0 has 1001 characters"),
    ({"query": "q" * 1001, "texts": ["x"]}, 422, "the query has 1001 characters"),
    ({"query": "q", "documents": ["", " "]}, 422, "all documents are empty"),
    ({"query": "", "documents": ["x"]}, 422, "the query is empty"),
    ({"query": "q", "documents": []}, 422, "documents"),
    ({"query": "q", "documents": ["x"], "top_n": 0}, 422, "top_n"),
    ({"query": 3, "documents": ["x"]}, 422, "query"),
    ({"query": "q"}, 422, "documents"),
    ({"query": "q", "documents": ["x" * 900] * 30}, 413, "larger than 20000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "says"), REFUSALS)
def test_mistakes_get_a_clear_answer(toy, body, status, says):
    answer = ask(toy[0], **body)
    assert answer.status_code == status and says in str(answer.json()["detail"])


def test_without_a_corpus_there_is_nothing_to_search():
    with running(create_app(toy_modes())) as url:
        answer = ask(url, "/search", query="dog")
        assert answer.status_code == 404 and "has no corpus" in answer.text


def test_a_body_without_a_length_is_counted_as_it_arrives(toy):
    answer = httpx.post(toy[0] + "/rerank", content=(b"x" * 1000 for _ in range(100)))
    assert answer.status_code == 413


def test_the_token_and_the_host():
    app = create_app(toy_modes(), CORPUS, token="sesam öffne", hosts=("127.0.0.1",))
    with running(app) as url:

        def status(authorization=b"", path="/rerank", **headers):
            headers["Authorization"] = authorization
            return CLIENT.post(url + path, json=DOG, headers=headers).status_code

        right = "Bearer sesam öffne".encode()
        for wrong in (b"", b"Bearer", b"Bearer sesam", right[:-1], right + b"x"):
            assert status(wrong) == 401
        assert status(right) == 200
        assert status(right, Host="evil.example") == 400
        assert CLIENT.get(url + "/info").status_code == 401
        assert CLIENT.get(url + "/health").status_code == 200


ACCESS = {
    "0.0.0.0": ("", "everyone who reaches 0.0.0.0.*set QRR_TOKEN"),
    "::": ("", "everyone who reaches ::"),
    "10.1.2.3": ("secret\n", "QRR_TOKEN has a line break"),
    "localhost": ("\udcff", "bytes that are not UTF-8"),
}


@pytest.mark.parametrize("host", ACCESS)
def test_who_may_reach_it_is_decided_before_it_starts(host, monkeypatch):
    token, words = ACCESS[host]
    monkeypatch.setattr("qrr_lib.serve.server.secret", lambda name: token)
    with pytest.raises(ValueError, match=words):
        token_for(host)
    monkeypatch.setattr("qrr_lib.serve.server.secret", lambda name: "sesam öffne")
    assert token_for(host) == "sesam öffne"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_this_machine_alone_needs_no_token(host):
    assert token_for(host) is None and "localhost" in hosts_of(host)


def test_the_newer_address_of_this_machine():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with running(create_app(toy_modes(), hosts=hosts_of("::1")), "::1") as url:
        assert url.startswith("http://[::1]:") and ask(url, **DOG).status_code == 200


def test_what_waits_together_is_computed_together_and_answered_apart():
    embedder = SlowEmbedder()
    modes = toy_modes(embedder)
    with running(create_app(modes, CORPUS)) as url, ThreadPoolExecutor(6) as pool:
        first = pool.submit(ask, url, **DOG | {"query": "wait"})
        assert embedder.entered.wait(10)
        bodies = [
            {"query": f"a bad egg {i}", "documents": DOCUMENTS[i:] + ["dog"] * i}
            for i in range(4)
        ]
        # halves of a character, and nothing: each is refused alone
        bodies.append({"query": "\u200b", "documents": [" "]})
        asked = [pool.submit(ask, url, **body) for body in bodies]
        while httpx.get(url + "/health").json()["waiting"] < 5:
            time.sleep(0.01)
        calls = embedder.calls
        embedder.go.set()
        assert first.result().status_code == 200
        for body, answer in zip(bodies[:4], asked):
            order, _ = expected(modes["one-state"], body["query"], body["documents"])
            assert indices(answer.result().json()["results"]) == order
        assert asked[4].result().status_code == 422
        # four requests in one pass; each of the four `expected` is one more
        assert embedder.calls == calls + 1 + 4


def test_who_leaves_is_not_computed():
    embedder = SlowEmbedder()
    with running(create_app(toy_modes(embedder))) as url, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, url, **DOG | {"query": "wait"})
        assert embedder.entered.wait(10)
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(url + "/rerank", json=DOG, timeout=0.2)
        while httpx.get(url + "/health").json()["waiting"] > 1:
            time.sleep(0.01)
        calls = embedder.calls
        embedder.go.set()
        assert first.result().status_code == 200 and embedder.calls == calls


def test_other_web_sites_get_no_permission(toy):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(toy[0] + "/rerank", headers=asked)
    assert preflight.status_code == 405
    assert "access-control-allow-origin" not in preflight.headers


def test_beyond_the_limit_429_and_the_loop_stays_free():
    embedder = SlowEmbedder()
    app = create_app(toy_modes(embedder), CORPUS, limits=Limits(waiting=3))
    with running(app) as url, ThreadPoolExecutor(3) as pool:
        slow = DOG | {"query": "wait"}
        waiting = [pool.submit(ask, url, **slow) for _ in range(3)]
        assert embedder.entered.wait(10)
        # answered while the worker is held up
        while httpx.get(url + "/health").json()["waiting"] < 3:
            time.sleep(0.01)
        refused = ask(url, **DOG)
        assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
        embedder.go.set()
        assert [w.result().status_code for w in waiting] == [200, 200, 200]
        assert ask(url, **DOG).status_code == 200


def test_stopping_finishes_what_was_begun():
    embedder = SlowEmbedder()
    with ThreadPoolExecutor(1) as pool:
        with running(create_app(toy_modes(embedder), CORPUS)) as url:
            begun = pool.submit(ask, url, query="wait", documents=DOCUMENTS)
            assert embedder.entered.wait(10)
            threading.Timer(0.5, embedder.go.set).start()
        answer = begun.result()
        assert answer.status_code == 200
        assert answer.headers["Connection"] == "close"  # nothing more is sent on it
        with pytest.raises(httpx.ConnectError):
            httpx.get(url + "/health")


def test_whoever_came_first_is_answered_first(monkeypatch):
    monkeypatch.setattr("qrr_lib.serve.turns.TOGETHER", 500)
    embedder = SlowEmbedder()
    with running(create_app(toy_modes(embedder))) as url, ThreadPoolExecutor(8) as pool:
        done, asked = [], []
        asked.append(pool.submit(ask, url, **DOG | {"query": "wait"}))
        assert embedder.entered.wait(10)
        for waiting, long in enumerate([1, 5, 1, 1, 1, 1, 1], 2):
            body = {"query": "a dog", "documents": ["a dog barks " * long] * 5}
            asked.append(pool.submit(ask, url, **body))
            asked[-1].add_done_callback(lambda _, long=long: done.append(long))
            while httpx.get(url + "/health").json()["waiting"] < waiting:
                time.sleep(0.01)
        calls = embedder.calls
        embedder.go.set()
        assert {one.result().status_code for one in asked} == {200}
        # 500 characters are the long one's and three short ones'; then three more
        assert embedder.calls == calls + 2 and 5 in done[:5]


def test_answers_are_not_crossed(toy):
    url, modes = toy

    def one(seed):
        rng = np.random.default_rng(seed)
        letters = rng.choice(list("abcdefgh"), size=(rng.integers(1, 20), 12))
        texts = [f"{seed} " + "".join(row) for row in letters]
        asked = {"model": "cosine", "query": "a bad egg", "documents": texts}
        found = results(url, return_documents=True, **asked)
        assert all(one["document"]["text"] == texts[one["index"]] for one in found)
        order, _ = expected(modes["cosine"], "a bad egg", texts)
        assert indices(found) == order

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(120)))


VALUES = (  # the last two would be right as a query
    'null|true|-1|Infinity|1.5|""|" "|[]|{}|[[]]|[null]|{"text": null}|["x", 3]|'
    '[{"text": 1}]|NaN|"\\ud800"|1' + 400 * "0"
).split("|")


def malformed(rng: random.Random) -> bytes:
    """A body that is not what it should be: deep, huge, wrong-typed, cut off, not
    UTF-8, not JSON.
    """
    good, start = json.dumps(DOG | {"top_n": 2}), '{"query": "dog", "documents": '
    deep, size = rng.randrange(20, 3000), rng.randrange(20_001, 60_000)
    number = rng.choice(["-1", "0", "1.5", '"x"', "[]", "{}", "NaN", "Infinity"])
    texts = json.dumps(DOCUMENTS)
    kinds = [
        "[" * rng.randrange(1, 9000),
        start + "[" * deep + "]" * deep + "}",
        start + '["' + "x" * size + '"]}',
        good[: rng.randrange(len(good))],
        good.encode().replace(b"dog", bytes([0xFF, 0xC3, 0x28])),
        rng.randbytes(rng.randrange(200)),
        rng.choice(VALUES),
        f'{{"query": {rng.choice(VALUES[:-2])}, "texts": {texts}}}',
        start + rng.choice(VALUES) + "}",
        start + texts + f', "top_n": {number}}}',
    ]
    body = rng.choice(kinds)
    return body if isinstance(body, bytes) else body.encode()


def test_a_thousand_malformed_bodies(toy):
    connection = http.client.HTTPConnection(urlsplit(toy[0]).netloc, timeout=20)
    rng, process, statuses, before = random.Random(0), psutil.Process(), Counter(), 0
    for i in range(1000):
        body, path = malformed(rng), rng.choice(["/rerank", "/v2/rerank", "/search"])
        if path == "/search":  # for which "documents" is merely a field too many
            body = body.replace(b'"query"', b'"quarry"')
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        json.loads(answer.read())
        statuses[answer.status] += 1
        if i == 300:
            before = process.memory_info().rss
        if answer.will_close:
            connection.close()
    # flat: the last 700 left nothing behind
    assert process.memory_info().rss - before < 20e6
    assert set(statuses) == {400, 413, 422}, statuses
    assert ask(toy[0], **DOG).status_code == 200


def test_a_hang_up_in_mid_body_is_survived(toy):
    connection = http.client.HTTPConnection(urlsplit(toy[0]).netloc, timeout=5)
    connection.putrequest("POST", "/rerank")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b'{"query": ')
    connection.close()
    assert ask(toy[0], **DOG).status_code == 200


def test_schemathesis_finds_no_server_error():
    """Generated requests, valid and not, against the OpenAPI document: no 5xx, and
    every answer has the shape that is promised.
    """
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    embedder = ToyEmbedder()
    pieces = SimpleNamespace(max_seq_length=9, tokenizer=lambda t: {"input_ids": t})
    embedder.model = pieces  # asked for where "truncate" is false
    app, calls = create_app(toy_modes(embedder), CORPUS), 0
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [o.ok() for o in schema.get_all_operations()]
    asked = {"/rerank", "/infinity/rerank", "/search", "/health", "/info", "/v1/models"}
    assert {o.path for o in operations} == asked
    promised = [checks.response_schema_conformance, checks.status_code_conformance]
    quick = {"max_examples": 10, "deadline": None, "derandomize": True}
    plain = {"database": None, "phases": [Phase.generate]}
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            if mode.is_negative and operation.method == "get":
                continue  # nothing to get wrong

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(suppress_health_check=list(HealthCheck), **quick, **plain)
            def run(case):
                nonlocal calls
                calls += 1
                case.call_and_validate(checks=[not_a_server_error, *promised])

            run()
    assert calls >= 40
