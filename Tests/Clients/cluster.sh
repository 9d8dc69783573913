#!/usr/bin/env bash
# Real clients of a cluster of three brokers and ZooKeeper on this machine, while brokers are killed, paused, cut off and restarted.
#
#   Tests/Clients/cluster.sh .build/release [scenario ...] [--repeat N] [--client-log FILE]
#
# Needs root, for the network namespaces of the brokers, and ZooKeeper. The Python clients are installed into .build/clients-venv from
# requirements.txt. Prints a line for each scenario; exit code 0 when every one passed, 2 when something is missing.
set -euo pipefail

programs=$(realpath "${1:?usage: cluster.sh PROGRAMS_DIRECTORY [scenario ...]}")
shift
here=$(cd "$(dirname "$0")" && pwd)

if [ "$(id -u)" != 0 ]; then
  echo "the brokers' network namespaces need root" >&2
  exit 2
fi
source "$here/venv.sh"
if [ -z "$python" ]; then
  echo "PyPI is out of reach, so there are no clients" >&2
  exit 2
fi
exec timeout --signal=INT 3600 "$python" -B "$here/cluster.py" "$programs" "$@"
