"""The records every client writes and reads back."""

import dataclasses
import random

# 2023-11-14T22:13:20Z, which no clock says by chance.
FIRST_TIMESTAMP_MS = 1_700_000_000_000
# The records are years old, so a topic that holds them must not expire them.
RETENTION = {"retention.ms": "-1"}
PARTITIONS = 3


@dataclasses.dataclass
class Record:
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list  # of (str, bytes | None)
    timestamp: int | None  # None: whatever the client put there
    offset: int | None = None


def records(count=90, binary=False, null_headers=True):
    """Nulls and empties, Unicode, repeated and null headers, sizes from none to 30 kB, timestamps out of order."""
    chance = random.Random(20110101)
    made = []
    for number in range(count):
        text = f"record {number} " + "αβγ 日志 " * chance.randrange(0, 20)
        value = text.encode()
        if number % 10 == 3:
            value = None
        elif number % 10 == 4:
            value = b""
        elif number % 30 == 7:
            value = text.encode() * 1000
            value = value[:30_000].decode(errors="ignore").encode()
        elif binary and number % 2:
            value = chance.randbytes(chance.randrange(1, 2000))
        key = None if number % 4 == 0 else (b"" if number % 7 == 0 else f"key-{number % 5}".encode())
        headers = []
        if number % 3 == 0:
            headers = [("trace", f"id-{number}".encode()), ("trace", b"again"), ("empty", b"")]
        if number % 9 == 0 and null_headers:
            headers.append(("null", None))
        made.append(
            Record(
                partition=number % PARTITIONS,
                key=key,
                value=value,
                headers=headers,
                timestamp=FIRST_TIMESTAMP_MS + number * 1000 - (5000 if number % 11 == 0 else 0),
            )
        )
    return numbered(made)


def numbered(written):
    """Gives each record the offset it must have: its place in its partition."""
    ends = {}
    for record in written:
        record.offset = ends.get(record.partition, 0)
        ends[record.partition] = record.offset + 1
    return written


def compare(expected, actual):
    """Raises unless the records are the same, field for field, in the order of their offsets."""
    order = lambda record: (record.partition, record.offset)
    expected, actual = sorted(expected, key=order), sorted(actual, key=order)
    if len(expected) != len(actual):
        raise AssertionError(f"{len(actual)} records were read, {len(expected)} written")
    for wanted, read in zip(expected, actual):
        for field in ("partition", "offset", "key", "value", "headers", "timestamp"):
            left, right = getattr(wanted, field), getattr(read, field)
            if field == "timestamp" and left is None:
                continue
            if left != right:
                raise AssertionError(
                    f"partition {wanted.partition} offset {wanted.offset}: {field} is {right!r:.200}, was written as {left!r:.200}"
                )
