"""What the test suites have in common: results, expectations, and the comparison of the two."""

import dataclasses
import pathlib

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
# Not run at all, because of what the reason says.
UNRUN = "unrun"
OUTCOMES = (PASSED, FAILED, SKIPPED, UNRUN)

EXPECTED = pathlib.Path(__file__).resolve().parent / "expected"


class Missing(Exception):
    """A suite cannot be had: no network, no compiler."""


@dataclasses.dataclass(frozen=True)
class Result:
    name: str
    outcome: str
    detail: str = ""
    seconds: float = 0


@dataclasses.dataclass(frozen=True)
class Expectation:
    outcome: str
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Suite:
    """A published test suite of one version of a client.

    `run(binary, cache, names)` starts its own broker of `binary`, keeps what it fetches and logs under `cache`, and yields results;
    `names` are the tests that are expected to be run, or those that were asked for.
    """

    name: str
    client: str
    version: str
    source: str
    run: object
    is_fast: bool = False

    @property
    def expectations(self):
        return read(EXPECTED / f"{self.name}.txt")


def read(path):
    """The expectations of a file: on each line a test, its outcome, and the reason of every outcome but `passed`."""
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, outcome, *reason = line.split(None, 2)
        if outcome not in OUTCOMES or name in found or (outcome == PASSED) == bool(reason):
            raise ValueError(f"{path.name}:{number}: a test, once, with {', '.join(OUTCOMES)}, and why unless it passes: {line}")
        found[name] = Expectation(outcome, *reason)
    return found


def surprise(result, expected):
    """What is wrong with a result; None when it is as expected."""
    if expected is None:
        return f"{result.outcome}, and the list of expectations has no such test"
    if result.outcome == expected.outcome:
        return None
    told = f"{expected.outcome} ({expected.reason})" if expected.reason else expected.outcome
    return f"{result.outcome} instead of {told}"


def judge(suite, results, asked=(), brokers=1):
    """Prints each result as it comes; returns what is wrong, as sentences.

    The expectations are those of one broker: with several, a test that cannot pass with one may have any outcome.
    """
    wanted, seen, wrong = suite.expectations, set(), []
    for result in results:
        seen.add(result.name)
        expected = wanted.get(result.name)
        problem = surprise(result, expected)
        if brokers > 1 and expected and expected.outcome != PASSED:
            problem = None
        print(f"{'UNEXPECTED' if problem else 'ok':10} {result.outcome:8} {result.seconds:6.1f} s  {result.name}", flush=True)
        if problem:
            wrong.append(f"{suite.name}: {result.name}: {problem}")
            print(f"           {problem}\n           {result.detail}", flush=True)
    if not asked:
        for name, expected in wanted.items():
            if expected.outcome != UNRUN and name not in seen:
                wrong.append(f"{suite.name}: {name}: the suite has no such test")
    return wrong
