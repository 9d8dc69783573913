"""kcat as Debian ships it (librdkafka 2.0): the oldest client in wide use, and the one that asks for single versions by number."""

import json
import subprocess

import corpus
from checks import expect, expect_equal
from clients import raw

SECONDS_MAX = 40
RETENTION = [(key.encode(), value.encode()) for key, value in corpus.RETENTION.items()]


def kcat(address, *arguments, stdin=None):
    run = subprocess.run(
        ["kcat", "-b", address, *arguments], input=stdin, capture_output=True, timeout=SECONDS_MAX, check=False
    )
    if run.returncode != 0:
        raise AssertionError(f"kcat {' '.join(arguments)} ended with {run.returncode}: {run.stderr.decode()[-1000:]}")
    return run.stdout, run.stderr.decode()


def messages(address, topic, partition, *arguments):
    """What `kcat -C` prints as JSON, of one partition up to its end."""
    out, _ = kcat(address, "-C", "-t", topic, "-p", str(partition), "-e", "-q", "-J", "-X", "fetch.wait.max.ms=50", *arguments)
    return [json.loads(line) for line in out.splitlines()]


def write(address, topic, codec):
    """kcat sets no timestamps, and one set of headers per run; empty keys and values become nulls (-Z)."""
    raw.create(address, topic.encode(), RETENTION, corpus.PARTITIONS)
    written = []
    for partition in range(corpus.PARTITIONS):
        lines = []
        for number in range(30):
            key = "" if number % 4 == 0 else f"key-{number % 5}"
            value = "" if number % 10 == 3 else f"record {number} αβγ 日志 " + "x" * (number * 37)
            lines.append(f"{key}\t{value}")
            written.append(
                corpus.Record(
                    partition, key.encode() or None, value.encode() or None, [("trace", b"kcat"), ("trace", b"again")], None
                )
            )
        kcat(
            address, "-P", "-t", topic, "-p", str(partition), "-K", "\\t", "-Z", "-z", codec, "-H", "trace=kcat",
            "-H", "trace=again", "-X", "linger.ms=50", stdin="\n".join(lines).encode() + b"\n",
        )
    return corpus.numbered(written)


def read(address, topic, partitions):
    return [
        corpus.Record(
            message["partition"],
            bytes_of(message["key"]),
            bytes_of(message["payload"]),
            pairs(message.get("headers", [])),
            message["ts"],
            message["offset"],
        )
        for partition in range(partitions)
        for message in messages(address, topic, partition, "-o", "beginning")
    ]


def bytes_of(text):
    return None if text is None else text.encode()


def pairs(flat):
    return [(flat[index], bytes_of(flat[index + 1])) for index in range(0, len(flat), 2)]


def lists_brokers_and_topics(address):
    write_lines(address, "kcat-list", ["a"])
    listing = json.loads(kcat(address, "-L", "-J")[0])
    expect_equal([broker["name"] for broker in listing["brokers"]], [address], "the brokers' addresses")
    expect("kcat-list" in [topic["topic"] for topic in listing["topics"]], "the topic is not listed")
    expect_equal(listing["controllerid"], 1, "the controller")


def write_lines(address, topic, lines, *arguments):
    kcat(address, "-P", "-t", topic, "-p", "0", *arguments, stdin="\n".join(lines).encode() + b"\n")


def a_topic_is_made_by_the_first_write(address):
    write_lines(address, "kcat-auto", ["one", "two"])
    expect_equal([m["payload"] for m in messages(address, "kcat-auto", 0, "-o", "beginning")], ["one", "two"], "the records")


def every_kind_of_acknowledgement(address):
    for acks in ("0", "1", "all"):
        topic = f"kcat-acks-{acks}"
        write_lines(address, topic, ["first"])
        write_lines(address, topic, [f"{number}" for number in range(500)], "-X", f"acks={acks}")
        count = len(messages(address, topic, 0, "-o", "beginning", "-c", "501"))
        expect_equal(count, 501, f"records with acks={acks}")


