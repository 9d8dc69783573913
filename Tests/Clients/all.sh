#!/usr/bin/env bash
# run.sh and security.sh side by side, which wait for timeouts and rebalances most of the time. Each prints what it has to say in one piece.
#
#   Tests/Clients/beside.sh .build/release/millrace-broker
set -uo pipefail
broker=$(realpath "${1:?usage: beside.sh BROKER_BINARY}")
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$here/security.sh" "$broker" >"$log" 2>&1 &
security=$!
"$here/run.sh" "$broker"
failed=$?
wait "$security" || failed=$?
cat "$log"
exit "$failed"
