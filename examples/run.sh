#!/bin/bash
# Builds and runs the demonstration on a bare Debian 12: `bash examples/run.sh [--quick]`.
#
# Without arguments: starts an embedded TLS origin and sends it 20,000 requests through one client, with
# live progress and a table at the end; then a storm of two minutes against such an origin, with the
# protections on and then off: live lines, a table, and a picture in build/storm-demo.html. `--quick`
# makes it twenty seconds. With URLs (`bash examples/run.sh https://example.org/ ...`): fetches them
# through one client and prints the phases of each. Missing packages are installed (as root or by sudo);
# the build goes to build/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build
hearth_configure build
quick=()
if [ "${1:-}" = --quick ]; then
    quick=(--quick)
    shift
fi
if [ $# != 0 ]; then
    hearth_build build examples/main_job
    say "running"
    exec build/examples/main_job "$@"
fi
hearth_build build examples/main_job examples/storm
say "the main job: 20,000 requests"
build/examples/main_job
say "a storm, with the protections on and off"
exec build/examples/storm "${quick[@]}" --picture build/storm-demo.html
