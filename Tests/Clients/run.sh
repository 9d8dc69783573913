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
venv="$here/../../.build/clients-venv"

if ! command -v kcat >/dev/null; then
  echo "kcat is missing: run 'sudo apt-get install -y kcat' (or .ci/dependencies test)" >&2
  exit 2
fi

stamp="$venv/installed-requirements.txt"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  python3 -m venv "$venv" || { echo "no venv: run 'sudo apt-get install -y python3-venv'" >&2; exit 2; }
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"; then
    echo "the Python clients cannot be installed: '$venv/bin/pip install -r $here/requirements.txt' failed" >&2
    exit 2
  fi
  cp "$here/requirements.txt" "$stamp"
fi

exec "$venv/bin/python" -B "$here/run.py" "$broker" "$@"
