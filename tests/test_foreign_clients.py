"""Clients of other services, pointed at ours: what each sends, and what it reads from
the answer. Requests follow the source that is named; those of Open WebUI, Dify, Voyage,
LlamaIndex's Jina, LangChain's and Haystack's Cohere, `rerankers` and LiteLLM's Hugging
Face follow what is known of them and were not checked against a release. Where a client
can be installed beside the course it also runs (cohere: test_service.py).
"""

import socket

import httpx
import pytest
from test_service import CLIENT, CORPUS, DOCUMENTS, toy_modes

from qrr_lib.serve.server import running
from qrr_lib.serve.service import create_app

KEY = "sesame"
BEARER = {"Authorization": f"Bearer {KEY}"}
ASKED = {"query": "a bad dog", "documents": DOCUMENTS}
TEXTS = {"query": "a bad dog", "texts": DOCUMENTS}
OWN = {"model": "rerank-v3.5", **ASKED}


@pytest.fixture(scope="module")
def service():
    """Address of a toy service that wants a token, and the order it should give."""
    modes = toy_modes()
    ranked = modes["one-state"].rank("a bad dog", DOCUMENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QRR_CORS_ORIGINS", "https://ours.example")
        app = create_app(modes, CORPUS, token=KEY)
    with running(app) as url:
        yield url, [one["corpus_id"] for one in ranked]


def by_index(answer):
    return [(one["index"], one["relevance_score"]) for one in answer["results"]]


def cohere(answer):
    return [answer["id"] and answer["meta"] and one for one in by_index(answer)]


def jina_haystack(answer):
    assert answer["model"] and answer["usage"]["total_tokens"] > 0
    return by_index(answer)


def infinity(answer):
    """`ReRankResult.from_dict`: these are popped, the rest is optional."""
    usage = answer["usage"]
    assert answer["model"] and usage["prompt_tokens"] <= usage["total_tokens"]
    assert answer.get("object", "rerank") == "rerank"
    assert all(isinstance(one.get("document", ""), str) for one in answer["results"])
    return by_index(answer)


def litellm_infinity(answer):
    assert [one["document"] for one in answer["results"]] == [
        DOCUMENTS[one["index"]] for one in answer["results"]
    ]
    return by_index(answer)


def litellm_vllm(answer):
    for one in answer["results"]:
        assert one.get("document", {}).get("text", "") == DOCUMENTS[one["index"]]
    return by_index(answer)


def open_webui(answer):
    """Sorts by index, takes every score, and sorts its own documents by them."""
    scores = [s for _, s in sorted(by_index(answer))]
    assert len(scores) == len(DOCUMENTS)
    return sorted(enumerate(scores), key=lambda pair: -pair[1])


def dify(answer):
    """A document may be an object or a text; scores are stretched to 0 … 1."""
    for one in answer["results"]:
        document = one.get("document", {})
        text = document["text"] if isinstance(document, dict) else document
        assert text == DOCUMENTS[one["index"]]
    return by_index(answer)


def tei(answer):
    return [(one["index"], one["score"]) for one in answer]


SHOWN = {"return_documents": True}
CLIENTS = {  # client: (path, headers, body, what it reads); source
    # cohere/client.py and client_v2.py, cohere 7.3
    "cohere v1": ("/v1/rerank", BEARER, OWN | {"top_n": None}, cohere),
    "cohere v2": ("/v2/rerank", BEARER, OWN | {"max_tokens_per_doc": 4096}, cohere),
    # langchain_cohere/rerank.py and haystack's cohere/ranker.py call cohere's clients
    # with model, query, documents, top_n and (v1) max_chunks_per_doc
    "LangChain's and Haystack's Cohere": (
        "/v1/rerank",
        BEARER,
        OWN | {"top_n": 4, "max_chunks_per_doc": None},
        cohere,
    ),
    # haystack_integrations/components/rankers/jina/ranker.py, jina-haystack 2.0.1
    "Haystack's Jina": (
        "/v1/rerank",
        BEARER,
        ASKED | {"model": "jina-reranker-v1-base-en", "top_n": 4},
        jina_haystack,
    ),
    # llama_index/postprocessor/jinaai_rerank/base.py
    "LlamaIndex's Jina": (
        "/v1/rerank",
        BEARER,
        ASKED | {"model": "jina-reranker-v1-base-en", "top_n": 4},
        by_index,
    ),
    # infinity_client/api/default/rerank.py and models/re_rank_result.py, 0.0.78;
    # langchain_community/document_compressors/infinity_rerank.py 0.4.2 calls it
    "infinity_client, LangChain's Infinity": (
        "/rerank",
        BEARER,
        ASKED | {"model": "BAAI/bge-reranker-base"},
        infinity,
    ),
    "infinity_client that wants documents": (
        "/infinity/rerank",
        BEARER,
        ASKED | SHOWN | {"model": "BAAI/bge-reranker-base", "top_n": None},
        infinity,
    ),
    # litellm/llms/infinity/rerank/transformation.py; api_base ends in /infinity
    "LiteLLM's infinity": (
        "/infinity/rerank",
        BEARER,
        OWN | SHOWN | {"top_n": 4, "rank_fields": None, "max_chunks_per_doc": None},
        litellm_infinity,
    ),
    # litellm/llms/hosted_vllm/rerank/transformation.py
    "LiteLLM's hosted_vllm": ("/rerank", BEARER, OWN | SHOWN, litellm_vllm),
    # litellm/llms/huggingface/rerank/transformation.py
    "LiteLLM's huggingface": ("/rerank", BEARER, TEXTS | {"return_text": False}, tei),
    # litellm/llms/jina_ai/rerank/transformation.py
    "LiteLLM's jina_ai": ("/v1/rerank", BEARER, OWN | SHOWN | {"top_n": 4}, dify),
    # llama_index/postprocessor/tei_rerank/base.py 0.6: the token by itself
    "LlamaIndex's TEI": ("/rerank", {"Authorization": KEY}, TEXTS, tei),
    # tei_client/clients/http_client.py 0.2.4
    "tei-client": (
        "/rerank",
        {"authorization": f"bearer {KEY}"},
        TEXTS
        | {"return_text": False, "raw_scores": False, "truncate": True}
        | {"truncation_direction": "Right"},
        tei,
    ),
    # rerankers/models/api_rankers.py 0.10: cohere, jina and others, by one code
    "rerankers": ("/v1/rerank", BEARER, OWN | {"return_documents": False}, by_index),
    # voyageai/api_resources: top_k for top_n
    "Voyage's words": ("/v1/rerank", BEARER, OWN | {"top_k": 4}, by_index),
    # open_webui/retrieval/models/external.py
    "Open WebUI": ("/v1/rerank", BEARER, OWN | {"top_n": 4}, open_webui),
    # dify: model_runtime/model_providers/openai_api_compatible/rerank/rerank.py
    "Dify": ("/rerank", BEARER, OWN | SHOWN | {"top_n": 4}, dify),
    # any client: its default model may be empty, and every option null
    "nulls": (
        "/rerank",
        BEARER,
        ASKED | dict.fromkeys(["model", "top_n", "return_documents", "rank_fields"]),
        by_index,
    ),
    "an empty model": ("/rerank", BEARER, ASKED | {"model": ""}, by_index),
    "nulls of the other shape": (
        "/rerank",
        BEARER,
        TEXTS | dict.fromkeys(["model", "raw_scores", "return_text", "truncate"]),
        tei,
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_sends_and_reads(service, client):
    url, order = service
    path, headers, body, read = CLIENTS[client]
    answer = CLIENT.post(url + path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found = read(answer.json())
    assert [index for index, _ in found] == order
    assert "null" not in answer.text  # absent members, not null ones


def test_a_client_without_a_place_for_a_token_needs_a_service_without_one(service):
    """LlamaIndex's xinference, llama_index/postprocessor/xinference_rerank/base.py
    0.5.
    """
    url, order = service
    assert CLIENT.post(url + "/v1/rerank", json=OWN).status_code == 401
    with running(create_app(toy_modes(), CORPUS)) as url:
        answer = CLIENT.post(url + "/v1/rerank", json=OWN).json()
        assert [index for index, _ in by_index(answer)] == order


def test_what_is_asked_before(service):
    url, _ = service
    for path in ("/v1/models", "/models"):
        listed = CLIENT.get(url + path, headers=BEARER).json()
        assert [one["id"] for one in listed["data"]] == ["one-state", "cosine"]
    info = CLIENT.get(url + "/info", headers=BEARER).json()
    # tei_client/models.py: Info, all of them without a default
    assert list(info["model_type"]) == ["reranker"] and info["model_dtype"]
    needed = (
        "version sha docker_label model_id max_concurrent_requests max_input_length"
    )
    needed += " max_batch_tokens max_batch_requests max_client_batch_size"
    assert set(f"{needed} tokenization_workers".split()) <= set(info)
    assert CLIENT.head(url + "/health").status_code == 200


def test_tokens_request_ids_and_open_pages(service):
    url, _ = service
    for headers in ({}, {"x-api-key": "no"}, {"Authorization": "bearer x"}):
        assert CLIENT.post(url + "/rerank", json=ASKED, headers=headers).is_error
    for path in ("/docs", "/openapi.json", "/health"):
        assert CLIENT.get(url + path).status_code == 200
    asked = {"headers": {**BEARER, "X-Request-ID": "mine-7"}, "json": ASKED}
    answer = CLIENT.post(url + "/rerank", **asked)
    assert answer.headers["X-Request-ID"] == "mine-7"
    assert len(CLIENT.get(url + "/health").headers["X-Request-ID"]) == 36


def test_json_without_a_content_type(service):
    url, order = service
    body = httpx.Request("POST", url, json=ASKED).content
    answer = CLIENT.post(url + "/rerank", content=body, headers=BEARER)
    assert [i for i, _ in by_index(answer.json())] == order


def test_pages_of_allowed_web_sites_alone_may_ask(service):
    url, _ = service
    for site, allowed in (("https://ours.example", True), ("https://x.example", False)):
        headers = {"Origin": site, "Access-Control-Request-Method": "POST"}
        answer = CLIENT.options(url + "/rerank", headers=headers)
        assert (answer.headers.get("access-control-allow-origin") == site) is allowed


def test_another_name_of_a_model_is_said(service):
    url, _ = service
    answer = CLIENT.post(url + "/rerank", json=OWN, headers=BEARER).json()
    assert answer["model"] == "one-state"
    assert "no model 'rerank-v3.5'" in answer["meta"]["warnings"][0]
    named = CLIENT.post(url + "/rerank", json=OWN | {"model": "cosine"}, headers=BEARER)
    assert named.json()["model"] == "cosine" and "warnings" not in named.json()["meta"]


def test_documents_of_fields(service):
    url, _ = service
    objects = [{"title": text, "body": "x", "n": 1} for text in DOCUMENTS]
    plain = CLIENT.post(url + "/rerank", json=ASKED, headers=BEARER).json()
    body = ASKED | {"documents": objects, "rank_fields": ["title"]}
    named = CLIENT.post(url + "/rerank", json=body, headers=BEARER).json()
    assert by_index(named) == by_index(plain)
    refused = CLIENT.post(
        url + "/rerank", json=body | {"rank_fields": None}, headers=BEARER
    )
    assert refused.status_code == 422 and "empty" in refused.text


def test_an_empty_document_among_many_comes_last(service):
    url, order = service
    some = [DOCUMENTS[0], "", *DOCUMENTS[1:]]
    body = ASKED | {"documents": some, "return_documents": True}
    found = CLIENT.post(url + "/rerank", json=body, headers=BEARER).json()["results"]
    assert [one["index"] for one in found] == [i + (i > 0) for i in order] + [1]
    assert found[-1]["relevance_score"] == 0
    assert [one["document"]["text"] for one in found] == [
        some[o["index"]] for o in found
    ]
    raw = {"query": "a bad dog", "texts": some, "raw_scores": True}
    assert (
        CLIENT.post(url + "/rerank", json=raw, headers=BEARER).json()[-1]["index"] == 1
    )


def test_each_shape_has_its_own_default_for_documents(service):
    url, _ = service
    for model, shown in (("rerank-v3.5", False), ("jina-reranker-v2", True)):
        answer = CLIENT.post(
            url + "/rerank", json=OWN | {"model": model}, headers=BEARER
        )
        assert all(("document" in one) is shown for one in answer.json()["results"])


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_other_loopback():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    with running(create_app(toy_modes(), CORPUS), host="::1") as url:
        port = url.rsplit(":", 1)[1]
        answer = CLIENT.post(f"http://[::1]:{port}/rerank", json=ASKED)
        assert answer.status_code == 200
