"""kcat as a member of groups."""

import json

from checks import expect_equal
from clients import raw
from clients.kcat import kcat, write_lines


def read(address, group, topic, *arguments):
    """What a member reads from where its group has come to, up to the partitions' ends."""
    out, _ = kcat(
        address, "-G", group, "-e", "-q", "-J", "-X", "auto.offset.reset=earliest", "-X", "fetch.wait.max.ms=50",
        *arguments, topic,
    )
    return [json.loads(line)["payload"] for line in out.splitlines()]


def a_group_reads_each_record_once_over_several_runs(address):
    raw.create(address, b"kcat-group", [], 1)
    write_lines(address, "kcat-group", ["one", "two"])
    expect_equal(read(address, "kcat-g", "kcat-group"), ["one", "two"], "the first run")
    write_lines(address, "kcat-group", ["three"])
    expect_equal(read(address, "kcat-g", "kcat-group"), ["three"], "the second run")
    expect_equal(read(address, "kcat-g", "kcat-group"), [], "the third run")
    expect_equal(read(address, "kcat-other", "kcat-group"), ["one", "two", "three"], "another group")


def cooperative_and_static_members(address):
    raw.create(address, b"kcat-kinds", [], 3)
    for partition in range(3):
        write_lines(address, "kcat-kinds", [f"{partition}"], "-p", f"{partition}")
    for kind in ("range", "roundrobin", "cooperative-sticky"):
        found = read(
            address, f"kcat-{kind}", "kcat-kinds", "-X", f"partition.assignment.strategy={kind}",
            "-X", f"group.instance.id=kcat-{kind}", "-X", "session.timeout.ms=6000",
        )
        expect_equal(sorted(found), ["0", "1", "2"], f"what a member with {kind} reads")


CHECKS = [a_group_reads_each_record_once_over_several_runs, cooperative_and_static_members]
