"""Three ways to write an answer from packed passages: a served language model, a small
one inside, or none at all (lesson 13).

A generator is called with a question and passages and returns text; `.name` says who
wrote it. `default_generator` takes the first that is there: an OpenAI-compatible
address (QRR_LLM_URL), the embedded SmolLM2-135M-Instruct, the extractive fallback.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Sequence

from qrr_lib.embed.models import ModelNotFoundError
from qrr_lib.files import say
from qrr_lib.serve.prompt import chat
from qrr_lib.serve.small_model import SmallModel


class ServedModel:
    """Any server with OpenAI's `/chat/completions`; the key is read from QRR_LLM_KEY
    and goes nowhere else.
    """

    def __init__(
        self,
        url: str,
        model: str = "default",
        max_new_tokens: int = 200,
        timeout: float = 60,
    ):
        self.url = url.rstrip("/")
        self.model = model
        self.max_new_tokens = max_new_tokens
        self.timeout = timeout
        self.name = f"{model} at {url}"

    def __call__(self, question: str, passages: Sequence) -> str:
        body = {
            "model": self.model,
            "messages": chat(question, passages),
            "temperature": 0,
            "max_tokens": self.max_new_tokens,
        }
        headers = {"Content-Type": "application/json"}
        if os.environ.get("QRR_LLM_KEY"):
            headers["Authorization"] = f"Bearer {os.environ['QRR_LLM_KEY']}"
        request = urllib.request.Request(
            f"{self.url}/chat/completions", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:
            return json.load(answer)["choices"][0]["message"]["content"].strip()


class Extractive:
    """No language model: the sentences of the passages that are most like the question,
    word for word, in the passages' order.

    `score(question, sentences)` gives one number per sentence, larger for a better
    match.
    """

    name = "extractive"

    def __init__(
        self, score: Callable[[str, list[str]], Sequence[float]], sentences: int = 2
    ):
        self.score, self.sentences = score, sentences

    def __call__(self, question: str, passages: Sequence) -> str:
        from qrr_lib.serve.passages import split_sentences

        every = [s for p in passages for s in split_sentences(p.text)]
        if not every:
            return ""
        scores = self.score(question, every)
        best = sorted(range(len(every)), key=lambda i: -scores[i])[: self.sentences]
        return " ".join(every[i] for i in sorted(best))


def default_generator(score: Callable[[str, list[str]], Sequence[float]]):
    """QRR_LLM_URL (with QRR_LLM_MODEL) if set; else the embedded model if its weights
    and packages are here; else the extractive one.
    """
    if os.environ.get("QRR_LLM_URL"):
        return ServedModel(
            os.environ["QRR_LLM_URL"], os.environ.get("QRR_LLM_MODEL", "default")
        )
    try:
        return SmallModel()
    except (ModelNotFoundError, ImportError) as error:
        say(
            f"no language model here ({str(error).splitlines()[0]}): answers are taken "
            "from the passages word for word"
        )
        return Extractive(score)
