"""Install the course from this folder, without any network:  python install.py"""

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
COURSE, WHEELS, MODELS = HERE / "course", HERE / "wheels", HERE / "models"


def main() -> int:
    """Make course/.venv, install the wheels and the course, put the models into the
    cache, check the machine.
    """
    argparse.ArgumentParser(description=__doc__).parse_args()
    tags = {
        part
        for wheel in WHEELS.glob("torch-*.whl")
        for part in wheel.stem.split("-")
        if part.startswith("cp")
    }
    own = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    if tags and own not in tags:
        print(
            "This folder was made for Python "
            f"{' or '.join(sorted(t[2:3] + '.' + t[3:] for t in tags))}; you run "
            f"{sys.version.split()[0]}."
        )
        return 1
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("PIP_")
    }
    # no index, no cache, no settings from elsewhere
    environment["PIP_CONFIG_FILE"] = os.devnull
    print("making course/.venv", flush=True)
    venv.create(COURSE / ".venv", with_pip=True, clear=True)
    binaries = COURSE / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    python = str(binaries / ("python.exe" if os.name == "nt" else "python"))
    print("installing from wheels (some minutes)", flush=True)
    names = [
        wheel.name.split("-")[0]
        for wheel in sorted(WHEELS.glob("*.whl"))
        if not wheel.name.startswith("pip-")
    ]
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-cache-dir",
        "--find-links",
        str(WHEELS),
    ]
    subprocess.run([*pip, *names], env=environment, check=True)
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "-e", str(COURSE)],
        env=environment,
        check=True,
    )
    print("copying the models into the cache", flush=True)
    cache = subprocess.run(
        [python, "-c", "from qrr_lib.files import cache_dir; print(cache_dir())"],
        capture_output=True,
        text=True,
        check=True,
    )
    for model in sorted(MODELS.iterdir()):
        target = Path(cache.stdout.strip()) / "models" / model.name
        if not target.exists():
            shutil.copytree(model, target)
    environment["QRR_OFFLINE"] = "1"
    return subprocess.run(
        [python, "-m", "qrr_lib.course.cli", "check"],
        cwd=COURSE,
        env=environment,
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
