#!/usr/bin/env bash
# librdkafka's own test suite, in its quick mode, against a broker started for the purpose.
#
#   Tests/Clients/librdkafka.sh .build/release/millrace-broker [TEST ...]      TEST: 0001, 0002, ...; default: `must_pass`
#
# The source is Debian's, fetched with apt-get (in a state of its own: the system's lists stay as they are) and built once
# under .build/librdkafka-tests; nothing of it is part of this project. One line a test, then a summary. Exit code 0 when
# all that must pass did, 1 when one did not, 2 when the suite could not be had. Logs: .build/librdkafka-tests/logs.
set -euo pipefail

must_pass=(0001 0002 0003 0005 0007 0008 0011 0012 0013 0014 0015 0017 0020 0021 0029 0030 0033 0036 0038 0039 0040 0041
  0042 0048 0049 0050 0051 0052 0054 0056 0057 0060 0064 0067 0069 0070 0073 0074 0076 0083 0084 0085 0086 0089 0090 0091
  0092 0093 0094 0099 0113 0116 0118 0125 0129 0130)

# What can fail on a busy machine through no fault of the broker's, and is tried again: test, and why.
declare -A races=(
  [0015]="rd_kafka_seek_partitions of librdkafka 2.0 waits 7000 us where it says 7000 ms"
)
attempts_max=3

test_seconds_max=180
suite_seconds_max=3600
version=3.9.0 # of Kafka, for the suite's own choice of what to expect

