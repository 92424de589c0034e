#!/bin/bash
# Builds hearth and runs every test, on a bare Debian 12: `bash tests/run.sh`.
#
# Installs missing packages (as root or by sudo), builds into build/, runs the tests, and ends with
# `N passed, N failed`, which counts the cases that ran. Arguments go to `meson test`:
# `bash tests/run.sh --suite core`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build test
hearth_configure build
hearth_build build meson-test-prereq  # what the tests need; .ci/run builds the rest
say "running the tests"
python3 tests/run_suites.py build "$@"
