"""The service: shapes that clients know, scores that keep the order, and a calm answer
to whatever arrives.
"""

from __future__ import annotations

import http.client
import json
import random
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest
from conftest import ToyEmbedder

from qrr_lib import HybridReranker, QubitAnglePredictor, StateScorer
from qrr_lib.serve.server import running
from qrr_lib.serve.service import create_app
from qrr_lib.serve.shapes import Limits

CORPUS = {
    "a": "angles of a qubit",
    "b": "bread and butter",
    "c": "cosine of two vectors",
    "d": "a dog barks at a barge",
}
DOCUMENTS = list(CORPUS.values())


class SlowEmbedder(ToyEmbedder):
    """Waits for a sign before it embeds a query that says so."""

    def __init__(self):
        self.go, self.entered = threading.Event(), threading.Event()

    def encode(self, texts, batch_size=32, progress=None):
        if texts[0] == "wait":
            self.entered.set()
            assert self.go.wait(20)
        return super().encode(texts)


def toy_modes(embedder=None):
    embedder = embedder or ToyEmbedder()
    scorer = StateScorer(QubitAnglePredictor(26, seed=0))
    return {
        name: HybridReranker(embedder, scorer, alpha=alpha).index(CORPUS)
        for name, alpha in (("one-state", 0.5), ("cosine", 1.0))
    }


@pytest.fixture(scope="module")
def toy():
    """Address of a running toy service, and its modes."""
    modes = toy_modes()
    with running(
        create_app(
            modes,
            CORPUS,
            limits=Limits(documents=50, characters=1000, body_bytes=20_000),
        )
    ) as url:
        yield url, modes


CLIENT = httpx.Client(timeout=30, trust_env=False)


def ask(url, path="/rerank", **body):
    return CLIENT.post(url + path, json=body)


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("mode", ["one-state", "cosine"])
def test_the_documents_shape(toy, path, mode):
    url, modes = toy
    expected = modes[mode].rerank("a bad dog", DOCUMENTS)
    answer = ask(
        url,
        path,
        model=mode,
        query="a bad dog",
        documents=[DOCUMENTS[0], *({"text": d, "more": 1} for d in DOCUMENTS[1:])],
    )
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [r["index"] for r in results] == [int(d.doc_id) for d in expected]
    assert (
        all("document" not in r or r["document"] is None for r in results)
        and answer.json()["meta"]["mode"] == mode
    )
    alpha = modes[mode].alpha
    assert [r["relevance_score"] for r in results] == pytest.approx(
        [(d.score + alpha) / (1 + alpha) for d in expected]
    )
    short = ask(
        url,
        path,
        model=mode,
        query="a bad dog",
        documents=DOCUMENTS,
        top_n=2,
        return_documents=True,
    ).json()["results"]
    assert [r["document"]["text"] for r in short] == [
        DOCUMENTS[int(d.doc_id)] for d in expected[:2]
    ]


def test_the_texts_shape(toy):
    url, modes = toy
    expected = modes["one-state"].rerank("a bad dog", DOCUMENTS)
    answer = ask(
        url, query="a bad dog", texts=DOCUMENTS, raw_scores=True, return_text=True
    ).json()
    assert [(r["index"], r["text"]) for r in answer] == [
        (int(d.doc_id), DOCUMENTS[int(d.doc_id)]) for d in expected
    ]
    assert [r["score"] for r in answer] == pytest.approx([d.score for d in expected])
    mapped = ask(url, query="a bad dog", texts=DOCUMENTS).json()
    assert [r["index"] for r in mapped] == [r["index"] for r in answer] and all(
        0 <= r["score"] <= 1 for r in mapped
    )


def test_scores_keep_their_order_on_random_texts(toy, rng):
    url, modes = toy
    for _ in range(5):
        texts = [
            "".join(rng.choice(list("abcdefgh "), size=30)) + "x" for _ in range(40)
        ]
        for mode in modes:
            scores = [
                r["relevance_score"]
                for r in ask(
                    url, model=mode, query="a bad egg", documents=texts
                ).json()["results"]
            ]
            raw = [d.score for d in modes[mode].rerank("a bad egg", texts)]
            assert (
                scores == sorted(scores, reverse=True)
                and len(set(scores)) == len(set(raw))
                and 0 <= min(scores)
                and max(scores) <= 1
            )


def test_search_health_info(toy):
    url, modes = toy
    found = ask(url, "/search", query="two vectors", model="cosine", top_n=2).json()[
        "results"
    ]
    assert [r["doc_id"] for r in found] == [
        d.doc_id for d in modes["cosine"].search("two vectors", 2)
    ]
    assert (
        found[0]["text"] == CORPUS[found[0]["doc_id"]] and found[0]["first_rank"] == 1
    )
    assert httpx.get(url + "/health").json() == {"status": "ok", "waiting": 0}
    info = httpx.get(url + "/info").json()
    assert (
        list(info["modes"]) == ["one-state", "cosine"]
        and info["documents_indexed"] == 4
        and info["limits"]["documents"] == 50
    )
    assert set(httpx.get(url + "/openapi.json").json()["paths"]) == {
        "/rerank",
        "/search",
        "/health",
        "/info",
    }


