#!/usr/bin/env bash
# Real clients against a broker started for the purpose: kcat, confluent-kafka, kafka-python, aiokafka.
#
#   Tests/Clients/run.sh .build/release/millrace-broker [client ...]
#
# The Python clients are installed into .build/clients-venv from requirements.txt. Exit code 0 when every check passed;
# the last line says how many did.
set -euo pipefail

broker=$(realpath "${1:?usage: run.sh BROKER_BINARY [client ...]}")
shift
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v kcat >/dev/null; then
  echo "kcat is missing: run 'sudo apt-get install -y kcat' (or .ci/dependencies test)" >&2
  exit 2
fi

source "$here/venv.sh"
if [ -z "$python" ]; then
  echo "PyPI is out of reach, so confluent-kafka, kafka-python and aiokafka are SKIPPED; kcat and the hand-written client run" >&2
  set -- raw kcat kcat_groups
  python=python3
fi

exec "$python" -B "$here/run.py" "$broker" "$@"
