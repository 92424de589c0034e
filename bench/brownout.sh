#!/bin/bash
# What keeps an origin in trouble alive, and what it costs: `bash bench/brownout.sh [--seconds N] [CASE...]`.
#
# Cases: bomb brown-out hedge capacity (default: all). Each runs with everything off and everything on, in
# real time, client and origin in one process. Prints tables and what is promised of them, and writes
# build/brownout.svg; exit status 1 if a promise does not hold. bench/README.md says what is measured.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build
hearth_configure build
hearth_build build bench/scenario/protection_hearth
exec build/bench/scenario/protection_hearth --picture build/brownout.svg "$@"
