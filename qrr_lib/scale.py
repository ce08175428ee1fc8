"""Beyond one machine: hybrid vectors in Milvus, embedding and encoding with Ray Data (lesson 12; needs the extra `[scale]`).

Thin adapters: the engines do the work. Milvus (Wang et al., SIGMOD 2021) keeps and searches the rows of `HybridFeatures`: in this
process for a file name, on a cluster for an address. Ray (Moritz et al., OSDI 2018) gives blocks of the input to worker actors, each with
a model of its own.
"""
from __future__ import annotations

import functools
import hashlib
import importlib
import json
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qrr_lib._runtime import atomic_path, say
from qrr_lib.blocks import plan_blocks, read_parts, read_record
from qrr_lib.collection import check_ids, load_collection
from qrr_lib.embeddings import TextEmbedder
from qrr_lib.heads import course_head, load_head
from qrr_lib.hybrid_index import HybridFeatures, HybridIndex
from qrr_lib.rerank import StateScorer

WRITE_BATCH = 500                       # rows sent to Milvus at a time
CPU_BATCH, GPU_BATCH = 32, 256          # texts per forward pass


class EngineError(ValueError):
    """An engine is missing, unreachable or refuses; the message says which one, where, and what to do."""


def _engine(name: str):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EngineError(f'{name} is not installed ({error}): run `pip install -e ".[scale]"`') from None


class MilvusIndex(HybridIndex):
    """`HybridIndex` with its rows in a Milvus collection. Searches also take where="year > 2000", a filter expression of Milvus.

    Parameters
    ----------
    embedder, scorer, alpha, fixed : as in `HybridIndex`
    uri : str
        A file name ending in .db runs Milvus Lite in this process; "http://host:19530" is a server or cluster.
    name : str
        The collection; made if it is not there. ValueError if it was made for another embedding size, other states or another fixed α.
    token : str
        "user:password" of a server that wants it.
    """

    def __init__(self, embedder, scorer, uri="./qrr.db", name="qrr", alpha: float = 0.5, fixed: bool = False, token: str = ""):
        super().__init__(embedder, scorer, alpha=alpha, fixed=fixed)
        self.uri, self.name, about, pymilvus = uri, name, self.features.about(embedder.dim), _engine("pymilvus")
        self._error = pymilvus.MilvusException
        for logger in ("pymilvus", "milvus_lite"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)                # errors are raised, once, as EngineError
        self.client = self._do("be reached", lambda: pymilvus.MilvusClient(uri=uri, token=token, timeout=10))
        if not self._do("list collections", lambda: self.client.has_collection(name)):
            schema, index = self.client.create_schema(auto_id=False, enable_dynamic_field=True), self.client.prepare_index_params()
            schema.add_field("id", pymilvus.DataType.VARCHAR, is_primary=True, max_length=512)
            schema.add_field("vector", pymilvus.DataType.FLOAT_VECTOR, dim=about["width"])
            index.add_index("vector", index_type="FLAT", metric_type="IP")
            options = {"properties": {"qrr": json.dumps(about)}, "consistency_level": "Strong"}
            self._do("make the collection", lambda: self.client.create_collection(name, schema=schema, index_params=index, **options))
        there = json.loads(self._do("be read", lambda: self.client.describe_collection(name))["properties"].get("qrr", "{}"))
        if wrong := [f"{key} is {there.get(key)!r} there, {value!r} here" for key, value in about.items() if value != there.get(key)]:
            raise ValueError(f"the collection {name!r} in {uri} holds other vectors: {'; '.join(wrong)}. Use its settings, or another name")
        self._do("load the collection", lambda: self.client.load_collection(name))

    def _do(self, what: str, call: Callable):
        try:
            return call()
        except (self._error, OSError) as error:
            hint = "" if str(self.uri).endswith(".db") else (
                ". Is a Milvus server running there? 'Run Milvus with Docker Compose' in its documentation starts one; ./qrr.db needs none")
            raise EngineError(f"Milvus at {self.uri} could not {what}: {getattr(error, 'message', error)}{hint}") from None

    def __len__(self) -> int:
        return int(self._do("count", lambda: self.client.query(self.name, filter="", output_fields=["count(*)"]))[0]["count(*)"])

    def add(self, ids: list[str], vectors: np.ndarray, fields: list[dict] | None = None) -> None:
        """Write documents by embeddings (N, D), with fields to filter by. An id that is in the collection already is replaced.

        ValueError, before anything is written, for duplicate, empty or non-string ids; EngineError in mid-write says how far it came.
        """
        ids, fields = list(ids), fields or [{}] * len(ids)
        if not len(ids) == len(vectors) == len(fields):
            raise ValueError(f"{len(ids)} ids, {len(vectors)} vectors, {len(fields)} rows of fields: give as many of each")
        check_ids(ids, done="written")
        for start in range(0, len(ids), WRITE_BATCH):
            part = slice(start, start + WRITE_BATCH)
            rows = zip(fields[part], ids[part], self.features.documents(vectors[part]))
            data = [{**more, "id": key, "vector": row} for more, key, row in rows]
            self._do(f"write (done: {start} of {len(ids)} documents; run it again, what is there is replaced, not doubled)",
                     lambda data=data: self.client.upsert(self.name, data))

    def delete(self, ids: list[str]) -> None:
        """Delete documents by id; ids that are not there are ignored."""
        self._do("delete", lambda: self.client.delete(self.name, ids=list(ids)))

    def _nearest(self, asked: np.ndarray, k: int, where: str = ""):
        found = self._do("search", lambda: self.client.search(self.name, list(asked), filter=where, limit=k, output_fields=["vector"]))
        for hits in found:
            rows = np.array([hit["entity"]["vector"] for hit in hits], dtype=np.float32).reshape(len(hits), asked.shape[1])
            yield [hit["id"] for hit in hits], np.array([hit["distance"] for hit in hits]), rows


