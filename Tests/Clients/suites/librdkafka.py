"""librdkafka's test suite, as Debian's source package has it.

`librdkafka.sh` fetches and builds it. A process of the suite's runner is started for each number (a number may have several tests);
a few run at a time, for most of them wait most of the time. What fails although it should pass is tried again, alone: the suite has
many time limits, and this machine may be a busy one.

With several brokers (`--brokers 3`) they are a cluster that `millrace cluster up` runs, with ZooKeeper, and topics have three replicas.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import time

from broker import Broker
from clusters.local import LocalCluster

from . import suite

VERSION = "2.0.2"
HERE = pathlib.Path(__file__).resolve().parent
KAFKA_VERSION = "3.9.0"  # for the suite's own choice of what to expect
AT_A_TIME = 4
ATTEMPTS_MAX = 3
TEST_SECONDS_MAX = 300
# Whole, these take more than a minute; in the suite's quick mode they do less of the same.
QUICK = {"0105", "0113"}
LONG = {"0045", "0076", "0098", "0103"}
# One test of many parts, some of which need what the broker lacks: its parts are run by themselves.
PARTS = {
    "0081_admin": [
        "unclean_destroy", "CreateTopics", "DeleteTopics", "CreatePartitions", "CreateAcls", "DescribeAcls", "DeleteAcls", "AlterConfigs",
        "DescribeConfigs", "DeleteRecords", "ListConsumerGroups", "DescribeConsumerGroups", "DeleteGroups", "DeleteConsumerGroupOffsets",
        "AlterConsumerGroupOffsets", "ListConsumerGroupOffsets",
    ]
}  # fmt: skip
# Of several tests of one number, those that are run by themselves, by the name of their part: one that hangs takes the others with it.
ALONE = {
    "0045_subscribe_update_topic_remove": "topic_remove",
    "0045_subscribe_update_non_exist_and_partchange": "non_exist_and_partchange",
}
# The suite assumes four partitions in topics that it has not made itself. It writes records of 1970, which are read back before retention
# looks at them.
SETTINGS = {"num.partitions": 4, "group.initial.rebalance.delay.ms": 3000, "log.retention.check.interval.ms": 300_000}
# Of several brokers in place of one.
CLUSTER_SETTINGS = {
    "min.insync.replicas": 1,
    "zookeeper.session.timeout.ms": 6000,
    "replica.lag.time.max.ms": 10_000,
    # For the test that reads from followers.
    "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
}
RACKS = ("a", "b", "c")
REPLICAS = 3
# Of the suite's scenarios: the settings of the broker.
SCENARIOS = {"default": {}, "noautocreate": {"auto.create.topics.enable": "false"}}


def source(cache):
    """The directory of the built suite."""
    built = subprocess.run(["bash", HERE / "librdkafka.sh", cache], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        raise suite.Missing("librdkafka's test suite cannot be had")
    return pathlib.Path(built.stdout.strip())


def tests(tree):
    """The suite's tests, each with its scenario."""
    table = (tree / "tests/test.c").read_text()
    found = {}
    for entry in re.split(r"^    _TEST\(", table, flags=re.MULTILINE)[1:]:
        scenario = re.search(r'\.scenario *= *"(\w+)', entry)
        found[entry.split(",")[0].strip()] = scenario.group(1) if scenario else "default"
    return found


