"""Put a lesson back as it was shipped, and keep what the learner made of it (lesson
00).
"""

from __future__ import annotations

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
    shipped = _from_git(root, folder) or _from_zip(root, folder)
    if not shipped:
        raise FileNotFoundError(
            "the original notebooks are not at hand: this folder is no git checkout "
            f"and has no {SHIPPED}; "
            "download the course again and copy the notebook from there"
        )
    number = str(lesson).zfill(2)
    wanted = [name for name in shipped if Path(name).name.startswith(f"{number}_")]
    if not wanted:
        known = ", ".join(sorted(Path(name).name[:2] for name in shipped))
        raise ValueError(
            f"there is no lesson {lesson!r} to restore; choose one of {known}"
        )
    path, original = root / wanted[0], shipped[wanted[0]]()
    kept = None
    if path.exists() and path.read_bytes() != original:
        kept = _free_name(path)
        shutil.copy2(path, kept)
    with atomic_path(path) as target:
        target.write_bytes(original)
    return path, kept


def _free_name(path: Path) -> Path:
    number = 1
    while (name := path.with_name(f"{path.stem}.mine-{number}.ipynb")).exists():
        number += 1
    return name


def _is_notebook(name: str, folder: str) -> bool:
    place = Path(name)
    return (
        place.parent.as_posix() == folder
        and place.name[:2].isdigit()
        and name.endswith(".ipynb")
        and ".mine-" not in place.name
    )


def _from_git(root: Path, folder: str) -> dict:
    """{name: function that reads it} of the notebooks in the last commit; empty if
    `root` is not the top of a git checkout.
    """
    if not (root / ".git").exists() or not shutil.which("git"):
        return {}

    def git(*words: str) -> bytes:
        return subprocess.run(
            ["git", "-c", f"safe.directory={root}", *words],
            cwd=root,
            capture_output=True,
            check=True,
        ).stdout

    try:
        names = (
            git("ls-tree", "-z", "--name-only", "HEAD", f"{folder}/")
            .decode("utf-8")
            .split("\0")
        )
    except subprocess.CalledProcessError:
        return {}
    return {
        name: (lambda name=name: git("show", f"HEAD:{name}"))
        for name in names
        if _is_notebook(name, folder)
    }


def _from_zip(root: Path, folder: str) -> dict:
    path = root / SHIPPED
    if not path.is_file():
        return {}

    def read(name: str) -> bytes:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)

    with zipfile.ZipFile(path) as archive:
        return {
            name: (lambda name=name: read(name))
            for name in archive.namelist()
            if _is_notebook(name, folder)
        }
