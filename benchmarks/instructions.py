#!/usr/bin/env python3
"""Instructions of the hot loops, counted by callgrind, against the committed baseline.

    benchmarks/instructions.py PROGRAMS_DIRECTORY [--update]

Each figure is the difference of two runs that differ in nothing but how much they do, so starting, connecting and stopping
cancel out. Instructions in user space only: what the kernel does is for the timed benchmarks. Unlike times they hardly vary
between runs and machines, but they do between compilers: the baseline names its own.

Exit code 0: no figure is more than 3 % above its baseline. 1: one is. 2: it could not be measured. --update writes the
baseline anew.
"""

import csv
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BASELINE = pathlib.Path(__file__).with_name("instructions.csv")
TOLERANCE = 0.03
START_SECONDS_MAX = 60
RUN_SECONDS_MAX = 300
# A program under callgrind runs some fifty times slower: a request may take long, and nothing of it is a fault.
PATIENCE = ["--request-timeout-ms", "120000", "--delivery-timeout-ms", "240000"]


class Unmeasured(Exception):
    pass


class Bench:
    def __init__(self, programs):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="millrace-instructions-"))
        # Valgrind 3.19 gives up on the compiler's debugging information, so it gets programs without.
        self.programs = self.scratch / "programs"
        self.programs.mkdir()
        for name in ("millrace-broker", "millrace-load"):
            subprocess.run(["strip", "--strip-debug", "-o", self.programs / name, programs / name], check=True)
        self.runs = 0

    def counting(self, program, arguments):
        """The command that runs a program under callgrind, and the file its counts go to."""
        self.runs += 1
        out = self.scratch / f"callgrind.{self.runs}"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--log-file={out}.log"]
        return command + [str(self.programs / program)] + arguments, out

    def load(self, arguments, counted=False):
        """Runs the generator; its figures, and its instructions when they are counted."""
        # No report on the way: those come by the clock.
        arguments = arguments + ["--json", "--quiet", "--interval-ms", "3600000"]
        command, out = [str(self.programs / "millrace-load")] + arguments, None
        if counted:
            command, out = self.counting("millrace-load", arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
        if done.returncode != 0:
            raise Unmeasured(f"millrace-load {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        return figures, total(out) if counted else None

    def broker(self, data, body, counted=False):
        """Runs a broker around `body(address)`; what body returned, and the broker's instructions when they are counted."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        properties = self.scratch / "server.properties"
        # One event loop: idle threads would only add what they cost to start.
        properties.write_text(
            f"broker.id=0\nlisteners=PLAINTEXT://{address}\nlog.dirs={data}\nnum.network.threads=1\n"
            "millrace.congestion.control=cubic\n"
        )
        command, out = [str(self.programs / "millrace-broker"), str(properties)], None
        if counted:
            command, out = self.counting("millrace-broker", [str(properties)])
        log_path = self.scratch / "broker.log"
        with open(log_path, "w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            while " started " not in log_path.read_text():
                if process.poll() is not None or time.monotonic() > deadline:
                    valgrind = pathlib.Path(f"{out}.log").read_text() if counted else ""
                    raise Unmeasured(f"the broker did not start:\n{log_path.read_text()}{valgrind}")
                time.sleep(0.05)
            result = body(address)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(RUN_SECONDS_MAX)
        return result, total(out) if counted else None

    def produced(self, requests, records_per_request):
        """Instructions of a broker that takes so many requests, one at a time."""
        data = self.scratch / "data"
        shutil.rmtree(data, ignore_errors=True)
        figures, instructions = self.broker(
            data,
            lambda address: self.load(
                ["produce", "--bootstrap-server", address, "--topic", "t", "--partitions", "1", "--record-size", "100"]
                + ["--num-records", str(requests * records_per_request), "--batch-records", str(records_per_request)]
                + ["--in-flight", "1", "--corpus", "random"] + PATIENCE
            )[0],
            counted=True,
        )
        if figures["batches"] != requests:
            raise Unmeasured(f"{figures['batches']} batches were sent and not {requests}")
        return instructions

    def produce(self):
        one, hundred = (
            (self.produced(2500, records) - self.produced(500, records)) / 2000 for records in (1, 100)
        )
        yield "broker-produce-request", one, "a request with one batch of one 100-byte record"
        yield "broker-produce-record", (hundred - one) / 99, "each further record of a batch"

    def filled(self, records, size, batch):
        data = self.scratch / f"topic-{size}"
        self.broker(
            data,
            lambda address: self.load(
                ["produce", "--bootstrap-server", address, "--topic", "t", "--partitions", "1", "--record-size", str(size)]
                + ["--num-records", str(records), "--batch-size", str(batch)]
            ),
        )
        return data

    def fetch(self):
        data = self.filled(170_000, 1000, 65_536)

        def consumed(records):
            figures, instructions = self.broker(
                data,
                lambda address: self.load(
                    ["consume", "--bootstrap-server", address, "--topic", "t", "--num-records", str(records)]
                    + ["--fetch-max-partition-bytes", "65536", "--timeout", "60000", "--no-verify"]
                    + ["--request-timeout-ms", "120000"]
                )[0],
                counted=True,
            )
            return figures["requests"], instructions

        few, many = consumed(32_000), consumed(160_000)
        yield "broker-fetch-request", (many[1] - few[1]) / (many[0] - few[0]), "a fetch answered with one batch of 64 KiB"

    def generate(self):
        few, many = (
            self.load(["produce", "--null-sink", "--num-records", str(n)], counted=True)[1] for n in (200_000, 1_200_000)
        )
        yield "generator-record", (many - few) / 1_000_000, "a 100-byte record made, batched and sent to the null sink"

    def check(self):
        data = self.filled(1_300_000, 100, 262_144)

        def checked(records):
            return self.broker(
                data,
                lambda address: self.load(
                    ["consume", "--bootstrap-server", address, "--topic", "t", "--num-records", str(records)]
                    + ["--timeout", "60000", "--request-timeout-ms", "120000"],
                    counted=True,
                )[1],
            )[0]

        yield "consumer-record", (checked(1_200_000) - checked(200_000)) / 1_000_000, "a 100-byte record consumed and checked"


def total(out):
    """What callgrind counted, all threads together."""
    found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    if not found:
        raise Unmeasured(f"callgrind wrote no counts:\n{pathlib.Path(f'{out}.log').read_text()}")
    out.unlink()
    return int(found[1])


def compiler():
    return subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--update"]
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    if shutil.which("valgrind") is None:
        print("valgrind is missing: run 'sudo apt-get install -y valgrind' (or .ci/dependencies perf)", file=sys.stderr)
        return 2
    bench = None
    try:
        bench = Bench(pathlib.Path(arguments[0]).resolve())
        rows = [row for figures in (bench.produce, bench.fetch, bench.generate, bench.check) for row in figures()]
    except (Unmeasured, OSError, subprocess.SubprocessError) as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 2
    finally:
        if bench:
            shutil.rmtree(bench.scratch, ignore_errors=True)
    if "--update" in sys.argv:
        with open(BASELINE, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["figure", "instructions", "of", "compiler"])
            writer.writerows([name, round(count, 1), meaning, compiler()] for name, count, meaning in rows)
    with open(BASELINE, newline="") as file:
        baseline = {row["figure"]: row for row in csv.DictReader(file)}
    return judge(rows, baseline)


def judge(rows, baseline):
    worse = []
    for name, count, meaning in rows:
        known = float(baseline[name]["instructions"]) if name in baseline else None
        change = f"{count / known - 1:+8.1%} of {known:,.1f}" if known else "  no baseline: run with --update"
        print(f"{name:24} {count:12,.1f} {change}  {meaning}")
        if known is None or count > known * (1 + TOLERANCE):
            worse.append(name)
    compilers = {row["compiler"] for row in baseline.values()}
    if compilers != {compiler()}:
        print(f"the baseline is of {', '.join(sorted(compilers))}; this is {compiler()}: other counts may be the compiler's")
    if worse:
        print(f"more than {TOLERANCE:.0%} above the baseline: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
