#!/bin/bash
# Certificates that change under load: `bash bench/rotation.sh [--concurrency N] [--handshakes N] [--within-ms N]`.
#
# The client's certificate and key, then its trusted authorities, are replaced in their files while requests
# run. A line of JSON per rotation; exit status 1 if a promise does not hold. bench/README.md says which.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build
hearth_configure build
hearth_build build bench/scenario/rotation_hearth
exec build/bench/scenario/rotation_hearth "$@"
