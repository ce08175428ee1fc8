"""The `qrr` command."""
from __future__ import annotations

import argparse
import sys

from qrr_lib._runtime import say

DEMO_QUERY = "Why does a ranking by inner product favour long vectors?"


def main(argv: list[str] | None = None) -> int:
    """Run `qrr COMMAND`; returns the exit code. Expected mistakes print one clear line and exit 2."""
    parser = argparse.ArgumentParser(prog="qrr", description="Quantum-inspired semantic reranking: the course's command line")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="answer one question and score the ranking on the course's test queries")
    search = commands.add_parser("search", help="search the course corpus")
    for command in (demo, search):
        command.add_argument("query", nargs="?" if command is demo else None, default=DEMO_QUERY if command is demo else None)
        command.add_argument("--mode", choices=list(MODES), default="tokens", help="one state per token (default), or one per text by a trained or "
                             "an untrained head")
        command.add_argument("--alpha", type=float, help="weight of cosine, 0 to 1 (default 0.2 for tokens, else 0.5)")
        command.add_argument("-k", type=int, default=8, help="how many documents to print (default 8)")
        command.add_argument("--backend", default="torch", help="torch, qiskit, pennylane or lightning (one state per text only)")
    demo.set_defaults(run=_demo)
    search.set_defaults(run=_search)
    models = commands.add_parser("models", help="fetch and verify the embedding model (QRR_MODEL, or NAME)")
    models.add_argument("name", nargs="?")
    models.set_defaults(run=_models)
    corpus = commands.add_parser("corpus", help="`qrr corpus check`: is a collection what its data sheet promises?")
    corpus.add_argument("action", choices=["check"])
    corpus.add_argument("collection", nargs="?", default="course")
    corpus.set_defaults(run=_corpus)
    audit = commands.add_parser("audit", help="what the splits of a collection share: documents that leak, near-duplicate queries")
    audit.add_argument("collection", nargs="?", default="course", help="course, a folder in BEIR layout, or a name in QRR_COLLECTIONS_DIR")
    audit.set_defaults(run=_audit)
    serve = commands.add_parser("serve", help="the reranking service over HTTP, with the course corpus (lesson 11); a token is read from QRR_TOKEN")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(run=_serve)
    index = commands.add_parser("index", help="write hybrid vectors of a collection into an engine (lesson 12)")
    embed = commands.add_parser("embed", help="embed and encode files of documents in blocks, on one machine or many (lesson 12)")
    for command in (index, embed):
        command.add_argument("--head", help="trained head to encode with (default: the course's one-qubit head)")
    index.add_argument("--engine", choices=["milvus"], default="milvus")
    index.add_argument("--uri", default="./qrr.db", help="a file for the embedded engine, or a cluster's address (default ./qrr.db)")
    index.add_argument("--collection", default="course", help="course, a folder in BEIR layout, or a name in QRR_COLLECTIONS_DIR")
    index.add_argument("--query", help="ask this afterwards and print the best five")
    index.set_defaults(run=_index)
    embed.add_argument("--engine", choices=["ray", "local"], default="ray")
    embed.add_argument("--input", nargs="+", required=True, help="JSONL or Parquet files with id, title and text")
    embed.add_argument("--output", required=True, help="folder for the blocks; the same command again goes on where it stopped")
    embed.add_argument("--rows", type=int, default=1000, help="documents a block (default 1000)")
    embed.add_argument("--bad", choices=["stop", "skip"], default="stop", help="at a malformed line")
    embed.add_argument("--workers", type=int, help="default: one for each graphics card, or else for each core")
    embed.add_argument("--address", help="of a running Ray cluster (default: start one here)")
    embed.set_defaults(run=_embed)
    restore = commands.add_parser("reset", help="put a lesson back as it was shipped; your version is kept beside it")
    restore.add_argument("lesson", help="number of the lesson, such as 05")
    restore.add_argument("--exercise", action="store_true", help="restore the exercise notebook instead")
    restore.set_defaults(run=_reset)
    commands.add_parser("check", help="is this machine ready? OK/FAIL lines that can be pasted into a bug report").set_defaults(run=_check)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, FileNotFoundError) as error:
        print(f"qrr: {error}", file=sys.stderr)
        return 2


MODES = {       # name: what it is
    "tokens": "one state per token, 64 qubits each, nothing trained (lesson 09)",
    "trained": "one state per text, one qubit, head trained on the course's training queries (lesson 07)",
    "untrained": "one state per text, one qubit, head as the original recipe leaves it (lesson 06)",
}


