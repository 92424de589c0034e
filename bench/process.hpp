// What a benchmark asks of its own process: CPU time, resident memory, descriptors.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>

namespace bench {

/// Raises the soft limit of file descriptors to the hard one; returns how many connections that
/// allows.
inline std::uint32_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 768;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
    constexpr rlim_t kept_free = 128;
    const rlim_t usable = limit.rlim_cur > 2 * kept_free ? limit.rlim_cur - kept_free : kept_free;
    return static_cast<std::uint32_t>(std::min<rlim_t>(usable, 1'000'000));
}

/// Resident memory now.
inline std::uint64_t resident_kib() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    std::uint64_t resident = 0;
    statm >> pages >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

/// Clock and CPU time of the process.
struct cost {
    std::chrono::steady_clock::time_point when;
    double user_s = 0;
    double system_s = 0;
    long max_rss_kib = 0;

    static cost now() {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        const auto seconds = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
        };
        return {std::chrono::steady_clock::now(), seconds(usage.ru_utime), seconds(usage.ru_stime),
                usage.ru_maxrss};
    }
};

}  // namespace bench
