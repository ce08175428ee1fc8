"""Ways to keep token states in Qdrant Edge, compared on the course corpus
(`tools.bench.engine`, part tokens).
"""

import shutil
import time
from pathlib import Path

import numpy as np
import qdrant_edge as q

from qrr_lib import Scorer, evaluate
from qrr_lib.encode.codes import codes_to_bloch
from qrr_lib.encode.qubit_map import QubitMap
from qrr_lib.engine.passage import packed, unpacked
from qrr_lib.rank.maxsim import TokenRarity
from qrr_lib.rank.states import States, offsets_of

TYPE, BITS, PINNED = q.VectorStorageDatatype, q.TurboQuantBitSize, q.Memory.Pinned


def turbo(bits):
    return q.TurboQuantQuantizationConfig(bits=bits, memory=PINNED)


def binary(encoding):
    return q.BinaryQuantizationConfig(
        encoding=encoding,
        query_encoding=q.BinaryQuantizationQueryEncoding.Scalar8Bits,
        memory=PINNED,
    )


CODES = "codes in the payload, our kernel"
INT8 = q.ScalarQuantizationConfig(type=q.ScalarType.Int8, memory=PINNED)
ARMS = {  # name: (what originals are kept as, quantiser kept in memory)
    "float32": (TYPE.Float32, None),
    "float16": (TYPE.Float16, None),
    "turbo 8 bits": (TYPE.Turbo8, None),
    "turbo 4 bits": (TYPE.Turbo4, None),
    "float16, int8 in memory": (TYPE.Float16, INT8),
    "float16, turbo 4 bits in memory": (TYPE.Float16, turbo(BITS.Bits4)),
    "float16, turbo 2 bits in memory": (TYPE.Float16, turbo(BITS.Bits2)),
    "turbo 8 bits, turbo 4 bits in memory": (TYPE.Turbo8, turbo(BITS.Bits4)),
    "float16, binary 1 bit in memory": (
        TYPE.Float16,
        binary(q.BinaryQuantizationEncoding.OneBit),
    ),
}


class Course:
    """Token codes, cosine and judgements of the course's test queries."""

    def __init__(self, collection, embedder):
        self.ids, queries = list(collection.docs), collection.split("test")
        self.query_ids, self.qrels = list(queries), collection.qrels["test"]
        self.scorer = Scorer(QubitMap.shipped(embedder.name), per="token")
        vectors, self.states = self.scorer.encode_texts(embedder, collection.texts())
        asked, self.asked = self.scorer.encode_texts(embedder, list(queries.values()))
        self.cosine = asked @ vectors.T
        self.top = np.argsort(-self.cosine, axis=1, kind="stable")[:, :100]
        rarity, offsets = TokenRarity(), self.asked.offsets
        rarity.count(self.states)
        self.weights = [
            rarity.weights(self.asked.token_ids[a:b])
            for a, b in zip(offsets, offsets[1:])
        ]

    def ndcg(self, scores: list[dict[int, float]], alpha: float = 0.15) -> float:
        run = {
            qid: {
                self.ids[i]: float(alpha * self.cosine[row, i] + (1 - alpha) * one[i])
                for i in self.top[row]
            }
            for row, (qid, one) in enumerate(zip(self.query_ids, scores))
        }
        return evaluate(run, self.qrels)["nDCG@10"]

    def rows(self, states: States, i: int) -> np.ndarray:
        """Bloch vectors (T, 3n) of one text, scaled so that inner products of two are
        2·similarity − 1.
        """
        bloch = codes_to_bloch(states[i : i + 1].rows)
        return bloch.reshape(len(bloch), -1) / np.sqrt(bloch.shape[1])


def bytes_of(folder: Path, pattern: str = "*") -> int:
    files = [p.stat() for p in folder.rglob(pattern) if p.is_file()]
    return sum(min(f.st_size, f.st_blocks * 512) for f in files)


