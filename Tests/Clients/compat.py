"""The clients' own test suites against the broker, and docs/compatibility.md.

    compat.py [--fast] [--only SUITE] [--brokers N] [--check-page] BROKER_BINARY CACHE [TEST ...]

Without options every suite is run, and the page is written when everything was as expected. --fast runs those that take seconds;
--only runs one, or some of its tests; --brokers runs librdkafka's against a cluster of so many brokers and ZooKeeper; --check-page only compares the page with the lists of expectations. Exit code 0 when everything was
as expected, 1 when something was not, 2 when a suite could not be had.
"""

import argparse
import functools
import pathlib
import sys
import time

from suites import kafka_python, librdkafka, page, suite, verifiable

PYPI = "source distribution on PyPI"
SUITES = [
    suite.Suite("kafka-python-2.0", "kafka-python", kafka_python.V2_0.number, PYPI, kafka_python.V2_0.run, is_fast=True),
    suite.Suite("kafka-python-2.3", "kafka-python", kafka_python.V2_3.number, PYPI, kafka_python.V2_3.run, is_fast=True),
    suite.Suite("kafka-python-3.0", "kafka-python", kafka_python.V3_0.number, PYPI, kafka_python.V3_0.run, is_fast=True),
    suite.Suite("confluent-kafka", "confluent-kafka", verifiable.VERSION, PYPI, verifiable.run, is_fast=True),
    suite.Suite("librdkafka", "librdkafka", librdkafka.VERSION, "source package of Debian", librdkafka.run),
]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/compatibility.md"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", choices=[one.name for one in SUITES])
    parser.add_argument("--brokers", type=int, default=1)
    parser.add_argument("--check-page", action="store_true")
    parser.add_argument("binary", nargs="?")
    parser.add_argument("cache", nargs="?", type=pathlib.Path)
    parser.add_argument("tests", nargs="*")
    asked = parser.parse_args()
    if asked.check_page:
        return check_page()
    if not asked.cache or (asked.tests and not asked.only):
        parser.error("give BROKER_BINARY and CACHE; tests are those of one suite, which --only names")
    if asked.brokers > 1 and asked.only != "librdkafka":
        parser.error("librdkafka's suite alone knows what to do with several brokers: --only librdkafka")
    began, wrong, missing = time.monotonic(), [], []
    for one in SUITES:
        if asked.only not in (None, one.name) or (asked.fast and not one.is_fast):
            continue
        try:
            wrong += run(one, asked)
        except suite.Missing as why:
            missing.append(f"{one.name}: {why}")
    print(f"\n{time.monotonic() - began:.0f} s in all")
    for sentence in wrong + missing:
        print(f"unexpected: {sentence}")
    if not wrong and not missing and not asked.only and not asked.fast:
        PAGE.write_text(page.text(SUITES))
    if wrong:
        return 1
    # Without a network the fast suites are left out, as the clients of PyPI are.
    return 2 if missing and not asked.fast else check_page()


def run(one, asked):
    names = asked.tests or [name for name, expected in one.expectations.items() if expected.outcome != suite.UNRUN]
    print(f"\n{one.client} {one.version}, {len(names)} tests", flush=True)
    cache = asked.cache / one.client
    cache.mkdir(parents=True, exist_ok=True)
    body = functools.partial(one.run, brokers=asked.brokers) if asked.brokers > 1 else one.run
    return suite.judge(one, body(asked.binary, cache.resolve(), names), asked.tests, asked.brokers)


def check_page():
    if PAGE.exists() and PAGE.read_text() == page.text(SUITES):
        return 0
    print(f"{PAGE.name} is not what the lists of expectations say: run `make compat`, which writes it")
    return 1


if __name__ == "__main__":
    sys.exit(main())
