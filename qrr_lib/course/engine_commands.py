"""What the commands of `qrr` do with an index of one's own documents (lesson 14)."""

import functools
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

import qrr_lib
from qrr_lib import engine
from qrr_lib.course.judgements import rankings
from qrr_lib.embed.collection import read_queries
from qrr_lib.embed.qrels import read_qrels
from qrr_lib.engine.passages import split_id
from qrr_lib.engine.readers import find_files
from qrr_lib.files import printable, say

MEASURES = ["nDCG@10", "RR@10", "R@100"]
PARTLY = 3  # exit code: done, but something was left out
REASONS = 5  # said of one file
MATCHES = 8  # pairs of tokens shown of a passage


def index(args) -> int:
    """index files and folders of your own; the same command again goes on (lesson
    14)
    """
    files, others = find_files(args.paths, leave_out=args.to)
    if not files:
        raise ValueError(f"there is nothing to read in {', '.join(args.paths)}")
    passed = ", ".join(f"{n} {kind}" for kind, n in others.most_common(5))
    say(f"{len(files)} files to read" + (f"; passed over: {passed}" if passed else ""))
    from qrr_lib.course.loading import Loading  # here: it imports torch

    with _opened_or_made(args.to, args.tokens, args.precision) as target:
        loading = Loading(target, files)
        written = loading.into(target, _pool(args, target.embedder))
        deleted = target.delete(loading.gone(args.paths if args.sync else []))
        passages, held = sum(loading.seen.values()), len(target)
    print(
        f"{len(loading.seen)} documents, {passages} passages: {written} new or "
        f"changed, {passages - written} unchanged, {deleted} deleted; {args.to} holds "
        f"{held}"
    )
    _say_skipped(loading.skipped)
    if not (loading.seen or loading.skipped or deleted):
        raise ValueError(f"no documents are in {', '.join(args.paths)}")
    return PARTLY if loading.skipped else 0


def _pool(args, embedder):
    """Processes that embed, if any are asked for; they have no settings of this
    shell.
    """
    if not (args.workers or args.address):
        return None
    settings = {"cache": False, "precision": embedder.precision}
    make = functools.partial(qrr_lib.TextEmbedder, embedder.name, **settings)
    return engine.RayPool(make, args.workers, args.address)


def search(args) -> None:
    """search an index, or the course corpus"""
    where = [engine.condition(text) for text in args.where or []]
    with engine.Index.open(args.index) as target:
        if args.alpha is not None:
            target.weights = args.alpha
        hits = target.search(args.query, args.k, where)
        explained = hits if args.explain else []
        matches = {hit.id: target.explain(args.query, hit.id) for hit in explained}
    if args.json:
        shown = [hit._asdict() for hit in hits]
        for one in shown if args.explain else ():
            one["matches"] = [match._asdict() for match in matches[one["id"]]]
        print(json.dumps(shown, indent=1))
        return
    for hit in hits:
        _print_hit(hit, matches.get(hit.id, []))
    if not hits:
        asked = f" with {' and '.join(args.where or [])} (--json shows fields)"
        say("nothing was found" + (asked if where else ""))


def delete(args) -> int:
    """take documents, or single passages, out of an index"""
    with engine.Index.open(args.index) as target:
        asked, ids = set(args.ids), target.ids()
        gone = [key for key in ids if {key, split_id(key)[0]} & asked]
        deleted = target.delete(gone)
    known = {name for key in gone for name in (key, split_id(key)[0])}
    for key in sorted(asked - known):
        say(f"{key!r} is not in {args.index}")
    print(f"{deleted} passages deleted")
    return PARTLY if asked - known else 0


def info(args) -> None:
    """what an index is, and how much it holds"""
    with engine.Index.open(args.index) as target:
        for name, value in target.info().items():
            print(printable(f"{name:<12} {value}"))


def evaluate(args) -> None:
    """score cosine, words, both and the mix on judged queries (lesson 08)"""
    qrels = read_qrels(args.qrels)
    every = read_queries(args.queries or _queries_beside(Path(args.qrels)))
    if lost := sorted(set(qrels) - set(every)):
        raise ValueError(f"{args.qrels} judges {lost[0]!r}, a query that is not given")
    with engine.Index.open(args.index) as target:
        ids = target.ids()
        documents = {split_id(key)[0] for key in ids}
        judged = {key for grades in qrels.values() for key in grades}
        whole = not judged & set(ids)  # judgements of documents, not of passages
        if not judged & (documents if whole else set(ids)):
            raise ValueError(f"{args.qrels} judges nothing that is in {args.index}")
        k = 100 * (-(-len(ids) // len(documents)) if whole else 1)
        runs = rankings(target, {key: every[key] for key in qrels}, min(k, 1000))
    print(f"{len(qrels)} queries, judged by {'document' if whole else 'passage'}")
    print(" " * 16 + "".join(f"{measure:>9}" for measure in MEASURES))
    for name, run in runs.items():
        values = qrr_lib.evaluate(_by_document(run) if whole else run, qrels, MEASURES)
        print(f"{name:<16}" + "".join(f"{values[one]:9.4f}" for one in MEASURES))


def _by_document(run: Mapping[str, Mapping[str, float]]) -> dict:
    """A run of documents: each has the score of its best passage."""
    found = {}
    for query, scores in run.items():
        best = found.setdefault(query, {})
        for key, score in scores.items():
            document = split_id(key)[0]
            best[document] = max(score, best.get(document, score))
    return found


def _queries_beside(qrels: Path) -> Path:
    """queries.jsonl beside the judgements, or (BEIR's layout) above them."""
    for folder in (qrels.parent, qrels.parent.parent):
        if (folder / "queries.jsonl").is_file():
            return folder / "queries.jsonl"
    raise FileNotFoundError(f"no queries.jsonl beside {qrels}: name it by --queries")


def _opened_or_made(place: str, tokens: str | None, precision: str):
    embedder = qrr_lib.TextEmbedder(cache=False, precision=precision)
    try:
        opened = engine.Index.open(place, embedder)
    except FileNotFoundError:
        return engine.Index.create(place, embedder, tokens=tokens or "states")
    if tokens and (kept := opened.info()["tokens"]) != tokens:
        opened.close()
        raise ValueError(f"{place} keeps tokens as {kept}: index into another place")
    return opened


def _print_hit(hit, matches: list) -> None:
    page = f", page {hit.fields['page']}" if "page" in hit.fields else ""
    print(_plain(f"{hit.rank:>2}. {hit.title}  ({hit.id}{page})"))
    signals = ", ".join(f"{name} {score:.3f}" for name, score in hit.signals.items())
    print(f"    {hit.score:.4f}: {signals}; {hit.first_rank} by cosine")
    print("    " + _plain(textwrap.shorten(hit.text, 240, placeholder=" ...")))
    best = sorted(matches, key=lambda one: -one.weight * one.similarity)
    for match in best[:MATCHES]:
        pair = f"{match.query_token} ~ {match.document_token}"
        line = f"    {match.weight:.3f} x {match.similarity:.3f}  {pair}"
        print(_plain(line))


def _plain(text: str) -> str:
    """A line without characters that would steer a terminal."""
    return printable("".join(c if c.isprintable() else " " for c in text))


def _say_skipped(skipped: Mapping[Path, list[str]]) -> None:
    if skipped:
        say(f"skipped in {len(skipped)} files:")
    for path, reasons in skipped.items():
        for reason in reasons[:REASONS]:
            say(_plain(f"  {path}: {reason}"))
        if len(reasons) > REASONS:
            say(f"  {path}: {len(reasons) - REASONS} more of this kind")
