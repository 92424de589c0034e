#!/bin/bash
# Storms: open-loop arrivals with deadlines against an origin that gets slow, restarts, or is cold.
# `bash bench/storm.sh [CASE...] [--quick] [--seconds N] [--rounds N] [--clients hearth,go,libcurl] [--h2]`.
#
# Cases: steady limited hiccup neighbour deploy rotate cold slope, or what the name of one begins with, such as
# "steady 350" (default: all); `--add` keeps the figures of the others. hearth, Go's net/http and libcurl run
# in turn, client on one CPU, origin on the other. Prints a table; writes build/storm.json and
# build/storm.html. bench/README.md says what is measured and how.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"
cd "$hearth_root"

hearth_packages build test
hearth_configure build
hearth_build build bench/hearth_storm bench/scenario/storm_origin bench/peers/storm_curl bench/peers/storm_go
exec python3 bench/storm.py --build build "$@"
