#!/bin/bash
# Runs fuzz targets for so many seconds each, as many at once as there are cores:
#
#   bash tests/fuzz/run.sh [SECONDS [TARGET...]]
#
# The corpus grows below build-fuzz/corpus; the committed seeds are read, never written. A finding and
# the log of its target are left in build-fuzz/findings. The last line is `N passed, N failed`.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/setup.sh"
cd "$hearth_root" || exit 1
export seconds=${1:-60}
shift
hearth_configure_fuzzing build-fuzz && hearth_build build-fuzz fuzz-targets || exit 1
names=("$@")
[ ${#names[@]} != 0 ] || names=($(cd build-fuzz/tests/fuzz && ls -- *_fuzz))
mkdir -p build-fuzz/findings

fuzz() {
    local name=$1 log=build-fuzz/findings/$1.log
    mkdir -p "build-fuzz/corpus/$name"
    if "build-fuzz/tests/fuzz/$name" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 \
        -rss_limit_mb=2048 -timeout=60 -artifact_prefix="build-fuzz/findings/$name-" \
        "build-fuzz/corpus/$name" $(ls -d "tests/fuzz/${name%_fuzz}_corpus" 2>/dev/null) \
        >"$log" 2>&1; then
        echo "passed: $name, $(sed -n 's/.*number_of_executed_units: *//p' "$log") inputs"
    else
        tail -n 40 "$log"
        echo "failed: $name"
    fi
}
export -f fuzz

say "fuzzing for $seconds s each: ${names[*]}"
results=$(printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz {}')
echo "$results"
passed=$(grep -c '^passed: ' <<<"$results")
failed=$((${#names[@]} - passed))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
