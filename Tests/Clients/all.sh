#!/usr/bin/env bash
# Real clients against the broker (kcat, confluent-kafka, kafka-python, aiokafka), and those of their own suites that take seconds. run.sh and
# security.sh run side by side, for they wait for timeouts and rebalances most of the time. Each prints what it has to say in one piece.
#
#   Tests/Clients/all.sh .build/release
set -uo pipefail
programs=$(realpath "${1:?usage: all.sh DIRECTORY_OF_PROGRAMS}")
broker=$programs/millrace-broker
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$here/security.sh" "$broker" >"$log" 2>&1 &
security=$!
failed=0
"$here/run.sh" "$broker" || failed=$?
wait "$security" || failed=$?
cat "$log"
"$here/compat.sh" --fast "$broker" || failed=$?
"$here/authorization.sh" "$broker" "$programs/millrace" || failed=$?
exit "$failed"
