"""Points that were made elsewhere, in Parquet files that an index takes in (lesson
14).
"""

import hashlib
import json
from pathlib import Path

from qrr_lib.engine.passage import Point, point_id, unpacked, word_vector
from qrr_lib.files import atomic_path
from qrr_lib.lazy import package

ABOUT = b"qrr"  # what a file of ours is known by
CHECKSUM = b"qrr_checksum"


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
    table = arrow.Table.from_pylist(rows, schema)
    told = schema.metadata | {CHECKSUM: checksum(table)}
    table = table.replace_schema_metadata(told)
    with atomic_path(path) as partial:
        options = {"compression": "zstd", "write_page_checksum": True}
        parquet.write_table(table, partial, **options)


def part_about(path: Path) -> dict | None:
    """What the points in a file belong to; None if it is no file of ours."""
    if path.suffix.lower() != ".parquet":
        return None
    try:
        found = package("pyarrow.parquet").read_schema(path).metadata or {}
        return json.loads(found.get(ABOUT, "null"))
    except _errors():  # whoever reads it will say what is wrong
        return None


def read_part(path: Path) -> list[Point]:
    """The points in a file; ValueError if it is damaged."""
    read = package("pyarrow.parquet").read_table
    try:
        table = read(path, page_checksum_verification=True)
        if table.schema.metadata[CHECKSUM] != checksum(table):
            raise ValueError("its checksum differs")
        return list(map(_point, table.to_pylist()))
    except _errors() as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it and give the same `qrr bulk` "
            "again, which makes it anew"
        ) from None


def checksum(table) -> bytes:
    """Hash of all rows and of what they belong to."""
    found = hashlib.blake2b(table.schema.metadata[ABOUT], digest_size=16)
    for name, column in zip(table.column_names, table.columns):
        values = column.combine_chunks()
        while hasattr(values, "value_lengths"):  # lists
            lengths = values.value_lengths()
            found.update(repr(lengths.to_pylist()).encode())
            values = values.flatten()
        text = name == "payload"
        kept = (
            repr(values.to_pylist()).encode() if text else values.to_numpy().tobytes()
        )
        found.update(name.encode() + kept)
    return found.hexdigest().encode()


def _errors() -> tuple:
    """What a damaged file raises."""
    arrow = package("pyarrow").ArrowException
    return arrow, OSError, ValueError, LookupError, TypeError


def _point(row: dict) -> Point:
    payload = json.loads(row.pop("payload"))
    row["words"] = word_vector(unpacked(payload["words"]).tolist())
    row["pieces"] = dict.fromkeys(row["pieces"], 1.0)
    vectors = {name: value for name, value in row.items() if value is not None}
    return Point(point_id(payload["id"]), vectors, payload)
