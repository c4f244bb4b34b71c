#!/usr/bin/env bash
# The replay tests with many replays of each recording: tests/replay/soak.sh [REPLAYS], 20 by default.
# Needs a built tree; tools/soak calls it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
export REPRISE_BUILD=${REPRISE_BUILD:-$root/build} REPRISE_REPLAYS=${1:-20}
for test in programs unmodified; do
  python3 -B "$root/tests/replay/${test}_test.py" -v
done
