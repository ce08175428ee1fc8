"""Write environment.yml and binder/environment.yml from the one dependency list in
pyproject.toml.

python tools/environments.py            # write both
python tools/environments.py --check    # exit 1 if a file differs (a test calls this
                                        too)
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# None: taken from pip, where conda-forge lags or has none
CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "huggingface-hub": "huggingface_hub",
    "ir-measures": None,
    "bm25s": None,
    "PyStemmer": "pystemmer",
    "pennylane": None,
    "onnxruntime": None,
    "onnxscript": None,
    "onnx": None,
    "gguf": None,
    "cohere": None,
    "schemathesis": None,
    "qdrant-edge-py": None,
    "qdrant-client": None,
    "pybase64": None,
}


def dependencies() -> dict[str, str]:
    """{package name: version range} of the base list and the extras [serve], [engine]
    and [test], in order.

    [cluster] is left to who wants it: Ray is large, and no lesson starts it. So is
    [quantum]: PennyLane imports JAX wherever it is installed, in every lesson, and
    Binder's memory is small.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extras = project["optional-dependencies"]
    listed = [
        item
        for item in [*project["dependencies"], *extras["serve"], *extras["engine"]]
        + extras["test"]
        if not item.startswith("qrr-lib")
    ]
    return dict(
        re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", item).groups() for item in listed
    )


def render(comment: str) -> str:
    """Text of an environment file: conda packages first, the rest through pip, the
    course itself left to the reader or to postBuild.
    """
    conda, pip = [], []
    for name, versions in dependencies().items():
        target = CONDA_NAMES.get(name, name)
        (pip if target is None else conda).append(f"{target or name}{versions}")
    lines = [
        f"# {comment}",
        "# Generated from pyproject.toml by tools/environments.py: edit the list "
        "there.",
        "name: qrr",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
    ]
    return (
        "\n".join(
            lines
            + [f"  - {item}" for item in conda]
            + ["  - pip:"]
            + [f"      - {item}" for item in pip]
        )
        + "\n"
    )


def files() -> dict[Path, str]:
    """{path: content it must have}."""
    return {
        ROOT / "environment.yml": render(
            "conda env create -f environment.yml, then: conda activate qrr && pip "
            "install --no-deps -e ."
        ),
        ROOT / "binder" / "environment.yml": render(
            "Read by repo2docker, which ignores the environment.yml above once binder/ "
            "exists."
        ),
    }


def main() -> int:
    """Write the files, or compare them with --check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file differs"
    )
    args = parser.parse_args()
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if args.check:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} differs from pyproject.toml: run python "
                "tools/environments.py"
            )
        return 1 if stale else 0
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