class BlockWorker:
    """Embeds and encodes blocks; each becomes a Parquet file, written atomically: id, vector (D numbers), state (width numbers)."""

    def __init__(self, make_embedder: Callable, scorer, output: Path, batch_size: int):
        self.embedder, self.features, self.output, self.batch_size = make_embedder(), HybridFeatures(scorer), output, batch_size

    def __call__(self, batch: dict) -> dict:
        return {"rows": np.array([self.write(json.loads(block)) for block in batch["item"]])}

    def write(self, block: dict) -> int:
        """Do one block; returns its number of documents."""
        arrow, parquet = _engine("pyarrow"), _engine("pyarrow.parquet")
        _, lines = next(read_parts(Path(block["file"]), block["rows"], block["place"]))
        records = filter(None, (read_record(line) for at, line in enumerate(lines) if at not in block["drop"]))
        ids, texts = zip(*records) if (records := list(records)) else ((), ())
        vectors = self.embedder.encode(list(texts), batch_size=self.batch_size, progress=False)
        columns = {"id": arrow.array(ids, arrow.string())}
        for name, values in (("vector", vectors), ("state", self.features.states(vectors))):
            columns[name] = arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])
        with atomic_path(self.output / block["name"]) as partial:
            parquet.write_table(arrow.table(columns), partial)
        return len(ids)


def placement(resources: dict, workers: int | None = None) -> tuple[int, int, int]:
    """A cluster's resources → (workers, GPUs of each, texts per batch): one worker a GPU if there are any, else one a CPU."""
    gpus = int(resources.get("GPU", 0))
    return workers or gpus or max(1, int(resources.get("CPU", 1))), int(gpus > 0), GPU_BATCH if gpus else CPU_BATCH


