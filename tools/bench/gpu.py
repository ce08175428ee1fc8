"""What the course says, checked on a GPU, and how fast it is there.

    python -m tools.bench.gpu [--model MODEL]     # writes data/results/gpu.json

Without a CUDA device it says so and ends well.
Checked against the CPU, each within its tolerance: states and their gradients,
similarities, MaxSim, angle codes, embeddings in fp32 and in bf16. Measured: states a
second, texts a second in both precisions, copies from pinned and from ordinary memory,
and what is gained where the states of one batch are computed and fetched while the
next batch is embedded. Times are those of a clock on the wall, after a call that warms
up, with the device idle at both ends.
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from datetime import date
from functools import partial

import numpy as np
import torch

from qrr_lib import QubitMap, Scorer, TextEmbedder, load_collection
from qrr_lib.embed import MODELS
from qrr_lib.encode.backends import encode
from qrr_lib.encode.circuit import Circuit
from qrr_lib.encode.codes import angles_to_codes, codes_to_bloch
from qrr_lib.encode.formulas import bloch_vectors, local_fidelity
from qrr_lib.encode.similarity import similarity_named
from qrr_lib.files import data_dir, say
from tools.bench import write_results

SIMILARITIES = "overlap", "fidelity", "local_fidelity"
CIRCUITS = Circuit(), Circuit(2), Circuit(4, 2, "cz_ring"), Circuit(8, 2, "cnot_chain")
TOLERANCES = {  # of the largest difference to the CPU
    "states": 1e-5,
    "gradients": 1e-4,
    "similarity": 1e-5,
    "MaxSim": 1e-5,
    "share of other angle codes": 1e-3,  # an angle on the border of two steps
    "1 - cosine of embeddings, fp32": 1e-4,
    "1 - cosine of tokens, fp32": 1e-4,
    "1 - cosine of embeddings, bf16": 1e-2,
}


def circuits_agree(device: torch.device) -> dict[str, float]:
    """Largest differences to the CPU of states, gradients and similarities."""
    found = dict.fromkeys(("states", "gradients", "similarity"), 0.0)

    def note(name, here, there):
        found[name] = max(found[name], float((here - there.cpu()).abs().max()))

    for circuit in CIRCUITS:
        torch.manual_seed(0)
        angles = torch.rand(64, *circuit.angle_shape) * 3
        weights = torch.randn(64, 2**circuit.n_qubits, dtype=torch.complex64)
        sides = []
        for place in (torch.device("cpu"), device):
            leaf = angles.to(place, copy=True).requires_grad_()
            states = encode(leaf, circuit)
            [gradient] = torch.autograd.grad(states, leaf, weights.to(place))
            sides.append((states.detach(), gradient, leaf.detach()))
        note("states", sides[0][0], sides[1][0])
        note("gradients", sides[0][1], sides[1][1])
        for similarity in map(similarity_named, SIMILARITIES):
            rows = [similarity.rows(side[2], circuit) for side in sides]
            note("similarity", *(similarity.pairs(r, r) for r in rows))
    return found


def texts_agree(device: torch.device, model: str, texts: list[str]) -> dict[str, float]:
    """Largest differences to the CPU of embeddings, angle codes and MaxSim."""
    cpu = TextEmbedder(model, device="cpu", cache=False)
    exact = cpu.encode_with_tokens(texts)
    found = {}
    for precision in ("fp32", "bf16"):
        embedder = TextEmbedder(model, str(device), cache=False, precision=precision)
        other = embedder.encode_with_tokens(texts)
        cosines = [float(a.vector @ b.vector) for a, b in zip(exact, other)]
        found[f"1 - cosine of embeddings, {precision}"] = 1 - min(cosines)
        if precision == "fp32":
            tokens = [(a.tokens * b.tokens).sum(1).min() for a, b in zip(exact, other)]
            found[f"1 - cosine of tokens, {precision}"] = 1 - float(min(tokens))
    chart = QubitMap.shipped(model)
    scorer = Scorer(chart, per="token", idf=False)
    _, states = scorer.encode_texts(cpu, texts)
    moved = QubitMap.shipped(model).to(device)
    tokens = torch.from_numpy(np.concatenate([text.tokens for text in exact]))
    codes = [angles_to_codes(m(tokens.to(m.mean.device)), 4) for m in (chart, moved)]
    found["share of other angle codes"] = float((codes[0] != codes[1]).mean())
    bloch = torch.from_numpy(codes_to_bloch(states.rows)).to(device)
    own = scorer.score(states[[0]], states)[0]
    there = max_sim_on(bloch[: states.offsets[1]], bloch, states.offsets)
    found["MaxSim"] = float(np.abs(own - there.cpu().numpy()).max())
    return found


def max_sim_on(query: torch.Tensor, documents: torch.Tensor, offsets) -> torch.Tensor:
    """MaxSim where the tensors are: Bloch vectors (Tq, n, 3) and (T, n, 3), documents
    cut at `offsets` (N + 1,) → (N,). None may be empty.
    """
    similar = local_fidelity(documents, query)  # (T, Tq)
    lengths = torch.as_tensor(np.diff(offsets), device=similar.device)
    return torch.segment_reduce(similar, "max", lengths=lengths, axis=0).mean(dim=1)


def clock(device: torch.device, call: Callable, rounds: int = 5) -> float:
    """Median seconds of a call, the device idle at both ends."""
    synchronize = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    seconds = []
    for _ in range(rounds + 1):  # the first warms up
        synchronize()
        start = time.perf_counter()
        call()
        synchronize()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def states_a_second(device: torch.device, batch: int) -> dict[str, int]:
    """Of every circuit, angles and states on the device."""
    found = {}
    for circuit in CIRCUITS:
        angles = torch.rand(batch, *circuit.angle_shape, device=device) * 3
        seconds = clock(device, partial(encode, angles, circuit))
        found[str(circuit)] = round(batch / seconds)
    return found


def copies(device: torch.device, megabytes: int) -> dict[str, float]:
    """Gigabytes a second from ordinary and from pinned memory to the device."""
    plain = torch.zeros(megabytes << 18)  # of 4 bytes each
    pinned = plain.pin_memory() if device.type == "cuda" else plain
    found = {}
    for name, source in (("ordinary", plain), ("pinned", pinned)):
        call = partial(source.to, device, non_blocking=True, copy=True)
        found[name] = round(megabytes * 2**20 / 1e9 / clock(device, call), 2)
    return found


class Pipeline:
    """Texts → Bloch vectors of their tokens, in host memory, batch by batch.

    Overlapped, a second stream computes the states of a batch and copies them into
    pinned memory while the first embeds the next batch; otherwise each waits for the
    other.
    """

    def __init__(self, device: torch.device, model: str, texts: list[str], size: int):
        self.device, self.cuda = device, device.type == "cuda"
        self.model = TextEmbedder(model, str(device), cache=False).model
        self.map = QubitMap.shipped(model).to(device)
        texts = sorted(texts, key=len)
        blocks = [texts[at : at + size] for at in range(0, len(texts), size)]
        options = {"padding": True, "truncation": True, "return_tensors": "pt"}
        options["max_length"] = self.model.max_seq_length
        batches = [dict(self.model.tokenizer(block, **options)) for block in blocks]
        pin = torch.Tensor.pin_memory if self.cuda else torch.Tensor.contiguous
        self.batches = [{k: pin(v) for k, v in batch.items()} for batch in batches]

    @torch.inference_mode()
    def run(self, overlapped: bool) -> list[torch.Tensor]:
        """[(B, T, n, 3)], padding included."""
        side = torch.cuda.Stream() if self.cuda and overlapped else None
        done: list[torch.Tensor] = []
        waiting: list[tuple] = []  # a batch: its states' checks then wait for no kernel
        for batch in self.batches:
            there = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
            tokens = self.model(there)["token_embeddings"]
            ready = torch.cuda.current_stream().record_event() if side else None
            waiting.append((tokens, ready))
            if len(waiting) > overlapped:
                done.append(self._states(side, *waiting.pop(0)))
        done += [self._states(side, *one) for one in waiting]
        if self.cuda:
            torch.cuda.synchronize()
        return done

    def _states(self, side, tokens: torch.Tensor, ready) -> torch.Tensor:
        if ready:
            side.wait_event(ready)
            tokens.record_stream(side)
        with torch.cuda.stream(side) if side else contextlib.nullcontext():
            unit = torch.nn.functional.normalize(tokens, dim=-1)
            angles = self.map(unit.flatten(0, 1))
            states = bloch_vectors(angles).unflatten(0, tokens.shape[:2])
            host = torch.empty(states.shape, pin_memory=bool(side))
            return host.copy_(states, non_blocking=bool(side))


def texts_a_second(device: torch.device, model: str, texts: list[str]) -> dict:
    """Embedding alone in both precisions, and embedding with states, one after the
    other and overlapped.
    """
    found = {}
    for precision in ("fp32", "bf16"):
        embedder = TextEmbedder(model, str(device), cache=False, precision=precision)
        call = partial(embedder.encode, texts, 64, progress=False)
        found[f"embedding, {precision}"] = round(len(texts) / clock(device, call, 3), 1)
    line = Pipeline(device, model, texts, 64)
    for name, overlapped in (("one after the other", False), ("overlapped", True)):
        call = partial(line.run, overlapped)
        found[f"with states, {name}"] = round(len(texts) / clock(device, call, 3), 1)
    return found


def measure(device: torch.device, model: str, count: int, batch: int) -> dict:
    """All checks and figures; AssertionError names a result that strays too far."""
    texts = load_collection("course").texts()[:count]
    differences = circuits_agree(device) | texts_agree(device, model, texts[:32])
    for name, limit in TOLERANCES.items():
        say(f"{name}: {differences[name]:.1e} (at most {limit:.0e})")
        assert differences[name] <= limit, f"{name} differs by {differences[name]:.1e}"
    return {
        "differences to the CPU": {
            name: float(f"{differences[name]:.1e}") for name in TOLERANCES
        },
        "tolerances": TOLERANCES,
        "states a second": {"batch": batch} | states_a_second(device, batch),
        "GB a second to the device": copies(device, 256),
        "texts a second": {"texts": count} | texts_a_second(device, model, texts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="all-MiniLM-L6-v2", choices=list(MODELS))
    parser.add_argument("--texts", type=int, default=440)
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device was found: nothing was checked, and nothing was written")
        return
    device = torch.device("cuda")
    measured = measure(device, asked.model, asked.texts, 100_000)
    about = {
        "reproduce": f"python -m tools.bench.gpu --model {asked.model}",
        "date": date.today().isoformat(),
        "device": torch.cuda.get_device_name(device),
        "torch": torch.__version__,
    }
    print(write_results(data_dir() / "results" / "gpu.json", about | measured))


if __name__ == "__main__":
    main()
