"""Benchmarks: each measures again one file of data/results (`make help` lists them)."""

import json
from pathlib import Path

from qrr_lib.files import atomic_path


def write_results(path: Path, found: dict) -> str:
    """Write what was measured, the whole file or nothing; returns its text."""
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    path.parent.mkdir(exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    return text
