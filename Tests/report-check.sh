#!/usr/bin/env bash
# The report and a comparison in a real browser: no console errors, every chart there with its hover values, no link into
# the void, nothing wider than a phone. Skipped by name where chromium is not installed.
#
#   Tests/report-check.sh .build/release [DIRECTORY_FOR_SCREENSHOTS]
set -euo pipefail

programs=$(realpath "${1:?usage: report-check.sh DIRECTORY_OF_PROGRAMS [DIRECTORY_FOR_SCREENSHOTS]}")
shots=${2:+$(mkdir -p "$2" && realpath "$2")}
cd "$(dirname "$0")/.."
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ] || ! command -v python3 >/dev/null; then
  echo "report-check: skipped: chromium or python3 is not installed (apt-get install -y chromium python3)"
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The committed results, and an older copy of each, so that there is a history to draw and something to compare.
cp -r results plots "$scratch/"
for result in "$scratch"/results/*/*/; do
  cp -r "$result" "$(dirname "$result")/20200101T000000Z-earlier"
done
"$programs/millrace" report --results "$scratch/results" --plots "$scratch/plots" > /dev/null 2> "$scratch/report.log"
if [ -s "$scratch/report.log" ]; then
  sed 's/^/report-check: report complains: /' "$scratch/report.log" >&2
  exit 1
fi
latest=$(find "$scratch/results/11-zero-copy" -mindepth 1 -maxdepth 1 -type d | sort | tail -n 1)
code=0
"$programs/millrace" compare "$scratch/results/11-zero-copy/20200101T000000Z-earlier" "$latest" \
  --html "$scratch/results/compare.html" > "$scratch/compare.log" || code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || { echo "report-check: compare ended with $code" >&2; exit 1; }

browse() { timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars "$@"; }

failed=0
for page in index compare; do
  path="$scratch/results/$page.html"
  # What the browser measures is written into the page, where --dump-dom shows it.
  sed 's|</body>|<script>addEventListener("load", () => { document.body.dataset.wide = \
document.documentElement.scrollWidth - innerWidth; \
document.body.dataset.tall = document.documentElement.scrollHeight; });</script></body>|' "$path" > "$scratch/results/$page-probe.html"
  browse --window-size=390,900 --enable-logging=stderr --dump-dom "file://$scratch/results/$page-probe.html" \
    > "$scratch/$page.dom" 2> "$scratch/$page.log"
  # Folded, on a screen of 1280 by 800.
  browse --window-size=1280,800 --dump-dom "file://$scratch/results/$page-probe.html" 2> /dev/null \
    | grep -ao 'data-tall="[0-9]*"' | tr -dc 0-9 > "$scratch/$page.tall"
  if [ "$page" = index ]; then
    tall=$(cat "$scratch/index.tall")
    [ "${tall:-99999}" -le 9600 ] || { echo "report-check: the page is $tall pixels long, over 12 screens" >&2; failed=1; }
    bytes=$(stat -c %s "$path")
    [ "$bytes" -lt 1500000 ] || { echo "report-check: the page has $bytes bytes, over 1.5 MB" >&2; failed=1; }
  fi
  if grep -a "CONSOLE" "$scratch/$page.log"; then
    echo "report-check: $page.html says something on the browser's console" >&2
    failed=1
  fi
  python3 - "$scratch/$page.dom" "$path" <<'PYTHON' || failed=1
import html, os, re, sys

dom, path = open(sys.argv[1], encoding="utf-8").read(), sys.argv[2]
faults = []
figures = re.findall(r"<figure>.*?</figure>", dom, re.S)
for figure in figures:
    charts = re.findall(r"<svg [^>]*>", figure)
    if len(charts) != 2 and not re.search(r'<div class="scroll">\s*<svg', figure):
        faults.append(f"a figure has {len(charts)} charts, not a wide and a narrow one")
    faults += [f"a chart without hover values: {chart[:160]}" for chart in charts if "data-hover" not in chart]
if path.endswith("index.html") and not figures:
    faults.append("no chart at all")
if not re.search(r'class="spark[^>]*data-hover', dom):
    faults.append("no small chart with hover values")
names = set(re.findall(r'\bid=["\']([^"\']+)', dom))
for link in sorted(set(re.findall(r'<a [^>]*href="([^"]+)"', dom))):
    link = html.unescape(link)
    if link.startswith("#"):
        if link[1:] not in names:
            faults.append(f"no anchor {link}")
    elif not os.path.exists(os.path.join(os.path.dirname(path), link)):
        faults.append(f"no file {link}")
wide = re.search(r'data-wide="(-?\d+)"', dom)
if not wide:
    faults.append("the page's width was not measured")
elif int(wide.group(1)) > 0:
    faults.append(f"{wide.group(1)} pixels wider than a phone")
for fault in faults:
    print(f"report-check: {os.path.basename(path)}: {fault}", file=sys.stderr)
sys.exit(1 if faults else 0)
PYTHON
  if [ -n "$shots" ]; then
    for width in 1280 390; do
      browse --window-size=$width,4200 --screenshot="$shots/$page-$width-light.png" "file://$path" 2> /dev/null
      browse --blink-settings=preferredColorScheme=0 --window-size=$width,4200 \
        --screenshot="$shots/$page-$width-dark.png" "file://$path" 2> /dev/null
    done
  fi
done
[ "$failed" -eq 0 ] || exit 1
echo "report-check: 2 pages, no console errors, every chart and link there; the report is $tall pixels long and has $bytes bytes"
