"""Runs checks one by one, each within a time limit, and counts."""

import signal
import sys
import time
import traceback

CHECK_SECONDS_MAX = 60


class Overdue(Exception):
    pass


def overdue(signum, frame):
    raise Overdue(f"not done after {CHECK_SECONDS_MAX} s")


class Checks:
    def __init__(self, broker):
        self.broker = broker
        self.passed = 0
        self.failed = []

    def run(self, name, body):
        signal.signal(signal.SIGALRM, overdue)
        signal.alarm(CHECK_SECONDS_MAX)
        began = time.monotonic()
        try:
            body()
        except BaseException as failure:  # noqa: a client's exceptions have many bases
            if isinstance(failure, KeyboardInterrupt):
                raise
            signal.alarm(0)
            self.failed.append(name)
            print(f"FAILED {name} ({time.monotonic() - began:.1f} s)")
            print("  " + "".join(traceback.format_exception(failure)[-4:]).replace("\n", "\n  "))
            print("  the broker's last words:\n  " + self.broker.tail(5).replace("\n", "\n  "))
        else:
            signal.alarm(0)
            self.passed += 1
            print(f"ok {name} ({time.monotonic() - began:.1f} s)")
        sys.stdout.flush()


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def expect_equal(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what} is {actual!r}, not {wanted!r}")
