"""What the commands of `qrr` do: each takes the parsed arguments, returns an exit code.

Heavy imports stand inside the functions, so that `qrr --help` answers at once.
"""

from __future__ import annotations

import functools
import importlib
import sys

from qrr_lib.files import say

MODES = {
    "tokens": "one state per token, 64 qubits each, nothing trained (lesson 09)",
    "trained": "one state per text, one qubit, head trained on the course's training "
    "queries (lesson 07)",
    "untrained": "one state per text, one qubit, head as the original recipe leaves "
    "it (lesson 06)",
}


def search(args) -> int:
    """`qrr search`."""
    collection, reranker = _course_reranker(args)
    _print_ranking(collection, reranker.search(args.query, k=args.k))
    return 0


def demo(args) -> int:
    """`qrr demo`."""
    from qrr_lib import evaluate

    collection, reranker = _course_reranker(args)
    print(f"\nQuestion: {_printable(args.query)}\n")
    _print_ranking(collection, reranker.search(args.query, k=args.k))
    print(
        f"\nfinal = {reranker.alpha:g} * cosine + {1 - reranker.alpha:g} * quantum; "
        "'before' is the rank by cosine alone.\n"
    )
    queries, qrels = collection.split("test"), collection.qrels["test"]
    print(f"nDCG@10 on the course corpus's {len(queries)} test queries:")
    rerankers = {
        mode: _reranker(collection, reranker.embedder, mode)
        for mode in ("untrained", "trained", "tokens")
    }
    alphas = {mode: one.alpha for mode, one in rerankers.items()}
    for mode, alpha in (("untrained", 1.0), *alphas.items()):
        rerankers[mode].alpha = alpha
        run = rerankers[mode].run(queries)
        value = evaluate(run, qrels, ["nDCG@10"])["nDCG@10"]
        what = "cosine alone" if alpha == 1 else f"{MODES[mode]}, alpha = {alpha:g}"
        print(f"  {value:.3f}  {what}")
    print(
        "\nLesson 06 says why the untrained head changes nothing, 08 why training it "
        "on few queries does not help, 09 what the token states buy."
    )
    return 0


def models(args) -> int:
    """`qrr models`."""
    from qrr_lib.embed import model_folder, model_spec

    spec = model_spec(args.name)
    say(f"looking for {spec.name}")
    print(f"{spec.name}: verified in {model_folder(spec.name)}")
    return 0


def check(args) -> int:
    """`qrr check`."""
    from qrr_lib.course.machine import check_machine

    return _report(check_machine())


def corpus(args) -> int:
    """`qrr corpus check`."""
    from qrr_lib import load_collection
    from qrr_lib.course.corpus import check_corpus

    return _report(check_corpus(load_collection(args.collection)))


def audit(args) -> int:
    """`qrr audit`."""
    from qrr_lib import load_collection
    from qrr_lib.learn.leaks import audit

    print(_printable(str(audit(load_collection(args.collection)))))
    return 0


def reset(args) -> int:
    """`qrr reset`."""
    from qrr_lib.course.reset import reset

    path, kept = reset(args.lesson, args.exercise)
    yours = f"your version is {kept.name}" if kept else "you had changed nothing"
    print(_printable(f"{path.name} is as it was shipped; {yours}"))
    return 0


def serve(args) -> int:
    """`qrr serve`."""
    _needs("serve.course_service", "serve").serve(args.host, args.port)
    return 0


def index(args) -> int:
    """`qrr index --engine milvus --uri ./qrr.db`."""
    from qrr_lib import TextEmbedder, load_collection

    milvus = _needs("engine.milvus", "scale")
    collection, embedder = load_collection(args.collection), TextEmbedder()
    index = milvus.MilvusIndex(embedder, _head_scorer(args, embedder), args.uri)
    index.index(collection)
    print(
        f"{len(collection.docs)} documents written; the collection in {args.uri} "
        f"holds {len(index)}"
    )
    for doc in index.search(args.query, 5) if args.query else []:
        print(f"{doc.rank}  {doc.score:.4f}  {doc.doc_id}")
    return 0


def embed(args) -> int:
    """`qrr embed --engine ray --input docs/*.jsonl --output vectors/`."""
    from qrr_lib import TextEmbedder

    done = _needs("engine.bulk", "scale").embed_files(
        args.input,
        args.output,
        functools.partial(TextEmbedder, cache=False),
        _head_scorer(args, TextEmbedder()),
        args.engine,
        args.rows,
        args.bad,
        args.workers,
        args.address,
    )
    for line in done["skipped"]:
        say(f"skipped {line}")
    print(
        f"{done['documents']} documents embedded in "
        f"{done['blocks'] - done['done_before']} blocks in {done['seconds']:.1f} s; "
        f"{done['done_before']} blocks were there already"
    )
    return 0


def _course_reranker(args):
    """The course corpus and a reranker that has indexed it."""
    from qrr_lib import TextEmbedder, load_collection

    collection, embedder = load_collection("course"), TextEmbedder()
    say(
        f"indexing {len(collection.docs)} passages of the course corpus with "
        f"{embedder.name}: {MODES[args.mode]}"
    )
    made = _reranker(collection, embedder, args.mode, args.alpha, args.backend)
    return collection, made


def _reranker(collection, embedder, mode: str, alpha=None, backend: str = "torch"):
    from qrr_lib import (
        HybridReranker,
        QubitAnglePredictor,
        QubitMap,
        StateScorer,
        TokenScorer,
    )
    from qrr_lib.encode import course_head

    if mode == "tokens":
        scorer = TokenScorer(QubitMap.shipped(embedder.name))
    elif mode == "trained":
        scorer = StateScorer(course_head(embedder.name)[0], backend=backend)
    else:
        scorer = StateScorer(QubitAnglePredictor(embedder.dim, seed=0), backend=backend)
    return HybridReranker(embedder, scorer, alpha=alpha).index(collection)


def _head_scorer(args, embedder):
    """Scorer of `--head FILE`, or else of the course's one-qubit head."""
    from qrr_lib import StateScorer
    from qrr_lib.encode import course_head, load_head

    if args.head:
        head, _ = load_head(args.head, embedder.dim)
    else:
        head, _ = course_head(embedder.name)
    one_qubit = head.circuit.n_qubits == 1
    return StateScorer(head, similarity="fidelity" if one_qubit else "local_fidelity")


def _needs(module: str, extra: str):
    """Import a module of an extra, or say in one line how to install it."""
    try:
        return importlib.import_module(f"qrr_lib.{module}")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this command needs the extra [{extra}] ({error.name} is missing): "
            f'pip install -e ".[{extra}]"'
        ) from None


def _print_ranking(collection, ranked) -> None:
    columns = ("rank", "before", "cosine", "quantum", "final")
    print("{:>4} {:>6} {:>7} {:>8} {:>7}  title".format(*columns))
    for doc in ranked:
        print(
            f"{doc.rank:>4} {doc.first_rank:>6} {doc.cosine:>7.4f} "
            f"{doc.quantum:>8.4f} {doc.score:>7.4f}  "
            f"{_printable(collection.docs[doc.doc_id].title)}"
        )


def _printable(text: str) -> str:
    """The text in characters that this console can show."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)


def _report(lines) -> int:
    print(_printable("\n".join(map(str, lines))))
    return 0 if all(line.ok for line in lines) else 1