def _reranker(collection, embedder, mode: str, alpha: float | None = None, backend: str = "torch"):
    from qrr_lib import HybridReranker, QubitAnglePredictor, QubitMap, StateScorer, TokenScorer
    from qrr_lib.heads import course_head

    if mode == "tokens":
        scorer = TokenScorer(QubitMap.shipped(embedder.name))
    else:
        head = course_head(embedder.name)[0] if mode == "trained" else QubitAnglePredictor(embedder.dim, seed=0)
        scorer = StateScorer(head, backend=backend)
    return HybridReranker(embedder, scorer, alpha=alpha).index(collection)


def _course_reranker(args):
    from qrr_lib import TextEmbedder, load_collection

    collection, embedder = load_collection("course"), TextEmbedder()
    say(f"indexing {len(collection.docs)} passages of the course corpus with {embedder.name}: {MODES[args.mode]}")
    return collection, _reranker(collection, embedder, args.mode, args.alpha, args.backend)


def _print_ranking(collection, ranked) -> None:
    print(f"{'rank':>4} {'before':>6} {'cosine':>7} {'quantum':>8} {'final':>7}  title")
    for doc in ranked:
        print(f"{doc.rank:>4} {doc.first_rank:>6} {doc.cosine:>7.4f} {doc.quantum:>8.4f} {doc.score:>7.4f}  "
              f"{_printable(collection.docs[doc.doc_id].title)}")


def _printable(text: str) -> str:
    """The text in characters that this console can show."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)


def _search(args) -> int:
    collection, reranker = _course_reranker(args)
    _print_ranking(collection, reranker.search(args.query, k=args.k))
    return 0


def _demo(args) -> int:
    from qrr_lib import evaluate

    collection, reranker = _course_reranker(args)
    print(f"\nQuestion: {_printable(args.query)}\n")
    _print_ranking(collection, reranker.search(args.query, k=args.k))
    print(f"\nfinal = {reranker.alpha:g} * cosine + {1 - reranker.alpha:g} * quantum; 'before' is the rank by cosine alone.\n")
    queries, qrels = collection.split("test"), collection.qrels["test"]
    print(f"nDCG@10 on the course corpus's {len(queries)} test queries:")
    rerankers = {mode: _reranker(collection, reranker.embedder, mode) for mode in ("untrained", "trained", "tokens")}
    alphas = {mode: one.alpha for mode, one in rerankers.items()}
    for mode, alpha in (("untrained", 1.0), *alphas.items()):
        rerankers[mode].alpha = alpha
        value = evaluate(rerankers[mode].run(queries), qrels, ["nDCG@10"])["nDCG@10"]
        print(f"  {value:.3f}  {'cosine alone' if alpha == 1 else f'{MODES[mode]}, alpha = {alpha:g}'}")
    print("\nLesson 06 says why the untrained head changes nothing, 08 why training it on few queries does not help, 09 what the token states buy.")
    return 0


def _models(args) -> int:
    from qrr_lib.models import model_folder, model_spec

    spec = model_spec(args.name)
    say(f"looking for {spec.name}")
    print(f"{spec.name}: verified in {model_folder(spec.name)}")
    return 0


def _check(args) -> int:
    from qrr_lib.check import check_machine

    return _report(check_machine())


def _corpus(args) -> int:
    from qrr_lib import load_collection
    from qrr_lib.corpus_check import check_corpus

    return _report(check_corpus(load_collection(args.collection)))


def _audit(args) -> int:
    from qrr_lib import load_collection
    from qrr_lib.audit import audit

    print(_printable(str(audit(load_collection(args.collection)))))
    return 0


def _needs(module: str, extra: str):
    """Import a module of an extra, or say in one line how to install it."""
    import importlib

    try:
        return importlib.import_module(f"qrr_lib.{module}")
    except ModuleNotFoundError as error:
        raise ValueError(f"this command needs the extra [{extra}] ({error.name} is missing): pip install -e \".[{extra}]\"") from None


def _serve(args) -> int:
    _needs("service", "serve").serve(args.host, args.port)
    return 0


def _index(args) -> int:
    return _needs("scale", "scale").index_command(args)


def _embed(args) -> int:
    return _needs("scale", "scale").embed_command(args)


def _reset(args) -> int:
    from qrr_lib.reset import reset

    path, kept = reset(args.lesson, args.exercise)
    print(_printable(f"{path.name} is as it was shipped; " + (f"your version is {kept.name}" if kept else "you had changed nothing")))
    return 0


def _report(lines) -> int:
    print(_printable("\n".join(map(str, lines))))
    return 0 if all(line.ok for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
