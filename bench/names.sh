#!/bin/bash
# How connections follow names and get around addresses in trouble: `bash bench/names.sh [--smoke] [CASE...]`.
#
# Cases: move trouble dead-ipv6 descriptors (default: all), in real time, about 45 s. Prints tables and what
# is promised of them; exit status 1 if a promise does not hold. --smoke runs everything shortly and promises
# counts only. bench/README.md says what is measured.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build
hearth_configure build
hearth_build build bench/scenario/names_hearth
exec build/bench/scenario/names_hearth "$@"
