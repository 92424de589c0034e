#!/bin/bash
# Builds and runs the benchmarks on a bare Debian 12: `bash bench/run.sh [SCENARIO...] [--smoke]`.
#
# Scenarios: small-get million restart (default: all). The client runs on one CPU and nginx on another.
# Prints a table, writes build/bench-report.json. bench/README.md says what is measured and how.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build test
hearth_configure build
hearth_build build
exec python3 bench/harness.py --build build "$@"
