"""The `qrr` command: what can be asked. What each command does is in `commands`."""

from __future__ import annotations

import argparse
import sys

from qrr_lib.course import commands

DEMO_QUERY = "Why does a ranking by inner product favour long vectors?"
COLLECTION = "course, a folder in BEIR layout, or a name in QRR_COLLECTIONS_DIR"


def main(argv: list[str] | None = None) -> int:
    """Run `qrr COMMAND`; returns the exit code.

    Expected mistakes print one clear line and exit 2.
    """
    args = parser().parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, FileNotFoundError) as error:
        print(f"qrr: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    made = argparse.ArgumentParser(
        prog="qrr",
        description="Quantum-inspired semantic reranking: the course's command line",
    )
    add = made.add_subparsers(dest="command", required=True).add_parser
    _searching(add)
    _course(add)
    _collections(add)
    _service(add)
    _engine(add)
    return made


def _searching(add) -> None:
    demo = add(
        "demo",
        help="answer one question and score the ranking on the course's test queries",
    )
    demo.add_argument("query", nargs="?", default=DEMO_QUERY)
    search = add("search", help="search the course corpus")
    search.add_argument("query")
    for command, run in ((demo, commands.demo), (search, commands.search)):
        command.set_defaults(run=run)
        command.add_argument(
            "--mode",
            choices=list(commands.MODES),
            default="tokens",
            help="one state per token (default), or one per text by a trained or an "
            "untrained head",
        )
        command.add_argument(
            "--alpha",
            type=float,
            help="weight of cosine, 0 to 1 (default 0.15 for tokens, else 0.5)",
        )
        command.add_argument(
            "-k", type=int, default=8, help="how many documents to print (default 8)"
        )
        command.add_argument(
            "--backend",
            default="torch",
            help="torch, qiskit, pennylane or lightning (one state per text only)",
        )


def _course(add) -> None:
    check = add(
        "check",
        help="is this machine ready? OK/FAIL lines that can be pasted into a bug "
        "report",
    )
    check.set_defaults(run=commands.check)
    models = add(
        "models", help="fetch and verify the embedding model (QRR_MODEL, or NAME)"
    )
    models.add_argument("name", nargs="?")
    models.set_defaults(run=commands.models)
    restore = add(
        "reset",
        help="put a lesson back as it was shipped; your version is kept beside it",
    )
    restore.add_argument("lesson", help="number of the lesson, such as 05")
    restore.add_argument(
        "--exercise",
        action="store_true",
        help="restore the exercise notebook instead",
    )
    restore.set_defaults(run=commands.reset)


def _collections(add) -> None:
    corpus = add(
        "corpus",
        help="`qrr corpus check`: is a collection what its data sheet promises?",
    )
    corpus.add_argument("action", choices=["check"])
    corpus.add_argument("collection", nargs="?", default="course")
    corpus.set_defaults(run=commands.corpus)
    audit = add(
        "audit",
        help="what the splits of a collection share: documents that leak, "
        "near-duplicate queries",
    )
    audit.add_argument("collection", nargs="?", default="course", help=COLLECTION)
    audit.set_defaults(run=commands.audit)


def _service(add) -> None:
    serve = add(
        "serve",
        help="the reranking service over HTTP, with the course corpus (lesson 13); "
        "a token is read from QRR_TOKEN",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only)",
    )
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(run=commands.serve)


def _engine(add) -> None:
    index = add(
        "index", help="write hybrid vectors of a collection into an engine (lesson 14)"
    )
    index.add_argument("--engine", choices=["milvus"], default="milvus")
    index.add_argument(
        "--uri",
        default="./qrr.db",
        help="a file for the embedded engine, or a cluster's address "
        "(default ./qrr.db)",
    )
    index.add_argument("--collection", default="course", help=COLLECTION)
    index.add_argument("--query", help="ask this afterwards and print the best five")
    index.set_defaults(run=commands.index)
    embed = add(
        "embed",
        help="embed and encode files of documents in blocks, on one machine or many "
        "(lesson 14)",
    )
    embed.add_argument("--engine", choices=["ray", "local"], default="ray")
    embed.add_argument(
        "--input",
        nargs="+",
        required=True,
        help="JSONL or Parquet files with id, title and text",
    )
    embed.add_argument(
        "--output",
        required=True,
        help="folder for the blocks; the same command again goes on where it stopped",
    )
    embed.add_argument(
        "--rows", type=int, default=1000, help="documents a block (default 1000)"
    )
    embed.add_argument(
        "--bad", choices=["stop", "skip"], default="stop", help="at a malformed line"
    )
    embed.add_argument(
        "--workers",
        type=int,
        help="default: one for each graphics card, or else for each core",
    )
    embed.add_argument(
        "--address", help="of a running Ray cluster (default: start one here)"
    )
    embed.set_defaults(run=commands.embed)
    for command in (index, embed):
        command.add_argument(
            "--head",
            help="trained head to encode with (default: the course's one-qubit head)",
        )


if __name__ == "__main__":
    sys.exit(main())
