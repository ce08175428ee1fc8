"""Put a lesson back as it was shipped, and keep what the learner made of it (lesson
00).
"""

import io
import itertools
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from qrr_lib.files import atomic_path, project_dir

# written into an offline class folder, which has no git history
SHIPPED = "shipped-notebooks.zip"


def reset(
    lesson: str, exercise: bool = False, root: Path | None = None
) -> tuple[Path, Path | None]:
    """Restore one lesson (or its exercise) and keep the present file beside it.

    Parameters
    ----------
    lesson : str
        Number of the lesson, "5" or "05".
    exercise : bool
        Restore the exercise notebook instead of the lesson.
    root : Path or None
        The course's folder; None takes the one this package lies in.

    Returns
    -------
    (Path, Path or None)
        The restored notebook, and the learner's copy `NN_name.mine-1.ipynb` (the number
        counts up; None if nothing had been changed or the notebook was missing).

    Raises
    ------
    ValueError
        If there is no such lesson.
    FileNotFoundError
        If neither git nor the class folder's `shipped-notebooks.zip` holds the
        original.
    """
    root = Path(root or project_dir())
    folder = "notebooks/exercises" if exercise else "notebooks"
    pattern = rf"{folder}/{str(lesson).zfill(2)}_"
    with zipfile.ZipFile(_shipped(root, folder, pattern)) as archive:
        names = {}
        for name in archive.namelist():
            notebook = re.fullmatch(rf"{folder}/(\d\d)_[^/]*\.ipynb", name)
            if notebook and ".mine-" not in name:
                names[notebook[1]] = name
        number = str(lesson).zfill(2)
        if number not in names:
            known = ", ".join(sorted(names))
            raise ValueError(
                f"there is no lesson {lesson!r} to restore; choose one of {known}"
            )
        path, original = root / names[number], archive.read(names[number])
    kept = None
    if path.exists() and path.read_bytes() != original:
        kept = _free_name(path)
        shutil.copy2(path, kept)
    with atomic_path(path) as target:
        target.write_bytes(original)
    return path, kept


def _git(root: Path, *words: str) -> bytes:
    """What git prints; nothing where it fails."""
    command = ["git", "-c", f"safe.directory={root}", *words]
    return subprocess.run(command, cwd=root, capture_output=True, check=False).stdout


def _commit(root: Path, pattern: str) -> str:
    """Where a notebook is as it was shipped, though learners commit their own work: in
    the course that was cloned, the last commit there by somebody else; in a course that
    was downloaded and put under git, the first commit.
    """
    refs = ("upstream/HEAD", "upstream/main", "origin/HEAD", "origin/main")
    clones = [ref for ref in refs if _git(root, "rev-parse", "-q", "--verify", ref)]
    tip = [*clones, "HEAD"][0]
    log = ["log", "--format=%H %ae", tip, "--", f"{pattern}*.ipynb"]
    commits = [line.partition(b" ") for line in _git(root, *log).splitlines()]
    first = _git(root, "rev-list", "--max-parents=0", "HEAD").split()
    if not clones and commits and commits[-1][0] in first:
        return commits[-1][0].decode()
    own = _git(root, "config", "user.email").strip()
    others = (commit.decode() for commit, _, author in commits if author != own)
    return next(others, tip)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}.mine-{n}.ipynb") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def _shipped(root: Path, folder: str, pattern: str) -> Path | io.BytesIO:
    """A zip that holds the original notebooks of `folder`: if `root` is the top of a
    git checkout, of the commit that `_commit` finds, else the class folder's.
    """
    if (root / ".git").exists() and shutil.which("git"):
        archive = "archive", "--format=zip", _commit(root, pattern), folder
        if packed := _git(root, *archive):
            return io.BytesIO(packed)
    if (root / SHIPPED).is_file():
        return root / SHIPPED
    raise FileNotFoundError(
        "the original notebooks are not at hand: this folder is no git checkout and "
        f"has no {SHIPPED}; download the course again and copy the notebook from there"
    )