class Job:
    """One process of the suite's runner."""

    def __init__(self, number, scenario, names, part=None):
        self.number, self.scenario, self.names, self.part = number, scenario, names, part
        self.replicas = 1

    @property
    def title(self):
        return "-".join(filter(None, [self.number, self.scenario if self.scenario != "default" else None, self.part]))

    def run(self, tree, address, logs):
        """Runs the tests once. Returns their results."""
        settings = logs / f"{self.title}.conf"
        # The suite's time limits twice, as in its authors' own setup.
        settings.write_text(f"bootstrap.servers={address}\ntest.timeout.multiplier=2\n")
        environment = {
            **os.environ,
            "TESTS": self.number, "TEST_KAFKA_VERSION": KAFKA_VERSION, "RDKAFKA_TEST_CONF": settings, "BROKERS": address,
            "TEST_REPLICAS": str(self.replicas), "KAFKA_PATH": HERE.parent / "kafka", "LD_LIBRARY_PATH": f"{tree / 'src'}:{tree / 'src-cpp'}",
        }  # fmt: skip
        if self.part:
            environment["SUBTESTS"] = f"do_test_{self.part}"
        mode = ["-Q"] if self.number in QUICK else []
        command = ["timeout", "--kill-after=10", str(TEST_SECONDS_MAX), tree / "tests/test-runner", "-p1", *mode, "-s", self.scenario]
        log = logs / f"{self.title}.log"
        began = time.monotonic()
        with open(log, "wb") as output:
            code = subprocess.run(
                command, cwd=tree / "tests", env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False
            ).returncode
        return list(self.results(code, time.monotonic() - began, log))

    def results(self, code, seconds, log):
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
        # The summary's lines: | name | STATE | seconds | why.
        states = {name: (state, why) for name, state, why in re.findall(r"^\| *(\S+) *\| *(\w+) \| *[\d.]+s *\| *(.*)$", text, re.MULTILINE)}
        for name in self.names:
            state, why = states.get(name, ("", ""))
            outcome = {"PASSED": suite.PASSED, "SKIPPED": suite.SKIPPED}.get(state, suite.FAILED)
            # Of the parts of a test that failed, the suite prints no summary.
            if code and outcome == suite.PASSED and len(self.names) == 1:
                outcome = suite.FAILED
            if outcome == suite.FAILED:
                failure = re.search(r"^### Test .*?: ###\n(.*)$", text, re.MULTILINE)
                late = code in (124, 137)
                why = f"not done after {TEST_SECONDS_MAX} s" if late else failure.group(1) if failure else f"exit code {code}"
            yield suite.Result(f"{name}/{self.part}" if name in PARTS else name, outcome, f"{why[:300]} (log: {log})", seconds)


def jobs(tree, names):
    """The jobs that run the named tests, those that take longest first, so that none of these is left over at the end."""
    scenarios, found = tests(tree), {}
    unknown = {name.split("/")[0] for name in names} - set(scenarios)
    if unknown:
        raise ValueError(f"librdkafka's suite has no test {', '.join(sorted(unknown))}")
    for name in names:
        test, _, part = name.partition("/")
        key = (test[:4], scenarios[test], part or ALONE.get(test))
        found.setdefault(key, Job(*key[:2], [], key[2])).names.append(test)
    return sorted(found.values(), key=lambda job: job.number not in LONG)


class OneBroker(Broker):
    def logged(self):
        return self.log_path.read_text(errors="replace")


class SeveralBrokers(LocalCluster):
    def logged(self):
        logs = sorted(self.directory.glob("broker-*/broker.log"))
        return "".join(f"{log.parent.name}\n{log.read_text(errors='replace')}" for log in logs)


def brokers_of(binary, scenario, count):
    settings = {**SETTINGS, **SCENARIOS[scenario]}
    if count == 1:
        return OneBroker(binary, settings)
    return SeveralBrokers(pathlib.Path(binary).parent, {**settings, **CLUSTER_SETTINGS}, brokers=count, racks=RACKS)


def run(binary, cache, names, brokers=1):
    tree = source(cache)
    expected = suite.read(suite.EXPECTED / "librdkafka.txt")
    for name in sorted(set(tests(tree)) - set(expected)):
        yield suite.Result(name, suite.UNRUN)
    logs = cache / "logs"
    logs.mkdir(exist_ok=True)
    for log in logs.iterdir():
        log.unlink()
    found = jobs(tree, names)
    for scenario in SCENARIOS:
        chosen = [job for job in found if job.scenario == scenario]
        for job in chosen:
            job.replicas = min(brokers, REPLICAS)
        if chosen:
            with brokers_of(binary, scenario, brokers) as served:
                yield from run_all(chosen, tree, served.address, logs, expected)
                (logs / f"broker-{scenario}.log").write_text(served.logged())


def run_all(chosen, tree, address, logs, expected):
    again = []
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        started = {pool.submit(job.run, tree, address, logs): job for job in chosen}
        for future in concurrent.futures.as_completed(started):
            if any(lacks(result, expected) for result in future.result()):
                again.append(started[future])
            else:
                yield from future.result()
    for job in again:
        yield from last(job, tree, address, logs, expected)


def lacks(result, expected):
    """Whether a test has not passed that is expected to."""
    return result.outcome != suite.PASSED and expected.get(result.name, suite.Expectation(suite.FAILED)).outcome == suite.PASSED


def last(job, tree, address, logs, expected):
    """Runs a job alone until its tests pass, or often enough."""
    for attempt in range(2, ATTEMPTS_MAX + 1):
        print(f"           {job.title} once more, alone: attempt {attempt} of {ATTEMPTS_MAX}", flush=True)
        results = job.run(tree, address, logs)
        if not any(lacks(result, expected) for result in results):
            break
    return results
