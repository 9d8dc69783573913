#!/usr/bin/env bash
# The tests of every module, one module after the other: in one process those that only calculate would keep the
# cores from those with sockets and clocks, which then run out of time on a small machine. The end-to-end tests, each
# with programs of its own, run one by one for the same reason; they wait most of the time, so they run beside the modules.
#
#   Tests/unit.sh [DIRECTORY [COMMAND...]]
#
# The directory has the tests' program and the programs that tests start; without one it is the debug build's. The command, which waits most of
# the time too, runs after the modules, while the last of the end-to-end tests do; it fails this script when it fails.
set -uo pipefail
cd "$(dirname "$0")/.."
programs=$(realpath "${1:-$(swift build --show-bin-path)}")
export MILLRACE_PROGRAMS=$programs
shift $(($# > 0 ? 1 : 0))
# The tests' own program: `swift test` would plan the whole package anew for each module, which takes some seconds.
tests=$programs/millracePackageTests.xctest
# Hundreds of brokers that start and stop in one process wait for the disk's syncs most of the time. What a sync must bring about is the
# business of other tests (a simulated disk, brokers that are killed); these may keep their files in memory, where there is enough.
memory=
if [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -n 1)" -ge $((2 << 20)) ]; then memory=$(mktemp -d /dev/shm/millrace-XXXXXX); fi
trap '[ -z "$memory" ] || rm -rf "$memory"' EXIT
failed=()

# Runs the tests of one module; says how it went, in one line.
run() {
  local name=$1 log=.build/unit-$1.log order=--parallel directory=${TMPDIR:-/tmp}
  [ "$name" = EndToEndTests ] && order=--no-parallel
  [ "$name" = BrokerTests ] && directory=${memory:-$directory}
  if TMPDIR=$directory "$tests" --testing-library swift-testing $order --filter "^$name\\." </dev/null >"$log" 2>&1 && grep -q --text 'Test run with [1-9]' "$log"; then
    echo "$name: $(grep --text 'Test run with' "$log" | tail -n 1)"
  else
    echo "$name: FAILED"
    return 1
  fi
}

run EndToEndTests &
beside=$!
for module in Tests/*Tests; do
  name=$(basename "$module")
  [ "$name" = EndToEndTests ] || run "$name" || failed+=("$name")
done
others=0
[ $# -eq 0 ] || "$@" || others=$?
wait "$beside" || failed+=(EndToEndTests)
for name in "${failed[@]}"; do
  echo "--- what failed in $name (all of it: .build/unit-$name.log):"
  grep --text -A 8 '✘' ".build/unit-$name.log" | tail -n 200 || tail -n 100 ".build/unit-$name.log"
done
[ "$others" -eq 0 ] || echo "failed: $*"
[ ${#failed[@]} -eq 0 ] && [ "$others" -eq 0 ]
