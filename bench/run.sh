#!/bin/bash
# Builds and runs the benchmarks on a bare Debian 12: `bash bench/run.sh [SCENARIO...] [--smoke]`.
#
# Scenarios (default: all): small-get h2-small-get download upload connect idle threads compare
# clients; first, spread, million, restart, h2-cancel, h2-idle-reader and h2-goaway run hearth alone; instructions,
# pool and calm count by callgrind; h2 stands for all that are about HTTP/2. `--clients floor,hearth,...` chooses
# who takes part, `--rounds N` how often. The client runs on one CPU and nginx on another.
# Prints tables, writes build/bench-report.json and build/bench-report.html. bench/README.md says what
# is measured and how.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build test bench
hearth_configure build
hearth_build build bench-programs
exec python3 bench/harness.py --build build "$@"