def test_the_cohere_client(toy):
    import cohere

    url, modes = toy
    expected = [int(d.doc_id) for d in modes["cosine"].rerank("two vectors", DOCUMENTS)]
    second = cohere.ClientV2("no key", base_url=url).rerank(
        model="cosine", query="two vectors", documents=DOCUMENTS, top_n=3
    )
    assert [r.index for r in second.results] == expected[:3] and second.results[
        0
    ].relevance_score > second.results[1].relevance_score
    first = cohere.Client("no key", base_url=url).rerank(
        model="cosine", query="two vectors", documents=DOCUMENTS, return_documents=True
    )
    assert [r.index for r in first.results] == expected and first.results[
        0
    ].document.text == DOCUMENTS[expected[0]]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(toy):
    url, modes = toy
    body = json.dumps({"query": "two vectors", "documents": DOCUMENTS})
    done = subprocess.run(
        [
            "curl",
            "-s",
            "--noproxy",
            "*",
            url + "/rerank",
            "-H",
            "Content-Type: application/json",
            "-d",
            body,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [r["index"] for r in json.loads(done.stdout)["results"]] == [
        int(d.doc_id) for d in modes["one-state"].rerank("two vectors", DOCUMENTS)
    ]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"query": "q", "documents": ["x"] * 51}, 422, "the limit is 50"),
        (
            {"query": "q", "documents": ["x" * 1001]},
            422,
            "document 0 has 1001 characters",
        ),
        ({"query": "q" * 1001, "texts": ["x"]}, 422, "the query has 1001 characters"),
        ({"query": "q", "documents": ["x", " "]}, 422, "document 1 is empty"),
        ({"query": "", "documents": ["x"]}, 422, "the query is empty"),
        ({"query": "q", "documents": []}, 422, "documents"),
        ({"query": "q", "documents": ["x"], "top_n": 0}, 422, "top_n"),
        (
            {"query": "q", "documents": ["x"], "model": "rerank-v9"},
            404,
            "one-state, cosine",
        ),
        ({"query": 3, "documents": ["x"]}, 422, "query"),
        ({"query": "q"}, 422, "documents"),
        ({"query": "q", "documents": ["x" * 900] * 30}, 413, "larger than 20000 bytes"),
    ],
)
def test_mistakes_get_a_clear_answer(toy, body, status, says):
    answer = ask(toy[0], **body)
    assert answer.status_code == status and says in answer.text


def test_a_body_without_a_length_is_counted_as_it_arrives(toy):
    answer = httpx.post(toy[0] + "/rerank", content=(b"x" * 1000 for _ in range(100)))
    assert answer.status_code == 413


def test_the_token_and_the_host():
    with running(
        create_app(toy_modes(), CORPUS, token="sesam öffne", hosts=("127.0.0.1",))
    ) as url:
        body = {"query": "dog", "documents": DOCUMENTS}
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer sesam"},
            {"Authorization": "sesam öffne".encode()},
        ):
            assert (
                httpx.post(url + "/rerank", json=body, headers=headers).status_code
                == 401
            )
        assert (
            httpx.get(url + "/info").status_code == 401
            and httpx.get(url + "/health").status_code == 200
        )
        right = {"Authorization": "Bearer sesam öffne".encode()}
        assert httpx.post(url + "/rerank", json=body, headers=right).status_code == 200
        assert (
            httpx.post(
                url + "/rerank", json=body, headers={**right, "Host": "evil.example"}
            ).status_code
            == 400
        )


def test_other_web_sites_get_no_permission(toy):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(toy[0] + "/rerank", headers=asked)
    assert (
        preflight.status_code == 405
        and "access-control-allow-origin" not in preflight.headers
    )


def test_beyond_the_limit_429_and_the_loop_stays_free():
    embedder = SlowEmbedder()
    with (
        running(
            create_app(toy_modes(embedder), CORPUS, limits=Limits(waiting=3))
        ) as url,
        ThreadPoolExecutor(3) as pool,
    ):
        waiting = [
            pool.submit(ask, url, query="wait", documents=DOCUMENTS) for _ in range(3)
        ]
        assert embedder.entered.wait(10)
        # answered while the worker is held up
        while httpx.get(url + "/health").json()["waiting"] < 3:
            time.sleep(0.01)
        refused = ask(url, query="dog", documents=DOCUMENTS)
        assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
        embedder.go.set()
        assert [w.result().status_code for w in waiting] == [200, 200, 200]
        assert ask(url, query="dog", documents=DOCUMENTS).status_code == 200


def test_stopping_finishes_what_was_begun():
    embedder = SlowEmbedder()
    with ThreadPoolExecutor(1) as pool:
        with running(create_app(toy_modes(embedder), CORPUS)) as url:
            begun = pool.submit(ask, url, query="wait", documents=DOCUMENTS)
            assert embedder.entered.wait(10)
            threading.Timer(0.5, embedder.go.set).start()
        assert begun.result().status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(url + "/health")


