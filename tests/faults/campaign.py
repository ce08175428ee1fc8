"""A campaign of faults against everything that is stored, and against the service.

    make faults                               # about ten minutes
    cd tests && python -m faults.campaign --share 0.05 --model toy    # half a minute

It prints one table: every kind of fault, its trials, and how many ended badly (lost,
wrong, crashed, a stranger's file gone, code run, a 5xx); the exit code says whether all
are 0. Kills of an index (lesson 14) are in `test_engine_faults.py`.

A power cut is tried by hand, as root: make a file of 1 GB into an XFS file system on a
loop device (`mkfs.xfs`, `losetup`, `mount`), save heads into it in a loop with
`faults.victims.keep_saving`, cut it off with `xfs_io -x -c shutdown` (or
`dmsetup suspend` on a `dm-flakey` device), mount it again, and load: the last head that
was acknowledged must be there, whole.
"""

import argparse
import random
import sys
import time
from typing import NamedTuple

from faults import attacks, folders, stored

STORED = {  # what: (trials of it, trials in all)
    "one bit flipped in a file (9 kinds)": (stored.flips, 60),
    "a file cut short (9 kinds)": (stored.cuts, 20),
    "the embedding cache damaged": (stored.cached, 300),
    "kill -9 while saving": (stored.kills, 100),
    "kill -9 of two that fill one cache": (stored.cache_kills, 40),
    "two writers, one path": (stored.two_writers, 300),
    "no room for a file": (stored.no_room, 20),
    "a full disk (tmpfs)": (stored.full_disk, 40),
    "a folder that cannot be written": (stored.read_only, 20),
    "a model folder that was changed": (folders.changed, 200),
    "an archive that is a bomb": (folders.archives, 20),
    "strangers' files where we write": (folders.strangers, 20),
}
ATTACKS = {
    "hang-ups: computed afterwards": (attacks.hang_ups, 32),
    "heads that are never finished": (attacks.slow_heads, 300),
    "bodies that lack a byte": (attacks.slow_bodies, 200),
    "more clients than handles": (attacks.few_handles, 400),
    "SIGTERM with 30 waiting": (attacks.stops, 3),
    "malformed bodies: 5xx": (attacks.fuzz, 2000),
    "requests: memory grown by > 10 %": (attacks.memory, 2000),
}


class Row(NamedTuple):
    """A line of the table."""

    what: str
    trials: int
    bad: int
    seconds: float


def run(what: str, share: float, model: str, seed: int = 0) -> Row:
    """Try one kind of fault, with a share of its trials."""
    trial, count = (STORED | ATTACKS)[what]
    more = (model,) if what in ATTACKS else ()
    begun = time.perf_counter()
    counts = trial(max(1, round(share * count)), random.Random(f"{what} {seed}"), *more)
    return Row(what, *counts, time.perf_counter() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of all trials")
    parser.add_argument("--model", default=stored.LIGHT, help="of the service, or toy")
    parser.add_argument("--only", default="", help="kinds with these letters")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    names = [name for name in STORED | ATTACKS if args.only in name]
    rows = []
    print(f"{'fault':<38} {'trials':>6} {'bad':>5} {'seconds':>8}")
    for name in names:
        rows.append(row := run(name, args.share, args.model, args.seed))
        note = "" if row.trials else "  (not possible here)"
        line = f"{row.what:<38} {row.trials:>6} {row.bad:>5} {row.seconds:>8.1f}{note}"
        print(line, flush=True)
    return int(any(row.bad for row in rows))


if __name__ == "__main__":
    sys.exit(main())