[ $# -gt 0 ] || { echo "usage: librdkafka.sh BROKER_BINARY [TEST ...]" >&2; exit 2; }
broker=$(realpath "$1")
shift
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=("${must_pass[@]}")
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$here/../../.build/librdkafka-tests"
cache=$(cd "$here/../../.build/librdkafka-tests" && pwd)

missing() {
  echo "librdkafka's test suite cannot be run: $*" >&2
  exit 2
}

# The source package into $cache/source, by an apt that knows only Debian's sources of this release.
fetch() {
  local tool release
  for tool in apt-get dpkg-source; do
    command -v $tool >/dev/null || missing "no $tool: this needs Debian or a relative, with dpkg-dev"
  done
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ -n "$release" ] || missing "/etc/os-release names no Debian release"
  [ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || missing "no debian-archive-keyring: apt-get install it"
  local apt=$cache/apt
  mkdir -p "$apt"/{lists,archives}/partial "$apt/parts"
  cat >"$apt/debian.sources" <<END
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: $release
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
  local options=(-qq -o Dir::Etc::SourceList="$apt/debian.sources" -o Dir::Etc::SourceParts="$apt/parts"
    -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Sandbox::User=root -o Acquire::Retries=2)
  timeout 300 apt-get "${options[@]}" -o APT::Update::Error-Mode=any update || missing "apt-get cannot fetch Debian's source lists: is the network there?"
  rm -rf "$cache/download" "$cache/source"
  mkdir "$cache/download"
  (cd "$cache/download" && timeout 300 apt-get "${options[@]}" source --download-only librdkafka) ||
    missing "apt-get cannot fetch the source of librdkafka"
  dpkg-source -x "$cache"/download/librdkafka_*.dsc "$cache/source" >"$cache/unpack.log" 2>&1 ||
    missing "dpkg-source failed: $cache/unpack.log"
}

build() {
  local tool
  for tool in gcc g++ make python3; do command -v $tool >/dev/null || missing "no $tool: apt-get install build-essential python3"; done
  cd "$cache/source"
  # Kerberos is not needed, and its library is seldom there.
  { ./configure --disable-gssapi && nice make -j"$(nproc)" libs && nice make -j"$(nproc)" -C tests build; } \
    >"$cache/build.log" 2>&1 || missing "librdkafka does not build: $cache/build.log"
  cd "$here"
}

runner=$cache/source/tests/test-runner
if [ ! -x "$runner" ]; then
  echo "fetching and building librdkafka and its tests: some minutes, once" >&2
  fetch
  build
fi

scratch=$(mktemp -d /tmp/millrace-librdkafka-XXXXXX)
broker_pid=
finish() {
  if [ -n "$broker_pid" ] && kill -TERM "$broker_pid" 2>/dev/null; then
    wait "$broker_pid" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 1' INT TERM

rm -rf "$cache/logs"
mkdir -p "$cache/logs" "$scratch/data" "$scratch/run"
# The suite assumes four partitions in topics that it has not made itself.
cat >"$scratch/server.properties" <<END
broker.id=1
listeners=PLAINTEXT://127.0.0.1:0
log.dirs=$scratch/data
num.partitions=4
auto.create.topics.enable=true
END
: >"$cache/logs/broker.log"
timeout --kill-after=20 "$suite_seconds_max" "$broker" "$scratch/server.properties" 2>>"$cache/logs/broker.log" &
broker_pid=$!
address=
for _ in $(seq 100); do
  address=$(sed -n 's/.*started.*PLAINTEXT:\/\/\([0-9.:]*\).*/\1/p' "$cache/logs/broker.log")
  [ -z "$address" ] || break
  kill -0 "$broker_pid" 2>/dev/null || break
  sleep 0.1
done
[ -n "$address" ] || { echo "the broker did not start:" >&2; cat "$cache/logs/broker.log" >&2; exit 1; }
echo "bootstrap.servers=$address" >"$scratch/test.conf"

# Runs one test, which may have several parts, and prints its line. True unless it failed and should not have.
run() {
  local tries=1
  [ -z "${races[$1]:-}" ] || tries=$attempts_max
  while ! attempt "$1"; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
  done
}

attempt() {
  local test=$1 log=$cache/logs/$1.log began=$SECONDS status=0 lines outcome why
  (
    cd "$scratch/run"
    TESTS=$test TEST_KAFKA_VERSION=$version RDKAFKA_TEST_CONF="$scratch/test.conf" BROKERS=$address KAFKA_PATH="$here/kafka" \
      LD_LIBRARY_PATH="$cache/source/src:$cache/source/src-cpp" \
      timeout --kill-after=10 $test_seconds_max "$runner" -Q -p1 || exit $?
  ) >"$log" 2>&1 || status=$?
  # The summary's lines: | name | STATE | seconds | why |, in colours.
  lines=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | sed -n "s/^| *\(${test}_[^ ]*\) *| *\([A-Z]*\) *| *[0-9.]*s *| *\(.*\)/\1 \2 \3/p")
  why=$(awk '$2 != "PASSED" { $2 = tolower($2); print; exit }' <<<"$lines")
  if [ "$status" -eq 0 ] && [ -n "$lines" ] && [ -z "$why" ]; then
    outcome=passed
  elif [ "$status" -eq 0 ]; then
    outcome=skipped why=${why:-the suite has no such test}
  elif [ "$status" -eq 124 ]; then
    outcome=failed why="not done after $test_seconds_max s"
  else
    outcome=failed why=$(sed -n '/### Test/ { n; p; q; }' "$log")
  fi
  [ "$outcome" = passed ] || why=${why:-exit code $status}
  printf '%s  %-12s %4d s  %s\n' "$test" "$outcome" $((SECONDS - began)) "$why"
  [ "$outcome" != failed ] || [ -z "${races[$test]:-}" ] || echo "      (${races[$test]})"
  counts[$outcome]=$((${counts[$outcome]:-0} + 1))
  [ "$outcome" = passed ]
}

declare -A counts=()
failed=()
for test in "${tests[@]}"; do run "$test" || failed+=("$test"); done
kill -0 "$broker_pid" 2>/dev/null || { echo "the broker is gone; its last words:"; tail -20 "$cache/logs/broker.log"; failed+=(broker); }
echo "${counts[passed]:-0} passed, ${#failed[@]} did not pass: ${failed[*]:-none}" \
  "(librdkafka $(sed -n 's/.*librdkafka_\([^_]*\)\.dsc$/\1/p' <<<"$(echo "$cache"/download/*.dsc)"), logs in $cache/logs)"
[ ${#failed[@]} -eq 0 ]
