"""What all tests share.

`pytest --all` adds the slow tier (light mode for every notebook, and more).
"""

import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from qrr_lib.encode.circuit import Circuit


def pytest_addoption(parser):
    parser.addoption(
        "--all", action="store_true", help="run the slow tier too (make test-all)"
    )


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--all"):
        slow = [item for item in items if "slow" in item.keywords]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device was found"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def random_angles():
    """Function (batch, circuit, seed) -> float64 angles, θ in [0, π], γ in [0, 2π]."""

    def make(batch: int, circuit: Circuit, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        unit = torch.rand(
            batch, *circuit.angle_shape, generator=generator, dtype=torch.float64
        )
        return unit * torch.tensor([math.pi, 2 * math.pi], dtype=torch.float64)

    return make


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """An empty QRR_CACHE_DIR, no hub, no named folder."""
    for name in ("QRR_MODEL_DIR", "QRR_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QRR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


class ToyEmbedder:
    """Stands in for TextEmbedder where a test is not about language: letters counted,
    scaled to length 1.
    """

    name, dim = "toy", 26

    def encode(self, texts, batch_size=32, progress=None):
        for text in texts:
            if not text.strip():
                raise ValueError("text is empty")
        counts = np.array(
            [[t.lower().count(chr(97 + i)) + 0.01 for i in range(26)] for t in texts],
            dtype=np.float32,
        )
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def toy_embedder():
    return ToyEmbedder()


def pytest_report_header(config):
    from qrr_lib.embed.models import default_model

    tier = "all" if config.getoption("--all") else "test"
    return f"embedding model: {default_model()}; cores: {os.cpu_count()}; tier: {tier}"


@pytest.fixture(scope="module")
def browser():
    """A Chromium, driven by Playwright; without either, the test is skipped."""
    missing = "Playwright is not installed"
    sync_api = pytest.importorskip("playwright.sync_api", reason=missing)
    with sync_api.sync_playwright() as playwright:
        path = chromium(playwright)
        if path is None:
            ours = "python -m playwright install chromium"
            pytest.skip(f"no Chromium: apt-get install chromium, or {ours}")
        options = ["--no-sandbox", "--disable-gpu"]
        instance = playwright.chromium.launch(executable_path=path, args=options)
        yield instance
        instance.close()


def chromium(playwright) -> str | None:
    there = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    own = playwright.chromium.executable_path
    names = filter(None, (os.environ.get("QRR_CHROMIUM"), *there, own))
    return next((name for name in names if Path(name).exists()), None)


def listen(page, note) -> None:
    """Call `note` with what a page says to its console when something is wrong."""

    def console(message) -> None:
        if message.type == "error":
            note(message.text)

    page.on("console", console)
    page.on("pageerror", lambda error: note(str(error)))
