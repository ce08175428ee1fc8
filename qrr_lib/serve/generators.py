"""Three ways to write an answer from packed passages: a served language model, a small
one inside, or none at all (lesson 13).

A generator is called with a question and passages and returns text; `.name` says who
wrote it. `default_generator` takes the first that is there: an OpenAI-compatible
address (QRR_LLM_URL), the embedded SmolLM2-135M-Instruct, the extractive fallback.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from qrr_lib.embed.models import ModelNotFoundError
from qrr_lib.files import is_local, say, secret, setting
from qrr_lib.rank.reranker import Reranker
from qrr_lib.serve.passages import Passage, chat, split_sentences
from qrr_lib.serve.small_model import SmallModel

ANSWER_BYTES = 1_000_000  # that a served model may send


@dataclass
class ServedModel:
    """Any server with OpenAI's `/chat/completions`; the key is read from QRR_LLM_KEY
    and goes nowhere else: a redirect is an error.

    `timeout` is in seconds: for every step, and for the whole answer once it has begun.
    ConnectionError where the server refuses, is silent, is not there, or where its
    answer is too long, too slow or another one. No proxy stands before this machine's
    own addresses.
    """

    url: str
    model: str = "default"
    max_new_tokens: int = 200
    timeout: float = 60

    @property
    def name(self) -> str:
        """Who wrote the answer."""
        return f"{self.model} at {self.url}"

    def __call__(self, question: str, passages: Sequence[Passage]) -> str:
        import httpx

        body = {
            "model": self.model,
            "messages": chat(question, passages),
            "temperature": 0,
            "max_tokens": self.max_new_tokens,
        }
        key = secret("QRR_LLM_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers["Accept-Encoding"] = "identity"  # or a little could become much
        url = self.url.rstrip("/") + "/chat/completions"
        options = {"headers": headers, "timeout": self.timeout}
        try:
            with httpx.stream(
                "POST", url, json=body, trust_env=not is_local(url), **options
            ) as answer:
                answer.raise_for_status()
                text = self._read(answer.iter_raw())
            return json.loads(text)["choices"][0]["message"]["content"].strip()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
        except (ValueError, LookupError, TypeError, AttributeError):
            why = "it sent no chat completion"
        raise ConnectionError(
            f"the language model at {self.url} did not answer ({why}): are QRR_LLM_URL "
            "and QRR_LLM_MODEL right?"
        )

    def _read(self, parts) -> bytes:
        text, end = b"", time.monotonic() + self.timeout
        for part in parts:
            text += part
            if len(text) > ANSWER_BYTES or time.monotonic() > end:
                raise ConnectionError(
                    f"the answer of {self.url} is longer than {ANSWER_BYTES:,} bytes "
                    f"or than {self.timeout:g} s: it was not read to its end"
                )
        return text


@dataclass
class Extractive:
    """No language model: the sentences of the passages that are most like the question,
    word for word, in the passages' order.

    `citer` ranks them (`make_citer`).
    """

    citer: Reranker
    sentences: int = 2
    name = "extractive"

    def __call__(self, question: str, passages: Sequence[Passage]) -> str:
        every = [s for p in passages for s in split_sentences(p.text)]
        best = self.citer.rank(question, every, self.sentences) if every else []
        return " ".join(every[i] for i in sorted(one["corpus_id"] for one in best))


def default_generator(citer: Reranker):
    """QRR_LLM_URL (with QRR_LLM_MODEL) if set; else the embedded model if its weights
    and packages are here; else the extractive one.
    """
    if url := setting("QRR_LLM_URL"):
        return ServedModel(url, setting("QRR_LLM_MODEL") or "default")
    try:
        return SmallModel()
    except (ModelNotFoundError, ImportError) as error:
        reason = str(error).splitlines()[0]
        say(
            f"no language model here ({reason}): answers are taken from the passages "
            "word for word"
        )
        return Extractive(citer)
