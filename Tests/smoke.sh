#!/usr/bin/env bash
# The harness itself: bare arms of one experiment from definition to chart and report, and the generator against the broker.
#
#   Tests/smoke.sh .build/release
#
# Exit code 0 when every file is there and nothing was lost.
set -euo pipefail

# A test of the programs, not a measurement: others may use the machine meanwhile, and no run is made again for that.
programs=$(realpath "${1:?usage: smoke.sh DIRECTORY_OF_PROGRAMS}")
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
broker=
finish() {
  [ -z "$broker" ] || kill -TERM "$broker" 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT

"$programs/millrace" run zero-copy --profile quick --bare-only --seed 1 --without repeats \
  --results "$scratch/results" --plots "$scratch/plots"
for file in "$scratch"/results/11-zero-copy/*/rows.csv "$scratch/plots/11-zero-copy.svg" "$scratch/results/index.html"; do
  [ -s "$file" ] || { echo "smoke: $file is missing or empty" >&2; exit 1; }
done

cat > "$scratch/server.properties" <<PROPERTIES
broker.id=1
listeners=PLAINTEXT://127.0.0.1:0
log.dirs=$scratch/data
PROPERTIES
"$programs/millrace-broker" "$scratch/server.properties" 2> "$scratch/broker.log" &
broker=$!
port=
for _ in $(seq 100); do
  port=$(sed -nE 's/.* started .*PLAINTEXT:\/\/127\.0\.0\.1:([0-9]+).*/\1/p' "$scratch/broker.log")
  [ -n "$port" ] && break
  sleep 0.1
done
[ -n "$port" ] || { echo "smoke: the broker did not start:" >&2; cat "$scratch/broker.log" >&2; exit 1; }
for what in "produce --partitions 3 --record-size 100" consume; do
  # shellcheck disable=SC2086 # the words of $what are words of the command
  "$programs/millrace-load" $what --bootstrap-server "127.0.0.1:$port" --topic smoke \
    --num-records 300000 --json 2> "$scratch/load.log" | tail -n 1 > "$scratch/load.json" || true
  grep -q '"records":300000,' "$scratch/load.json" && grep -q '"lost":0,"duplicated":0' "$scratch/load.json" || {
    echo "smoke: millrace-load $what went wrong:" >&2
    cat "$scratch/load.log" "$scratch/load.json" >&2
    exit 1
  }
done

# Throughput over volume at a cluster that runs already, small: two replicates of the arms, redrawn without the broker.
mkdir "$scratch/experiments"
sed -e 's/^    replicates: 5$/    replicates: 2/' -e 's/width: 0.5, max: 5,/width: 0.5, max: 2,/' experiments/06-throughput-over-volume.yaml \
  > "$scratch/experiments/06-throughput-over-volume.yaml"
"$programs/millrace" run throughput-over-volume --profile quick --until 32MiB --target "127.0.0.1:$port" --seed 1 \
  --without ceiling-probe --without generator-probe --without repeats --experiments "$scratch/experiments" \
  --results "$scratch/results" --plots "$scratch/plots" > "$scratch/target.log" || {
  echo "smoke: the run at a target went wrong:" >&2
  cat "$scratch/target.log" >&2
  exit 1
}
left=$("$programs/millrace" topics list --bootstrap-server "127.0.0.1:$port" | grep -c '^millrace-' || true)
[ "$left" -eq 0 ] || { echo "smoke: $left topics were left behind at the target" >&2; exit 1; }

kill -TERM "$broker"
wait "$broker" || { echo "smoke: the broker ended with $?" >&2; exit 1; }
broker=
rm -r "$scratch/plots"
"$programs/millrace" plot throughput-over-volume --experiments "$scratch/experiments" --results "$scratch/results" \
  --plots "$scratch/plots" > /dev/null
grep -q "at 127.0.0.1:$port" "$scratch/plots/06-throughput-over-volume.svg" || {
  echo "smoke: the figure was not redrawn from the CSV, or does not name the target" >&2
  exit 1
}

# A line of a file of one's own, through every codec.
"$programs/millrace" codecs --corpus README.md --batch 1 10 --seconds 0.001 --repeat 1 --out "$scratch/codecs" \
  > "$scratch/codecs.log"
for file in codecs.csv codecs-runs.csv codecs-README-md.svg; do
  [ -s "$scratch/codecs/$file" ] || { echo "smoke: codecs left no $file" >&2; exit 1; }
done

Tests/report-check.sh "$programs"
echo "7 passed, 0 failed"
