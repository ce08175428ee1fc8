"""The picture of data/results/compare.json: quality against bytes and milliseconds, for
`tools.bench.compare --figure`.
"""

import json
from pathlib import Path

from qrr_lib.course import compare_figure
from qrr_lib.files import atomic_path


def draw(path: Path) -> None:
    """Write compare.png beside the stored results."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    figure, _ = compare_figure(stored)
    with atomic_path(path.with_suffix(".png")) as partial:
        figure.savefig(partial, format="png", dpi=150)
