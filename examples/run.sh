#!/bin/bash
# Builds and runs the main job on a bare Debian 12: `bash examples/run.sh`.
#
# Without arguments: starts an embedded TLS origin and sends it 20,000 requests through one client, with
# live progress and a table at the end. With URLs (`bash examples/run.sh https://example.org/ ...`):
# fetches them through one client and prints the phases of each. Missing packages are installed (as
# root or by sudo); the build goes to build/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build
hearth_configure build
hearth_build build examples/main_job
say "running"
exec build/examples/main_job "$@"
