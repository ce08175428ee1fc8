"""Model folders that were changed, archives that are bombs, files of strangers."""

import contextlib
import json
import os
import random
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from faults import stored
from qrr_lib.embed import finder
from qrr_lib.embed.archives import unpack
from qrr_lib.embed.finder import model_folder
from qrr_lib.embed.models import SETTINGS, WEIGHTS, ModelNotFoundError, model_spec

MARK = "QRR_EVIL_CODE_RAN"
EVIL = f'import os\nos.environ["{MARK}"] = "1"\n'


def set_in(name: str, **values):
    """A change of some values in one of the folder's JSON files."""

    def change(folder: Path) -> None:
        path = folder / name
        about = json.loads(path.read_text(encoding="utf-8")) | values
        path.write_text(json.dumps(about), encoding="utf-8")

    return change


def evil_module(folder: Path) -> None:
    (folder / "evil.py").write_text(EVIL + "class Evil: pass\n", encoding="utf-8")
    path = folder / "modules.json"
    modules = json.loads(path.read_text(encoding="utf-8"))
    modules[2]["type"] = "evil.Evil"
    path.write_text(json.dumps(modules), encoding="utf-8")


def evil_model(folder: Path) -> None:
    (folder / "evil.py").write_text(EVIL + "class Evil: pass\n", encoding="utf-8")
    set_in("config.json", auto_map={"AutoModel": "evil.Evil"})(folder)


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")


CHANGES = [
    set_in("1_Pooling/config.json", pooling_mode_cls_token=True),
    set_in("config.json", num_hidden_layers=3),
    set_in("config.json", hidden_act="relu"),
    set_in("sentence_bert_config.json", max_seq_length=8),
    set_in("tokenizer_config.json", do_lower_case=False),
    evil_module,
    evil_model,
    adapter,
]


def flipped(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(SETTINGS)
    path.write_bytes(stored.flip(path.read_bytes(), rng))


@contextlib.contextmanager
def setting(**values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def changed(count: int, rng: random.Random):
    """A folder with the right weights and something else changed is not used, and no
    code in it runs.
    """
    bad = 0
    homes = {name: model_folder(name) for name in stored.MODELS}
    for number in range(count):
        with tempfile.TemporaryDirectory() as work, stored.own_cache():
            name = stored.MODELS[number % 2]
            folder = Path(work) / name
            ignore = shutil.ignore_patterns(WEIGHTS)
            shutil.copytree(homes[name], folder, ignore=ignore)
            (folder / WEIGHTS).symlink_to(homes[name] / WEIGHTS)
            if number // 2 < len(CHANGES):
                CHANGES[number // 2](folder)
            else:
                flipped(folder, rng)
            with setting(QRR_MODEL_DIR=str(folder), QRR_OFFLINE="1"):
                with contextlib.suppress(ModelNotFoundError):
                    bad += model_folder(name) == folder
            bad += os.environ.pop(MARK, None) is not None
    return count, bad


def toy_spec(content: bytes):
    import hashlib

    new = {"name": "toy", "settings_sha256": "", "megabytes": 1}
    sha256 = hashlib.sha256(content).hexdigest()
    return replace(model_spec(stored.LIGHT), sha256=sha256, **new)


def archives(count: int, rng: random.Random):
    """A small archive that would unpack to much more than a model is not unpacked."""
    bad, spec = 0, toy_spec(b"")
    for _ in range(count):
        with tempfile.TemporaryDirectory() as work:
            bomb, size = Path(work) / "bomb.zip", rng.randrange(3, 40)
            with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"toy/{WEIGHTS}", bytes(size * 10**6))
            try:
                unpack(bomb, Path(work) / "files", spec)
                bad += 1
            except ValueError:
                bad += len(list(Path(work).iterdir())) != 1
    return count, bad


def strangers(count: int, rng: random.Random):
    """Files of others in every folder that is written to: they are there afterwards."""
    names = ["notes.txt", "backup-20261127.bin", "pytorch_model-00001-of-00002.bin"]
    names += [
        ".partial-mine",
        ".x.partial-draft",
        "head.safetensors.partial-1",
        "x.damaged",
    ]
    bad, content = 0, b"these are the weights"
    for _ in range(count):
        with tempfile.TemporaryDirectory() as work, stored.own_cache() as cache:
            saved = Path(work) / "saved"
            model = cache / "models" / "toy"
            folders = [saved, cache, cache / "models", model, cache / "embeddings"]
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
                for name in names:
                    (folder / name).write_bytes(b"mine")
            (model / WEIGHTS).write_bytes(b"damaged")  # so that it is replaced
            with finder._installing(toy_spec(content), "a test") as begun:
                begun.mkdir()
                (begun / WEIGHTS).write_bytes(content)
            for save, _ in stored.victims.KINDS.values():
                save(saved / "head.safetensors", 3)
            embeddings = stored.EmbeddingCache(model_spec(stored.LIGHT))
            embeddings.put({b"key": stored.victims.vector_of(1)})
            embeddings.path.write_bytes(b"no database" * 999)
            embeddings.put({b"key": stored.victims.vector_of(1)})
            kept = [(f / n).read_bytes() == b"mine" for f in folders for n in names]
            bad += not all(kept) or (model / WEIGHTS).read_bytes() != content
    return count, bad
