"""The `qrr` command: what can be asked. What each command does is in `commands`."""

import argparse
import sys

from qrr_lib.course import commands

COLLECTION = "course, a folder in BEIR layout, or a name in QRR_COLLECTIONS_DIR"
OPTIONAL = {"nargs": "?", "default": "course"}
SEARCHING = {
    "--mode": {"choices": list(commands.MODES), "default": "hybrid"},
    "--alpha": {"type": float},
    "-k": {"type": int, "default": 8},
    "--backend": {"default": "torch"},
}
QUESTION = "Why does a ranking by inner product favour long vectors?"
COMMANDS = {  # what a command does: its arguments
    commands.demo: {"query": {"nargs": "?", "default": QUESTION}, **SEARCHING},
    commands.search: {"query": {}, **SEARCHING},
    commands.check: {},
    commands.models: {"name": {"nargs": "?"}},
    commands.reset: {"lesson": {}, "--exercise": {"action": "store_true"}},
    commands.corpus: {"action": {"choices": ["check"]}, "collection": OPTIONAL},
    commands.audit: {"collection": OPTIONAL},
    commands.serve: {
        "--host": {"default": "127.0.0.1"},
        "--port": {"type": int, "default": 8000},
    },
    commands.index: {
        "--engine": {"choices": ["milvus"], "default": "milvus"},
        "--uri": {"default": "./qrr.db"},
        "--collection": {"default": "course"},
        "--query": {},
        "--head": {},
    },
    commands.embed: {
        "--engine": {"choices": ["ray", "local"], "default": "ray"},
        "--input": {"nargs": "+", "required": True},
        "--output": {"required": True},
        "--rows": {"type": int, "default": 1000},
        "--bad": {"choices": ["stop", "skip"], "default": "stop"},
        "--workers": {"type": int},
        "--address": {},
        "--head": {},
    },
}
HELP = {
    "--mode": "what finds and orders: words, vectors and token states (default), or "
    "vectors and states per token, or per text by a trained or an untrained head",
    "--alpha": "weight of cosine beside states, 0 to 1; words then have none "
    "(default 0.15 for tokens, else 0.5)",
    "-k": "how many documents to print (default 8)",
    "--backend": "torch, qiskit, pennylane or lightning (one state per text only)",
    "lesson": "number of the lesson, such as 05",
    "--exercise": "restore the exercise notebook instead",
    "collection": COLLECTION,
    "--host": "address to listen on (default: this machine only)",
    "--uri": "a file for the embedded engine, or a cluster's address "
    "(default ./qrr.db)",
    "--collection": COLLECTION,
    "--query": "ask this afterwards and print the best five",
    "--input": "JSONL or Parquet files with id, title and text",
    "--output": "folder for the blocks; the same command again goes on where it "
    "stopped",
    "--rows": "documents a block (default 1000)",
    "--bad": "at a malformed line",
    "--workers": "default: one for each graphics card, or else for each core",
    "--address": "of a running Ray cluster (default: start one here)",
    "--head": "trained head to encode with (default: the course's one-qubit head)",
}


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
    about = "Quantum-inspired semantic reranking: the course's command line"
    made = argparse.ArgumentParser(prog="qrr", description=about)
    subparsers = made.add_subparsers(dest="command", required=True)
    for run, arguments in COMMANDS.items():
        command = subparsers.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        for name, settings in arguments.items():
            command.add_argument(name, help=HELP.get(name), **settings)
    return made


if __name__ == "__main__":
    sys.exit(main())