def timed(times: list, work):
    """What `work` returns; (wall, CPU) milliseconds are added to `times`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    spent = time.perf_counter() - wall, time.process_time() - cpu
    times.append([1000 * seconds for seconds in spent])
    return result


def summary(times: list) -> dict:
    wall, cpu = np.array(times).T
    return {
        "ms": round(float(np.median(wall)), 2),
        "ms_p95": round(float(np.quantile(wall, 0.95)), 2),
        "cpu_ms": round(float(np.median(cpu)), 2),
    }


class EngineArm:
    """Bloch vectors as a multi-vector of the engine."""

    def __init__(self, folder: Path, course: Course, kept, quantiser):
        self.course, self.folder, self.times = course, folder, []
        self.quantised = quantiser is not None
        best = q.MultiVectorConfig(q.MultiVectorComparator.MaxSim)
        options = {"multivector_config": best, "datatype": kept}
        options |= {"quantization_config": quantiser, "memory": q.Memory.Cold}
        options["hnsw_config"] = q.HnswIndexConfig(0, 100, 10)
        tokens = q.EdgeVectorParams(192, q.Distance.Dot, **options)
        # segments of any size are optimised: only those are quantised
        every = q.EdgeOptimizersConfig(indexing_threshold=1)
        config = q.EdgeConfig(
            vectors={"tokens": tokens}, optimizers=every, wal_enabled=False
        )
        self.shard = q.EdgeShard.create(str(folder), config)
        begun = time.process_time()
        for start in range(0, len(course.ids), 40):
            points = [
                q.Point(i, {"tokens": course.rows(course.states, i).tolist()}, {})
                for i in range(start, min(start + 40, len(course.ids)))
            ]
            self.shard.update(q.UpdateOperation.upsert_points(points))
        self.shard.flush()
        self.upsert = time.process_time() - begun
        self.shard.optimize()
        self.shard.flush()
        self.shard.close()
        self.shard = q.EdgeShard.load(str(folder))

    def score(self, row: int) -> dict[int, float]:
        """{document: similarity} of one query's hundred."""
        found = timed(self.times, lambda: self.shard.query(self.request(row)))
        return {int(hit.id): (1 + hit.score) / 2 for hit in found}

    def request(self, row: int):
        course = self.course
        own = q.HasIdCondition({int(i) for i in course.top[row]})
        rows = course.rows(course.asked, row) * course.weights[row][:, None]
        no = q.QuantizationSearchParams(rescore=False)
        return q.QueryRequest(
            100,
            query=q.Query.Nearest(rows.tolist(), using="tokens"),
            filter=q.Filter(must=[own]),
            params=q.SearchParams(quantization=no),
        )

    def bytes(self) -> tuple[int, int]:
        """(on disk, of what scoring reads)."""
        disk = bytes_of(self.folder)
        if not self.quantised:
            return disk, bytes_of(self.folder / "segments")
        return disk, bytes_of(self.folder, "quantized*")


class CodeArm:
    """Codes in the payload, compared by `Scorer.score`."""

    def __init__(self, folder: Path, course: Course):
        self.course, self.folder, self.times = course, folder, []
        dense = q.EdgeVectorParams(1, q.Distance.Dot)
        config = q.EdgeConfig(vectors={"dense": dense}, wal_enabled=False)
        self.shard = q.EdgeShard.create(str(folder), config)
        begun = time.process_time()
        for start in range(0, len(course.ids), 40):
            points = []
            for i in range(start, min(start + 40, len(course.ids))):
                payload = {"codes": packed(course.states[i : i + 1].rows)}
                points.append(q.Point(i, {"dense": [1.0]}, payload))
            self.shard.update(q.UpdateOperation.upsert_points(points))
        self.shard.flush()
        self.upsert = time.process_time() - begun
        self.shard.close()
        self.shard = q.EdgeShard.load(str(folder))

    def score(self, row: int) -> dict[int, float]:
        return timed(self.times, lambda: self._score(row))

    def _score(self, row: int) -> dict[int, float]:
        wanted = [int(i) for i in self.course.top[row]]
        found = self.shard.retrieve(wanted, ["codes"], False)
        codes = [unpacked(point.payload["codes"], "u1") for point in found]
        rows = np.concatenate(codes).reshape(-1, 64)
        states = States(rows, offsets_of(len(one) // 64 for one in codes))
        asked = self.course.asked[row : row + 1]
        weights = self.course.weights[row : row + 1]
        scores = self.course.scorer.score(asked, states, weights)[0]
        return {int(point.id): float(s) for point, s in zip(found, scores)}

    def bytes(self) -> tuple[int, int]:
        return bytes_of(self.folder), bytes_of(self.folder, "page_*")


def compare(collection, embedder, folder: Path) -> dict:
    """One row an arm; the hundred of each query are scored by all arms in turn. An arm
    with a quantiser is built twice, as it draws a rotation: "ndcg@10 again".
    """
    course = Course(collection, embedder)
    arms = {(CODES, 1): CodeArm(made(folder / "codes"), course)}
    for number, (name, (kept, quantiser)) in enumerate(ARMS.items()):
        for draw in (1, 2) if quantiser else (1,):
            place = made(folder / f"{number}-{draw}")
            arms[name, draw] = EngineArm(place, course, kept, quantiser)
    scores = {key: [] for key in arms}
    for row in range(len(course.query_ids)):
        for key, arm in arms.items():
            scores[key].append(arm.score(row))
    rows, tokens = {}, int(course.states.offsets[-1])
    for (name, draw), arm in arms.items():
        arm.shard.close()
        ndcg = round(course.ndcg(scores[name, draw]), 4)
        if draw == 2:
            rows[name]["ndcg@10 again"] = ndcg
            continue
        disk, read = arm.bytes()
        rows[name] = {"kept as": name, "ndcg@10": ndcg}
        rows[name]["difference"] = round(ndcg - rows[CODES]["ndcg@10"], 4)
        rows[name] |= {"disk": round(disk / tokens), "read": round(read / tokens)}
        rows[name] |= summary(arm.times) | {"upsert_cpu_s": round(arm.upsert, 2)}
    shutil.rmtree(folder)
    counts = {"tokens": tokens, "queries": len(course.query_ids)}
    return counts | {"rows": list(rows.values())}


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
