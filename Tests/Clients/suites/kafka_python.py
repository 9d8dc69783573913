"""kafka-python's integration tests, as its source distributions on PyPI have them.

The distributions leave out the modules that start Apache Kafka; the smallest that will do instead are in `shims`.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree

from broker import Broker

from . import suite

SHIMS = suite.EXPECTED.parent / "shims"
KAFKA_VERSION = "3.9.0"
TEST_SECONDS_MAX = 120
# As the suite's own brokers are set up: four partitions, the number 0, sessions from one second on.
SETTINGS = {"broker.id": 0, "num.partitions": 4, "group.min.session.timeout.ms": 1000}


# A consumer of 3.0.12 forgets a subscription that is made between its first Metadata request, which is for no topics, and the response: it
# takes the response for the topics' metadata and asks again after 300 s (its log: "Updating subscribed topics" between Send and Recv, then
# "Sleeping 299.99"). So a test that fails is run again, and that is printed.
ATTEMPTS_MAX = 4


class Version:
    """A version of the client, and how its tests are run."""

    def __init__(self, number, files, shims, extra=()):
        self.number = number
        self.files = files
        self.shims = shims
        self.extra = extra

    def fetch(self, cache):
        """The unpacked source distribution, with the shims in it."""
        tree = cache / f"kafka-python-{self.number}"
        if not tree.is_dir():
            archive = download(f"kafka-python=={self.number}", cache)
            with tarfile.open(archive) as packed:
                packed.extractall(cache, filter="data")
            shutil.move(cache / archive.name.removesuffix(".tar.gz"), tree)
        (tree / "test/__init__.py").touch()
        for shim, place in self.shims.items():
            shutil.copyfile(SHIMS / shim, tree / "test" / place)
        return tree

    def run(self, binary, cache, names):
        cache.mkdir(parents=True, exist_ok=True)
        tree = self.fetch(cache)
        found = {}
        with Broker(binary, SETTINGS) as broker:
            for version, only in ((KAFKA_VERSION, ()), *self.extra):
                report = cache / f"{self.number}-{version}.xml"
                pytest(tree, broker.address, version, [*self.files, *only], report)
                found.update((result.name, result) for result in results(report))
            for attempt in range(2, ATTEMPTS_MAX + 1):
                lacking = [result for result in found.values() if lacks(result, self.expected)]
                again = [place for place in (self.place(tree, result) for result in lacking) if place]
                if not again:
                    break
                for result in lacking:
                    print(f"           {result.name} once more: attempt {attempt} of {ATTEMPTS_MAX}, after {result.detail}", flush=True)
                report = cache / f"{self.number}-{KAFKA_VERSION}-{attempt}.xml"
                pytest(tree, broker.address, KAFKA_VERSION, again, report)
                found.update((result.name, result) for result in results(report))
        chosen = set(names)
        yield from (result for result in found.values() if not chosen or result.name in chosen or result.name not in self.expected)

    def place(self, tree, result):
        """A test as pytest is given it; None where its file is not found."""
        module, _, test = result.name.partition("::")
        file, *classes = module.split(".")
        found = sorted(tree.glob(f"test/**/{file}.py"))
        return "::".join([str(found[0].relative_to(tree)), *classes, test]) if found else None

    @property
    def expected(self):
        return suite.read(suite.EXPECTED / f"kafka-python-{self.number.rsplit('.', 1)[0]}.txt")


def lacks(result, expected):
    """Whether a test has not passed that is expected to."""
    return result.outcome != suite.PASSED and expected.get(result.name, suite.Expectation(suite.FAILED)).outcome == suite.PASSED


def download(requirement, directory):
    """A source distribution from PyPI; its archive."""
    before = set(directory.iterdir())
    # It is not built, so what it would take to build it is not asked for either.
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:",
         "--dest", directory, requirement], check=False,
    )  # fmt: skip
    archives = [path for path in set(directory.iterdir()) - before if path.name.endswith(".tar.gz")]
    if done.returncode or len(archives) != 1:
        raise suite.Missing(f"PyPI gives no source distribution of {requirement}")
    return archives[0]


def pytest(tree, address, version, arguments, report):
    report.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "KAFKA_URI": f"kafka://{address}", "KAFKA_VERSION": version, "KAFKA_ROOT": str(tree), "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "--quiet", f"--timeout={TEST_SECONDS_MAX}",
        f"--junitxml={report}", *arguments,
    ]  # fmt: skip
    with open(report.with_suffix(".log"), "wb") as log:
        subprocess.run(command, cwd=tree, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)
    if not report.exists():
        raise RuntimeError(f"pytest wrote no report, see {report.with_suffix('.log')}")


def results(report):
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        outcome, detail = suite.PASSED, ""
        for tag, meaning in (("skipped", suite.SKIPPED), ("error", suite.FAILED), ("failure", suite.FAILED)):
            found = case.find(tag)
            if found is not None:
                outcome, detail = meaning, found.get("message", "").splitlines()[0][:300]
        module = case.get("classname").removeprefix("test.").removeprefix("integration.")
        yield suite.Result(f"{module}::{case.get('name')}", outcome, f"{detail} (report: {report})", float(case.get("time")))


SERVICE = {"kafka_python_service.py": "service.py"}
V2_0 = Version(
    "2.0.6",
    [f"test/test_{name}.py" for name in ("admin_integration", "consumer_group", "consumer_integration", "producer", "sasl_integration")],
    {**SERVICE, "kafka_python_conftest.py": "conftest.py"},
)
V2_3 = Version("2.3.3", ["test/integration"], SERVICE)
# Two tests want a broker of 4.0, for an API that this broker has.
V3_0 = Version("3.0.12", ["test/integration"], SERVICE, extra=[("4.0.0", ["-k", "test_describe_topic_partitions"])])
