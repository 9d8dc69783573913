"""docs/compatibility.md, which follows from the lists of expectations: `make compat` writes it when they have held."""

import collections

from . import suite

HEAD = """# Compatibility

The clients' own test suites, run against Millrace. `make compat` fetches them (nothing of them is part of this project), runs them against a
broker of their own, and compares every test with what `Tests/Clients/suites/expected` says of it; when all of that has held, it writes this
page from the same lists. The suites that take seconds are part of `make clients`, and so of continuous integration, beside the checks in
`Tests/Clients/clients`: of groups, transactions and administration with kcat, confluent-kafka, aiokafka and kafka-python 3, and of KIP-848
with confluent-kafka, the one of them that speaks it. kafka-python 2.0 and 2.3 are covered by their own tests.

A test that does not pass is listed with the reason. *skipped* is the suite's own doing, *unrun* are tests that are not started at all.
"""


def text(suites):
    parts = [HEAD, summary(suites)]
    parts += [exceptions(one) for one in suites if len(passed(one)) < len(one.expectations)]
    parts.append((suite.EXPECTED / "findings.md").read_text())
    return "\n".join(parts)


def passed(one):
    return [name for name, expected in one.expectations.items() if expected.outcome == suite.PASSED]


def summary(suites):
    rows = ["| client | version | tests from | tests | passed | not passed |", "|---|---|---|---:|---:|---:|"]
    for one in suites:
        count, good = len(one.expectations), len(passed(one))
        rows.append(f"| {one.client} | {one.version} | {one.source} | {count} | {good} | {count - good} |")
    return "\n".join(rows) + "\n"


def exceptions(one):
    """The tests that do not pass; those of one reason in one row, in the order of the first."""
    reasons = {}
    for name, expected in one.expectations.items():
        if expected.outcome != suite.PASSED:
            reasons.setdefault((expected.outcome, expected.reason), []).append(name)
    rows = [f"## {one.client} {one.version}: what does not pass", "", "| test | outcome | why |", "|---|---|---|"]
    rows += [f"| {listed(names)} | {outcome} | {reason} |" for (outcome, reason), names in reasons.items()]
    return "\n".join(rows) + "\n"


def listed(names):
    """The names, each test once with the number of its parameters."""
    counts = collections.Counter(name.partition("[")[0] for name in names)
    return ", ".join(f"`{name}`" + (f" ({count} parameters)" if count > 1 else "") for name, count in counts.items())
