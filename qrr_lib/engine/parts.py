"""Points that were made elsewhere, in Parquet files that an index takes in (lesson
14).
"""

import json
from pathlib import Path

from qrr_lib.engine.passage import Point, point_id, unpacked, word_vector
from qrr_lib.files import atomic_path
from qrr_lib.lazy import package

ABOUT = b"qrr"  # what a file of ours is known by


def write_part(path: Path, about: dict, points: list[Point]) -> None:
    """Write points, the whole file or nothing; `about` says what they belong to."""
    arrow, parquet = package("pyarrow"), package("pyarrow.parquet")
    number, row = arrow.uint32(), arrow.list_(arrow.float32())
    kinds = {"payload": arrow.string(), "dense": row, "pieces": arrow.list_(number)}
    kinds["tokens"] = arrow.list_(row)
    rows = [
        {"payload": json.dumps(point.payload), **point.vectors}
        | {"pieces": list(point.vectors["pieces"])}
        for point in points
    ]
    schema = arrow.schema(kinds, metadata={ABOUT: json.dumps(about)})
    with atomic_path(path) as partial:
        table = arrow.Table.from_pylist(rows, schema)
        options = {"compression": "zstd", "write_page_checksum": True}
        parquet.write_table(table, partial, **options)


def part_about(path: Path) -> dict | None:
    """What the points in a file belong to; None if it is no file of ours."""
    if path.suffix.lower() != ".parquet":
        return None
    try:
        found = package("pyarrow.parquet").read_schema(path).metadata or {}
        return json.loads(found.get(ABOUT, "null"))
    except (OSError, ValueError):  # whoever reads it will say what is wrong
        return None


def read_part(path: Path) -> list[Point]:
    """The points in a file; ValueError if it is damaged."""
    read = package("pyarrow.parquet").read_table
    try:
        rows = read(path, page_checksum_verification=True).to_pylist()
        return list(map(_point, rows))
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it and give the same `qrr bulk` "
            "again, which makes it anew"
        ) from None


def _point(row: dict) -> Point:
    payload = json.loads(row.pop("payload"))
    row["words"] = word_vector(unpacked(payload["words"]).tolist())
    row["pieces"] = dict.fromkeys(row["pieces"], 1.0)
    vectors = {name: value for name, value in row.items() if value is not None}
    return Point(point_id(payload["id"]), vectors, payload)
