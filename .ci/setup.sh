# Sourced by tests/run.sh, examples/run.sh and .ci/run: packages and the build directory.
#
#   hearth_packages GROUP...   installs what .ci/packages lists for the groups, if anything is missing
#   hearth_configure DIR ARG.. configures the build directory DIR unless it is configured already
#   hearth_configure_fuzzing DIR  configures DIR for fuzz targets and sanitized tests
#   hearth_build DIR TARGET..  builds (everything, if no target is named)
#   say TEXT                   a progress line with the time since the script started

hearth_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '== %4ds  %s\n' "$SECONDS" "$*"; }

die() {
    printf 'hearth: %s\n' "$*" >&2
    exit 1
}

hearth_missing_packages() {
    local group package
    while read -r group package; do
        case " $* " in *" $group "*) ;; *) continue ;; esac
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            printf '%s ' "$package"
    done < <(grep -v '^#' "$hearth_root/.ci/packages")
}

# How to become root: nothing, or sudo (which may ask for the password only if someone can answer).
hearth_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

hearth_packages() {
    local missing
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: no packages are installed (.ci/packages lists what is needed)"
        return
    fi
    missing=$(hearth_missing_packages "$@")
    if [ -z "$missing" ]; then
        say "all packages are installed"
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "these packages are missing and only root can install them" \
            "(there is no sudo): $missing"
        hearth_as_root true || die "these packages are missing and sudo does not let this user" \
            "install them: $missing"
    fi
    if [ "$(dpkg-query -W -f '${db:Status-Status}' libboost1.74-dev 2>/dev/null)" = installed ]; then
        say "libboost1.81-dev replaces libboost1.74-dev: Debian does not install both"
    fi
    say "installing: $missing"
    hearth_as_root bash "$hearth_root/.ci/install.sh" $missing ||
        die "apt-get could not install the packages; is there a network and a Debian 12 mirror?"
}

# Compilers of Asio code need up to 1.5 GB each.
hearth_jobs() {
    local cores memory_kib by_memory
    cores=$(nproc)
    memory_kib=$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)
    by_memory=$((memory_kib / 1500000))
    [ "$by_memory" -ge 1 ] || by_memory=1
    echo $((cores < by_memory ? cores : by_memory))
}

hearth_configure() {
    local dir=$1
    shift
    # A build directory that came along with a copied tree belongs to the tree it was made in.
    if [ -f "$dir/build.ninja" ] && grep -qsF "\"$hearth_root/meson.build\"" \
        "$dir/meson-info/intro-buildsystem_files.json"; then
        return
    fi
    if [ -f "$dir/meson-private/coredata.dat" ]; then rm -rf "$dir"; fi
    say "configuring $dir"
    meson setup "$dir" "$hearth_root" ${HEARTH_TEST_BLOCKS:+-Dtest_blocks=true} "$@"
}

# By clang, with AddressSanitizer and UBSan: for the fuzz targets, and for tests under these.
hearth_configure_fuzzing() {
    CXX=${HEARTH_CLANG:-clang++} hearth_configure "$1" -Dfuzzing=true -Dexamples=false \
        -Dbenches=false -Db_sanitize=address,undefined -Db_lundef=false
}

hearth_build() {
    local dir=$1
    shift
    say "building ${*:-everything} in $dir"
    # Without this ccache refuses what uses precompiled headers.
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime \
        ninja -C "$dir" -j "$(hearth_jobs)" "$@"
}
