"""What the commands of `qrr` do: each takes the parsed arguments; an exit code other
than 0 is returned.

A command's docstring is what `qrr --help` says of it. Names of the library are asked
for when they are used (it imports itself lazily), so that `qrr --help` answers at once.
"""

import socket

import qrr_lib
from qrr_lib import course, encode, learn, rank
from qrr_lib.course import engine_commands
from qrr_lib.course.reset import reset as restore
from qrr_lib.embed import model_spec
from qrr_lib.files import printable, say
from qrr_lib.lazy import package

MODES = {
    "hybrid": "words and vectors find; words, cosine and token states order",
    "tokens": "one state per token, 64 qubits each, nothing trained (lesson 09)",
    "trained": "one state per text, one qubit, head trained on the course's training "
    "queries (lesson 07)",
    "untrained": "one state per text, one qubit, head as the original recipe leaves "
    "it (lesson 06)",
}

USUAL_MODE = "hybrid"
NEXT = """
Lesson 06 says why the untrained head changes nothing, 08 why training it on few queries
does not help, 09 what the token states buy, 10 what that is worth. To go on:
  make lab                                 # the lessons
  qrr search "a question of your own"      # the same corpus
  qrr index some/folder --to my.index      # your own documents"""


def demo(args) -> None:
    """answer one query by cosine and by states, say why, and score both on all test
    queries
    """
    collection, reranker = _course_reranker(args)
    cosine = _reranker(collection, reranker.embedder, "untrained", 1.0)
    print(f"\nSomebody types: {printable(args.query)}\n\nBy cosine, one vector a text:")
    for found in cosine.search(args.query, k=3):
        print(printable(f"  {found.rank}  {collection.docs[found.doc_id].title}"))
    ranking = reranker.search(args.query, k=args.k)
    print(f"\nWith states:\n{printable(str(ranking))}")
    weights = {name: w for name, w in reranker.weights.items() if w}
    mix = " + ".join(f"{weight:g} * {name}" for name, weight in weights.items())
    print(f"\nscore = {mix}; 'move' counts from the rank among the candidates.")
    if args.mode in ("tokens", "hybrid"):
        met = reranker.explain(args.query, ranking[0].doc_id)
        pairs = [f"{m.query_token} met {m.document_token}" for m in met]
        print(printable(f"In the first passage, {', '.join(pairs)}."))
    _score_all(args, collection, reranker, cosine)
    print(NEXT)


def _score_all(args, collection, reranker, cosine) -> None:
    """Print nDCG@10 of every mode on the test queries."""
    queries, qrels = collection.split("test"), collection.qrels["test"]
    print(f"\nThat is one query. Mean nDCG@10 on all {len(queries)} test queries:")
    runs = {"words alone (BM25)": rank.bm25_run(collection, queries)}
    runs["cosine alone"] = cosine.run(queries)
    for mode in ("untrained", "trained", "tokens", "hybrid"):
        one = reranker  # what answered the query is indexed already
        if (mode, None, "torch") != (args.mode, args.alpha, args.backend):
            one = _reranker(collection, reranker.embedder, mode)
        runs[MODES[mode]] = one.run(queries)
    for what, run in runs.items():
        value = qrr_lib.evaluate(run, qrels, ["nDCG@10"])["nDCG@10"]
        print(f"  {value:.3f}  {what}")


def search(args) -> None:
    """search the course corpus, or with --index an index of your own documents"""
    if args.index:
        _refuse(args, "--index", mode=USUAL_MODE, backend="torch")
        return engine_commands.search(args)
    _refuse(args, "the course corpus", where=None, explain=False, json=False)
    _, reranker = _course_reranker(args)
    print(printable(str(reranker.search(args.query, k=args.k))))


def check(args) -> int:
    """is this machine ready? OK/FAIL lines that can be pasted into a bug report"""
    lines = course.check_machine()
    print(printable("\n".join(map(str, lines))))
    return 0 if all(line.ok for line in lines) else 1


def models(args) -> None:
    """fetch and verify the embedding model (QRR_MODEL, or NAME)"""
    name = model_spec(args.name).name
    say(f"looking for {name}")
    print(f"{name}: verified in {qrr_lib.model_folder(name)}")


def reset(args) -> None:
    """put a lesson back as it was shipped; your version is kept beside it"""
    path, kept = restore(args.lesson, args.exercise)
    yours = f"your version is {kept.name}" if kept else "you had changed nothing"
    print(printable(f"{path.name} is as it was shipped; {yours}"))


def audit(args) -> None:
    """what the splits of a collection share: documents that leak, near-duplicate
    queries
    """
    print(printable(str(learn.audit(qrr_lib.load_collection(args.collection)))))


def export(args) -> None:
    """a folder that reranks without PyTorch: embedder, map, a script (lesson 04)"""
    from qrr_lib.serve import export_edge

    folder = export_edge(args.edge)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f'{folder}: {size:.0f} MB. Try: python rerank.py "a question" lines.txt')


def serve(args) -> None:
    """the reranking service over HTTP, with the course corpus (lesson 13) or with an
    index (lesson 14); a token is read from QRR_TOKEN
    """
    _check_address(args.host, args.port)
    if args.index:
        served = package("qrr_lib.serve.index_service", "serve")
        served.serve(args.index, args.host, args.port)
    else:
        package("qrr_lib.serve.course_service", "serve").serve(args.host, args.port)


def _course_reranker(args):
    """The course corpus and a reranker that has indexed it."""
    collection, embedder = qrr_lib.load_collection("course"), qrr_lib.TextEmbedder()
    say(
        f"indexing {len(collection.docs)} passages of the course corpus with "
        f"{embedder.name}: {MODES[args.mode]}"
    )
    made = _reranker(collection, embedder, args.mode, args.alpha, args.backend)
    return collection, made


def _reranker(collection, embedder, mode: str, alpha=None, backend: str = "torch"):
    first_stage = qrr_lib.Union() if mode == "hybrid" else None
    if mode in ("tokens", "hybrid"):
        scorer = qrr_lib.Scorer(qrr_lib.QubitMap.shipped(embedder.name), per="token")
    else:
        head = qrr_lib.QubitAnglePredictor(embedder.dim, seed=0)
        if mode == "trained":
            head, _ = encode.course_head(embedder.name)
        scorer = qrr_lib.Scorer(head, backend=backend)
    made = qrr_lib.Reranker(embedder, scorer, first_stage, alpha)
    return made.index(collection)


def _refuse(args, what: str, **defaults) -> None:
    """ValueError for a setting that has no meaning here."""
    for name, default in defaults.items():
        if getattr(args, name) != default:
            raise ValueError(f"--{name} has no meaning with {what}: leave it out")


def _check_address(host: str, port: int) -> None:
    """OSError, before a model is loaded, where nobody can listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        advice = "take another --host or --port"
        raise OSError(f"{host}, port {port}: {error.strerror}; {advice}") from None