def idempotent_writing(address):
    lines = [f"{number}" for number in range(2000)]
    write_lines(address, "kcat-idempotent", ["first"])
    write_lines(address, "kcat-idempotent", lines, "-X", "enable.idempotence=true", "-X", "batch.num.messages=50")
    read_back = [m["payload"] for m in messages(address, "kcat-idempotent", 0, "-o", "1")]
    expect_equal(read_back, lines, "the records")


def reading_from_the_end_and_from_a_tail(address):
    write_lines(address, "kcat-tail", [f"{number}" for number in range(20)])
    tail = [m["payload"] for m in messages(address, "kcat-tail", 0, "-o", "-5")]
    expect_equal(tail, ["15", "16", "17", "18", "19"], "the last five")
    expect_equal(messages(address, "kcat-tail", 0, "-o", "end"), [], "what follows the end")


def offsets_by_timestamp_are_exact_inside_a_batch(address):
    topic = "kcat-timestamps"
    raw.create(address, topic.encode(), RETENTION)
    start = corpus.FIRST_TIMESTAMP_MS
    stamped = raw.batch([b"%d" % n for n in range(50)], [start + n * 1000 for n in range(50)])
    with raw.Connection(address) as connection:
        connection.send(raw.PRODUCE, 3, 1, raw.produce_body(topic.encode(), stamped))
        expect_equal(raw.produced(connection.receive()[1], topic.encode()), (0, 0), "error, base offset")
    for timestamp, wanted in ((start, 0), (start + 1, 1), (start + 17_000, 17), (start + 48_999, 49), (start + 60_000, -1)):
        out, _ = kcat(address, "-Q", "-t", f"{topic}:0:{timestamp}")
        expect(f"[0] offset {wanted}" in out.decode(), f"at {timestamp}: {out.decode().strip()}, wanted offset {wanted}")
    found = [m["offset"] for m in messages(address, topic, 0, "-o", f"s@{start + 40_000}")]
    expect_equal(found, list(range(40, 50)), "offsets read from a timestamp on")


def a_client_of_before_Kafka_0_11_and_one_of_today_read_each_other(address):
    """Produce 1, Fetch 1 and ListOffsets 0, with messages of magic 0, which know neither timestamps nor headers."""
    new = ("-X", "fetch.wait.max.ms=50")
    old = new + ("-X", "api.version.request=false", "-X", "broker.version.fallback=0.9.0.1")
    lines = "".join(f"key-{number}\tvalue {number} " + "x" * number + "\n" for number in range(100)).encode()
    for codec in ("none", "gzip", "snappy", "lz4"):
        topic = f"kcat-old-{codec}"
        raw.create(address, topic.encode(), RETENTION)
        for options in (old, new):
            kcat(address, "-P", "-t", topic, "-p", "0", "-K", "\\t", "-z", codec, *options, stdin=lines)
        for options in (old, new):
            read, _ = kcat(address, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-K", "\\t", *options)
            expect_equal(read, lines * 2, f"what is read from {topic} with {options}")
        tail, _ = kcat(address, "-C", "-t", topic, "-p", "0", "-o", "150", "-e", "-q", "-K", "\\t", *old)
        expect_equal(tail.count(b"\n"), 50, f"the messages of {topic} from the middle of a batch on")
        stamps = [message["ts"] for message in messages(address, topic, 0)]
        expect(set(stamps[:100]) == {-1} and min(stamps[100:]) > 0, f"timestamps of {topic}: {stamps[:3]} and {stamps[100:103]}")


CHECKS = [
    lists_brokers_and_topics,
    a_topic_is_made_by_the_first_write,
    every_kind_of_acknowledgement,
    idempotent_writing,
    reading_from_the_end_and_from_a_tail,
    offsets_by_timestamp_are_exact_inside_a_batch,
    a_client_of_before_Kafka_0_11_and_one_of_today_read_each_other,
]
