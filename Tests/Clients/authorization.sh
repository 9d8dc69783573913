#!/usr/bin/env bash
# ACLs and quotas with real clients: confluent-kafka, kafka-python, kcat and our own commands, against a broker started for the purpose.
#
#   Tests/Clients/authorization.sh .build/release/millrace-broker [.build/release/millrace]
set -euo pipefail

broker=$(realpath "${1:?usage: authorization.sh BROKER_BINARY [MILLRACE_BINARY]}")
millrace=$(realpath "${2:-$(dirname "$broker")/millrace}")
here=$(cd "$(dirname "$0")" && pwd)

source "$here/venv.sh"
if [ -z "$python" ]; then
  echo "PyPI is out of reach: SKIPPED"
  echo "0 passed, 0 failed"
  exit 0
fi

exec "$python" -B "$here/authorization.py" "$broker" "$millrace"
