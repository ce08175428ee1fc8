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
        command.add_argument("--alpha", type=float, default=0.5, help="weight of cosine, 0 to 1 (default 0.5)")
        command.add_argument("-k", type=int, default=8, help="how many documents to print (default 8)")
        command.add_argument("--backend", default="torch", help="torch, qiskit, pennylane or lightning")
    demo.set_defaults(run=_demo)
    search.set_defaults(run=_search)
    models = commands.add_parser("models", help="fetch and verify the embedding model (QRR_MODEL, or NAME)")
    models.add_argument("name", nargs="?")
    models.set_defaults(run=_models)
    corpus = commands.add_parser("corpus", help="`qrr corpus check`: is a collection what its data sheet promises?")
    corpus.add_argument("action", choices=["check"])
    corpus.add_argument("collection", nargs="?", default="course")
    corpus.set_defaults(run=_corpus)
    commands.add_parser("check", help="is this machine ready? OK/FAIL lines").set_defaults(run=_check)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, FileNotFoundError) as error:
        print(f"qrr: {error}", file=sys.stderr)
        return 2


def _reranker(args):
    from qrr_lib import HybridReranker, QubitAnglePredictor, StateScorer, TextEmbedder, load_collection

    collection = load_collection("course")
    embedder = TextEmbedder()
    scorer = StateScorer(QubitAnglePredictor(embedder.dim, seed=0), backend=args.backend)
    say(f"indexing {len(collection.docs)} passages of the course corpus with {embedder.name}")
    return collection, HybridReranker(embedder, scorer, alpha=args.alpha).index(collection)


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
    collection, reranker = _reranker(args)
    _print_ranking(collection, reranker.search(args.query, k=args.k))
    return 0


def _demo(args) -> int:
    from qrr_lib import evaluate

    collection, reranker = _reranker(args)
    print(f"\nQuestion: {_printable(args.query)}\n")
    _print_ranking(collection, reranker.search(args.query, k=args.k))
    print(f"\nfinal = {args.alpha:g} * cosine + {1 - args.alpha:g} * quantum; 'before' is the rank by cosine alone.")
    print("The angle head here is untrained, so the quantum score is nearly the same for all: lesson 06 shows why it cannot help yet.\n")
    queries, qrels = collection.split("test"), collection.qrels["test"]
    print(f"nDCG@10 on the course corpus's {len(queries)} test queries:")
    for name, alpha in (("cosine alone (alpha = 1)", 1.0), (f"hybrid (alpha = {args.alpha:g})", args.alpha)):
        reranker.alpha = alpha
        print(f"  {name:<26} {evaluate(reranker.run(queries), qrels, ['nDCG@10'])['nDCG@10']:.3f}")
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


def _report(lines) -> int:
    print(_printable("\n".join(map(str, lines))))
    return 0 if all(line.ok for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
