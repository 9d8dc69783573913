#!/usr/bin/env bash
# TLS and SASL: real clients with right and wrong secrets and certificates, our own programs, openssl, and hostile handshakes.
#
#   Tests/Clients/security.sh .build/release/millrace-broker [client or check ...]
#
# Certificates are made by openssl. Exit code 0 when every check passed; the last line says how many did.
set -euo pipefail

broker=$(realpath "${1:?usage: security.sh BROKER_BINARY [client or check ...]}")
shift
here=$(cd "$(dirname "$0")" && pwd)

for program in kcat openssl; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is missing: run 'sudo apt-get install -y $program' (or .ci/dependencies test)" >&2
    exit 2
  fi
done

source "$here/venv.sh"
if [ -z "$python" ]; then
  echo "PyPI is out of reach, so confluent-kafka, kafka-python and aiokafka are missing: SKIPPED" >&2
  exit 0
fi

exec "$python" -B "$here/security.py" "$broker" "$@"
