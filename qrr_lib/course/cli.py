"""The `qrr` command: what can be asked. What each command does is in `commands`."""

import argparse
import os
import sys

from qrr_lib.course import commands, engine_commands
from qrr_lib.files import say


def port(text: str) -> int:
    """A port to listen on; argparse says what is wrong with another one."""
    number = int(text)
    if not 0 < number < 2**16:
        raise argparse.ArgumentTypeError(f"{text} is no port: take 1 to 65535")
    return number


QUERY = "extra state for each weight"  # the picture on the front pages
SEARCHING = "--mode --alpha -k --backend"
MARKS = {"?": {"nargs": "?"}, "+": {"nargs": "+"}, "!": {"required": True}}
COMMANDS = {  # what a command does: its arguments, with their marks
    commands.demo: f"query? {SEARCHING}",
    commands.search: f"query {SEARCHING} --index --where --explain --json",
    engine_commands.index: "paths+ --to! --sync --tokens --precision "
    "--workers --address",
    engine_commands.delete: "ids+ --index!",
    engine_commands.info: "--index!",
    engine_commands.evaluate: "--index! --qrels! --queries",
    commands.check: "",
    commands.models: "name?",
    commands.reset: "lesson --exercise",
    commands.audit: "collection?",
    commands.export: "--edge!",
    commands.serve: "--host --port --index",
}
SETTINGS = {  # argument: how it is read, unless it is any text
    "query": {"default": QUERY},
    "collection": {"default": "course"},
    "paths": {"metavar": "PATH"},
    "ids": {"metavar": "ID"},
    "--mode": {"choices": list(commands.MODES), "default": commands.USUAL_MODE},
    "--alpha": {"type": float},
    "-k": {"type": int, "default": 8},
    "--backend": {"default": "torch"},
    "--where": {"action": "append"},
    "--explain": {"action": "store_true"},
    "--json": {"action": "store_true"},
    "--to": {"metavar": "INDEX"},
    "--sync": {"action": "store_true"},
    "--tokens": {"choices": ["states", "full"]},
    "--precision": {"choices": ["auto", "fp32", "bf16", "int8"], "default": "auto"},
    "--workers": {"type": int},
    "--exercise": {"action": "store_true"},
    "--edge": {"metavar": "FOLDER"},
    "--host": {"default": "127.0.0.1"},
    "--port": {"type": port, "default": 8000},
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
    "collection": "course, a folder in BEIR layout, or a name in QRR_COLLECTIONS_DIR",
    "--host": "address to listen on (default: this machine only)",
    "--index": "an index of your own: its folder or the address of a server",
    "--where": "only passages that fulfil it, such as year>2000 or lang=de; may be "
    "given again",
    "--explain": "show which words met",
    "--json": "print the results as JSON",
    "paths": "files or folders: .txt, .md, .html, .pdf, .docx, each one document; "
    ".jsonl, .csv, .tsv, .parquet with id, title, text; all of them also as .gz",
    "--to": "a folder of its own, or the address of a server; made if it is not there",
    "--sync": "also delete from the index what is in these files and folders no more",
    "--tokens": "keep tokens as states (default), or as whole vectors",
    "--precision": "of the embedder: auto (default) is bf16 where the processor has "
    "instructions for it, else fp32; int8 is fast, and exported once",
    "ids": "of documents, or of single passages (document#n)",
    "--qrels": "judgements in BEIR's layout: query, document, grade, tabs between",
    "--queries": "queries.jsonl (default: the one beside or above the judgements)",
    "--workers": "embed in so many processes, with Ray: at most one for each graphics "
    "card, or else for each core",
    "--edge": "a new folder, for machines with NumPy, onnxruntime and tokenizers",
    "--address": "of a running Ray cluster, to embed on all of it",
}


def main(argv: list[str] | None = None) -> int:
    """Run `qrr COMMAND`; returns the exit code.

    Expected mistakes print one clear line and exit 2.
    """
    args = parser().parse_args(argv)
    try:
        code = args.run(args)
        sys.stdout.flush()  # a full disk is said here, not when Python ends
        return code or 0
    except BrokenPipeError:  # `qrr … | head` has read enough
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
        return 141
    except (ValueError, OSError) as error:
        say(f"qrr: {error}")
        return 2
    except KeyboardInterrupt:
        print("qrr: stopped", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    about = "Quantum-inspired semantic reranking: the course's command line"
    made = argparse.ArgumentParser(prog="qrr", description=about)
    made.set_defaults(run=lambda args: made.print_help())
    subparsers = made.add_subparsers(dest="command")
    for run, arguments in COMMANDS.items():
        command = subparsers.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        for argument in arguments.split():
            name = argument.rstrip("?+!")
            settings = SETTINGS.get(name, {}) | MARKS.get(argument[-1], {})
            command.add_argument(name, help=HELP.get(name), **settings)
    return made


if __name__ == "__main__":
    sys.exit(main())
