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
    with zipfile.ZipFile(_shipped(root, folder)) as archive:
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


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.stem}.mine-{n}.ipynb") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def _shipped(root: Path, folder: str) -> Path | io.BytesIO:
    """A zip that holds the original notebooks of `folder`: of the last commit if `root`
    is the top of a git checkout, else the class folder's.
    """
    if (root / ".git").exists() and shutil.which("git"):
        git = ["git", "-c", f"safe.directory={root}"]
        command = [*git, "archive", "--format=zip", "HEAD", folder]
        done = subprocess.run(command, cwd=root, capture_output=True, check=False)
        if done.returncode == 0:
            return io.BytesIO(done.stdout)
    if (root / SHIPPED).is_file():
        return root / SHIPPED
    raise FileNotFoundError(
        "the original notebooks are not at hand: this folder is no git checkout and "
        f"has no {SHIPPED}; download the course again and copy the notebook from there"
    )
