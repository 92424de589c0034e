#!/bin/bash
# Soak: bash tests/soak/run.sh [SECONDS [release|asan|tsan [SEED [RATE]]]]; an hour each before a
# release. RATE is operations a second at most; without it, as many as come to an end.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/setup.sh"
cd "$hearth_root" || exit 1
seconds=${1:-60}
kind=${2:-release}
seed=${3:-1}
rate=${4:-0}
runner=()
case $kind in
    release) dir=build && hearth_configure build ;;
    asan)
        dir=build-asan
        hearth_configure build-asan -Db_sanitize=address,undefined -Doptimization=1 \
            -Dexamples=false -Dbenches=false
        ;;
    tsan)
        dir=build-tsan
        hearth_configure build-tsan -Db_sanitize=thread -Doptimization=1 -Dexamples=false -Dbenches=false
        # g++ 12's runtime cannot place its shadow memory under the address randomisation of new kernels.
        if setarch -R true 2>/dev/null; then runner=(setarch -R); fi
        ;;
    *) die "release, asan or tsan, not $kind" ;;
esac || exit 1
hearth_build "$dir" tests/soak/hearth_soak || exit 1
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:quarantine_size_mb=32
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$hearth_root/tests/threads/tsan.supp
"${runner[@]}" "$dir/tests/soak/hearth_soak" "$seconds" "$seed" "$rate"