def test_answers_are_not_crossed(toy):
    url, modes = toy

    def one(seed):
        rng = np.random.default_rng(seed)
        texts = [
            f"{seed} " + "".join(rng.choice(list("abcdefgh"), size=12))
            for _ in range(rng.integers(1, 20))
        ]
        results = ask(
            url,
            model="cosine",
            query="a bad egg",
            documents=texts,
            return_documents=True,
        ).json()["results"]
        assert sorted(r["index"] for r in results) == list(range(len(texts)))
        assert all(r["document"]["text"] == texts[r["index"]] for r in results)
        return [r["index"] for r in results] == [
            int(d.doc_id) for d in modes["cosine"].rerank("a bad egg", texts)
        ]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(120)))


def malformed(rng: random.Random) -> bytes:
    """A body that is not what it should be: deep, huge, wrong-typed, cut off, not
    UTF-8, not JSON.
    """
    good = json.dumps({"query": "dog", "documents": DOCUMENTS, "top_n": 2}).encode()
    values = [
        None,
        True,
        -1,
        1e400,
        1.5,
        "",
        " ",
        [],
        {},
        [[]],
        [None],
        {"text": None},
        ["x", 3],
        [{"text": 1}],
        float("nan"),
        "\ud800",
        10**400,
    ]
    kind = rng.randrange(10)
    if kind == 0:
        return b"[" * rng.randrange(1, 9000)
    if kind == 1:
        depth = rng.randrange(20, 3000)
        return b'{"query": "dog", "documents": ' + b"[" * depth + b"]" * depth + b"}"
    if kind == 2:
        return (
            b'{"query": "dog", "documents": ["'
            + b"x" * rng.randrange(20_001, 60_000)
            + b'"]}'
        )
    if kind == 3:
        return good[: rng.randrange(len(good))]
    if kind == 4:
        return good.replace(b"dog", bytes([0xFF, 0xC3, 0x28]))
    if kind == 5:
        return rng.randbytes(rng.randrange(200))
    if kind == 6:
        return json.dumps(rng.choice(values)).encode()
    if kind == 7:
        return json.dumps(
            {"query": rng.choice(values[:15]), "texts": DOCUMENTS}
        ).encode()
    if kind == 8:
        return json.dumps({"query": "dog", "documents": rng.choice(values)}).encode()
    return json.dumps(
        {
            "query": "dog",
            "documents": DOCUMENTS,
            "top_n": rng.choice([-1, 0, 1.5, "x", [], {}, float("nan"), float("inf")]),
        }
    ).encode()


def test_a_thousand_malformed_bodies(toy):
    address = urlsplit(toy[0]).netloc
    rng, process, statuses, before = random.Random(0), psutil.Process(), {}, 0
    connection = http.client.HTTPConnection(address, timeout=20)
    for i in range(1000):
        body, path = malformed(rng), rng.choice(["/rerank", "/v2/rerank", "/search"])
        if path == "/search":  # for which "documents" is merely a field too many
            body = body.replace(b'"query"', b'"quarry"')
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        assert 400 <= answer.status < 500, (answer.status, body[:100])
        json.loads(said)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        if i == 300:
            before = process.memory_info().rss
        if answer.will_close:
            connection.close()
    # flat: the last 700 left nothing behind
    assert process.memory_info().rss - before < 20e6
    assert set(statuses) <= {400, 413, 422} and len(statuses) == 3, statuses
    assert ask(toy[0], query="dog", documents=DOCUMENTS).status_code == 200


def test_a_hang_up_in_mid_body_is_survived(toy):
    connection = http.client.HTTPConnection(urlsplit(toy[0]).netloc, timeout=5)
    connection.putrequest("POST", "/rerank")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b'{"query": ')
    connection.close()
    assert ask(toy[0], query="dog", documents=DOCUMENTS).status_code == 200


def test_schemathesis_finds_no_server_error():
    """Generated requests, valid and not, against the OpenAPI document: no 5xx, and
    every answer has the shape that is promised.
    """
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        response_schema_conformance,
        status_code_conformance,
    )

    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", create_app(toy_modes(), CORPUS)
    )
    operations, calls = [o.ok() for o in schema.get_all_operations()], 0
    assert {o.path for o in operations} == {"/rerank", "/search", "/health", "/info"}
    for operation in operations:
        for generation in (
            schemathesis.GenerationMode.POSITIVE,
            schemathesis.GenerationMode.NEGATIVE,
        ):
            if (
                generation == schemathesis.GenerationMode.NEGATIVE
                and operation.method == "get"
            ):
                continue  # nothing to get wrong

            @given(case=operation.as_strategy(generation_mode=generation))
            @settings(
                max_examples=10,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def run(case):
                nonlocal calls
                calls += 1
                case.call_and_validate(
                    checks=[
                        not_a_server_error,
                        response_schema_conformance,
                        status_code_conformance,
                    ]
                )

            run()
    assert calls >= 40
