#!/usr/bin/env bash
# The clients' own test suites against a broker started for the purpose.
#
#   Tests/Clients/compat.sh [--fast] [--only SUITE] [--brokers N] .build/release/millrace-broker [TEST ...]
#
# What they need from PyPI is installed into .build/suites-venv, what is fetched and logged is under .build/suites. Exit code 0 when
# every test was as Tests/Clients/suites/expected says, 1 when one was not, 2 when a suite could not be had (with --fast, which is for
# machines without a network too, those are left out).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$here/../../.build/suites"
build=$(cd "$here/../../.build" && pwd)
options=()
fast=
while [[ ${1:-} == --* ]]; do
  options+=("$1")
  case $1 in
    --fast) fast=1 ;;
    --only) options+=("${2:?--only needs the name of a suite}"); shift ;;
    --brokers) options+=("${2:?--brokers needs a number}"); shift ;;
    *) echo "compat.sh: no option $1" >&2; exit 2 ;;
  esac
  shift
done
broker=$(realpath "${1:?usage: compat.sh [--fast] [--only SUITE] [--brokers N] BROKER_BINARY [TEST ...]}")
shift

venv=$build/suites-venv
stamp=$venv/installed-requirements.txt
if ! cmp -s "$here/suites/requirements.txt" "$stamp"; then
  python3 -m venv "$venv" || { echo "no venv: run 'sudo apt-get install -y python3-venv'" >&2; exit 2; }
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/suites/requirements.txt"; then
    echo "PyPI is out of reach, so the clients' own suites are SKIPPED" >&2
    [ -n "$fast" ] && exit 0 || exit 2
  fi
  cp "$here/suites/requirements.txt" "$stamp"
fi

exec "$venv/bin/python" -B "$here/compat.py" "${options[@]}" "$broker" "$build/suites" "$@"