def embed_files(inputs: list[str], output: str | os.PathLike, make_embedder: Callable, scorer, engine: str = "ray", rows: int = 1000,
                bad: str = "stop", workers: int | None = None, address: str | None = None) -> dict:
    """Embed and encode JSONL or Parquet files block by block; blocks that OUTPUT holds already are skipped, so run it again after a break.

    `engine` is "ray" (a cluster at `address`, or this machine) or "local" (this process; the same blocks, the same files). All nodes must
    see the same input and output folders. Returns {"blocks", "done_before", "documents", "skipped": [lines], "seconds"}.
    """
    if engine not in ("ray", "local"):
        raise ValueError(f"unknown engine {engine!r}; take 'ray' or 'local'")
    start, output, embedder = time.perf_counter(), Path(output), make_embedder()
    weights = hashlib.sha256(b"".join(v.numpy().tobytes() for v in getattr(scorer.angles, "state_dict", dict)().values())).hexdigest()
    settings = {"model": embedder.name, "head": weights, **HybridFeatures(scorer).about(embedder.dim)}
    blocks, skipped = plan_blocks(inputs, settings, rows, bad)
    output.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in output.glob("[!.]*.parquet")}                # a killed worker leaves .name.partial-...
    if strange := sorted(there - {block["name"] for block in blocks}):
        raise ValueError(f"{output} holds blocks of another input, model, head or block size ({strange[0]}, ...): take an empty folder")
    todo = [block for block in blocks if block["name"] not in there]
    report = {"blocks": len(blocks), "done_before": len(there), "documents": 0, "skipped": skipped}
    if engine == "local":
        worker = BlockWorker(lambda: embedder, scorer, output, CPU_BATCH)
        report["documents"] = sum(worker.write(block) for block in todo)
    elif todo:
        report["documents"] = _on_ray(todo, (make_embedder, scorer, output.resolve()), workers, address)
    return report | {"seconds": time.perf_counter() - start}


def _on_ray(todo: list[dict], worker: tuple, workers: int | None, address: str | None) -> int:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray, data, ours = _engine("ray"), _engine("ray.data"), not _engine("ray").is_initialized()
    try:
        if ours:
            ray.init(address=address, logging_level="ERROR", log_to_driver=False, include_dashboard=None if address else False)
        count, gpus, batch = placement(ray.cluster_resources(), workers)
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)                # errors are raised, once, as EngineError
        data.DataContext.get_current().enable_progress_bars = False
        blocks = data.from_items([json.dumps(block) for block in todo], override_num_blocks=len(todo))
        needs = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        done = blocks.map_batches(BlockWorker, batch_size=1, fn_constructor_args=(*worker, batch), **needs,
                                  compute=data.ActorPoolStrategy(min_size=1, max_size=count))
        return int(sum(row["rows"] for row in done.iter_rows()))
    except Exception as error:                                      # Ray raises all kinds, a plain Exception if a node does not start
        causes = [line for line in str(error).splitlines() if re.match(r"[\w.]+(Error|Exception): ", line)] or [str(error)]
        raise EngineError(f"Ray on {address or 'this machine'} failed: {causes[0]}. Start a cluster with `ray start --head`, or leave the "
                          "address out. Finished blocks are kept: run it again to go on") from error
    finally:
        if ours:
            ray.shutdown()


def _scorer(args) -> StateScorer:
    """The scorer of `--head FILE`; without it, of the course's one-qubit head for the default model."""
    embedder = TextEmbedder()
    head, _ = load_head(args.head, embedder.dim) if args.head else course_head(embedder.name)
    return StateScorer(head, similarity="fidelity" if head.circuit.n_qubits == 1 else "local_fidelity")


def index_command(args) -> int:
    """`qrr index --engine milvus --uri ./qrr.db`"""
    collection = load_collection(args.collection)
    index = MilvusIndex(TextEmbedder(), _scorer(args), args.uri).index(collection)
    print(f"{len(collection.docs)} documents written; the collection in {args.uri} holds {len(index)}")
    for doc in index.search(args.query, 5) if args.query else []:
        print(f"{doc.rank}  {doc.score:.4f}  {doc.doc_id}")
    return 0


def embed_command(args) -> int:
    """`qrr embed --engine ray --input docs/*.jsonl --output vectors/`"""
    make = functools.partial(TextEmbedder, cache=False)
    done = embed_files(args.input, args.output, make, _scorer(args), args.engine, args.rows, args.bad, args.workers, args.address)
    for line in done["skipped"]:
        say(f"skipped {line}")
    print(f"{done['documents']} documents embedded in {done['blocks'] - done['done_before']} blocks in {done['seconds']:.1f} s; "
          f"{done['done_before']} blocks were there already")
    return 0
