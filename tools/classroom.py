"""Pack the whole course for a room without internet: one folder (or zip) that installs
by one command.

    python tools/classroom.py                          # build/classroom/
    python tools/classroom.py --zip                    # and build/classroom.zip
    # on Linux: PyTorch's CPU index, see docs/start.md
    python tools/classroom.py --torch-index ADDRESS

The folder holds wheels for *this* platform and this Python version, the models, the
course itself, its web site, slides of every lesson, and
`install.py`. Build it once for each kind of machine in the room.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import slides
import website

from notebooks import EXERCISES, ROOT, lessons

INSTALLER = Path(__file__).with_name("classroom_install.py")
NOT_FOR_THE_CLASS = (".ci", ".github")


def project_files() -> list[Path]:
    """Files of the course: what git knows or would add; without git, everything but
    hidden and built folders.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [
            ROOT / name for name in listed.stdout.decode("utf-8").split("\0") if name
        ]
    else:
        skip = {"build", "dist", "artefacts", "__pycache__"}
        paths = [
            p
            for p in ROOT.rglob("*")
            if not any(
                part in skip or part.startswith(".")
                for part in p.relative_to(ROOT).parts
            )
        ]
    return [
        p
        for p in paths
        if p.is_file()
        and p.relative_to(ROOT).parts[0] not in NOT_FOR_THE_CLASS
        and ".mine-" not in p.name
    ]


def copy_course(target: Path) -> None:
    """Copy the course to `target`, with the original notebooks once more in a zip for
    `qrr reset`.
    """
    from qrr_lib.course.reset import SHIPPED

    for path in project_files():
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    with zipfile.ZipFile(target / SHIPPED, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in lessons() + sorted(EXERCISES.glob("*.ipynb")):
            archive.write(path, path.relative_to(ROOT).as_posix())


def extras() -> list[str]:
    """Optional parts of the course that learners need: every extra but those for tests,
    for making this folder, and Ray, which no lesson starts.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    return [
        name
        for name in project.get("optional-dependencies", {})
        if name not in ("test", "browser", "site", "cluster")
    ]


def collect_wheels(target: Path, torch_index: str | None) -> None:
    """Fetch or build a wheel of everything the course needs, at the tested versions,
    and of what builds the course itself.
    """
    wanted = f".[{','.join(extras())}]" if extras() else "."
    options = [
        "-c",
        str(ROOT / "constraints.txt"),
        *(["--extra-index-url", torch_index] if torch_index else []),
    ]
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--wheel-dir",
        str(target),
        *options,
        wanted,
        "setuptools>=70",
        "wheel",
        "pip",
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    # the course is installed from its folder, so that notebooks and library stay
    # editable
    for own in target.glob("qrr_lib-*.whl"):
        own.unlink()


def copy_models(target: Path, names: list[str]) -> None:
    """Copy verified models."""
    from qrr_lib.embed.finder import model_folder

    for name in names:
        shutil.copytree(model_folder(name), target / name, dirs_exist_ok=True)


def install_page(sizes: dict[str, int]) -> str:
    """The page that a participant opens first."""
    version = ".".join(platform.python_version_tuple()[:2])
    machine = f"{platform.system()} on {platform.machine()}"
    python = "py -" + version if platform.system() == "Windows" else f"python{version}"
    held = "\n".join(
        f'<tr><th scope="row">{name}</th><td>{size / 1e6:,.0f} MB</td></tr>'
        for name, size in sizes.items()
    )
    lab = (
        r"course\.venv\Scripts\jupyter lab"
        if platform.system() == "Windows"
        else "course/.venv/bin/jupyter lab"
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Install the course without internet</title>
<style>body {{ font: 18px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; color: #1a1a1a; background: #fff; }}
pre {{ background: #f3f4f6; padding: .7em 1em; }} th, td {{ text-align: left; padding: .1em 1em .1em 0; }}
a {{ color: #0b3fb3; }}</style></head><body>
<h1>Quantum-Inspired Semantic Reranking with PyTorch: install without internet</h1>
<p>This folder is for <strong>{machine}, Python {version}</strong>. Nothing in it needs a network.</p>
<ol>
<li>Copy this whole folder to your disk; 6 GB should be free there.</li>
<li>Open a terminal in it and run<pre>{python} install.py</pre>
It needs Python {version}, which this folder does not hold. If the command is not found, run Python's own installer from python.org, put beside this
folder by your teacher. <code>install.py</code> makes an environment in <code>course/.venv</code>, installs from <code>wheels</code>, puts the models
into your cache and checks the machine. This takes some minutes.</li>
<li>Open JupyterLab on the first lesson:<pre>{lab} course/notebooks/00_welcome.ipynb</pre></li>
</ol>
<p>If a line of the check says FAIL, it also says what to do. Show the whole output to your teacher.</p>
<h2>Read without installing</h2>
<p><a href="site/index.html">The course as a web site</a>: every lesson with its outputs, solutions, glossary, search.</p>
<h2>What is in the folder</h2>
<table><thead><tr><th scope="col">part</th><th scope="col">size</th></tr></thead><tbody>
{held}
</tbody></table>
<p>For the teacher: <code>slides</code> holds every lesson as slides; open one in a browser, arrow keys move, <kbd>p</kbd> prints.</p>
</body></html>
"""


def build(
    folder: Path, torch_index: str | None = None, models: list[str] | None = None
) -> Path:
    """Build the class folder anew; returns it."""
    from qrr_lib.embed.models import MODELS

    if folder.exists():
        if not (folder / "install.py").exists() and any(folder.iterdir()):
            raise SystemExit(
                f"{folder} is not a class folder and not empty: name another with --out"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    print("course, site and slides", flush=True)
    copy_course(folder / "course")
    website.build(folder / "site")
    slides.write_slides(folder / "slides")
    slides.copy_mathjax(folder)
    print("models", flush=True)
    copy_models(folder / "models", models or list(MODELS))
    print("wheels (some minutes)", flush=True)
    collect_wheels(folder / "wheels", torch_index)
    shutil.copy2(INSTALLER, folder / "install.py")
    sizes = {
        part.name: sum(f.stat().st_size for f in part.rglob("*") if f.is_file())
        for part in sorted(folder.iterdir())
        if part.is_dir()
    }
    (folder / "INSTALL.html").write_text(
        install_page(sizes), encoding="utf-8", newline="\n"
    )
    return folder


def pack(folder: Path) -> Path:
    """One zip beside the folder (stored: wheels and weights are compressed already, or
    cannot be).
    """
    target = folder.with_name(folder.name + ".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path(folder.name) / path.relative_to(folder))
    return target


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "classroom")
    parser.add_argument("--zip", action="store_true", help="also write one zip file")
    parser.add_argument(
        "--torch-index",
        default=os.environ.get("TORCH_INDEX"),
        help="address of a PyTorch wheel index",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        help="names of models to pack (default: all that the course knows)",
    )
    args = parser.parse_args()
    folder = build(args.out.resolve(), args.torch_index, args.models)
    print(f"ready: {folder.name}/INSTALL.html")
    if args.zip:
        print(f"ready: {pack(folder).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
