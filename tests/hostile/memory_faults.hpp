// Memory that runs out: the test program defines malloc and operator new itself, passes them on to
// the C library, and lets one request of one thread fail.
//
// The two heaps are told apart: what the libraries in C ask for (OpenSSL, nghttp2, c-ares, zlib,
// brotli, zstd), who can say that there was none, and what C++ objects need, where an exception
// does.
#pragma once

#include <cstdint>

namespace hearth::hostile {

enum class heap : std::uint8_t {
    libraries,  ///< malloc, calloc, realloc
    objects,    ///< operator new, and aligned_alloc, which Asio uses
};

/// From now on counts the requests of watched threads to one heap, from 0, and fails number `at`.
void set_shortage(heap of, std::uint64_t at);
/// The same, but number `at` and all after it.
void set_famine(heap of, std::uint64_t at);
/// Nothing fails any more.
void end_shortage();
/// Requests since the shortage was set.
[[nodiscard]] std::uint64_t requests_made();

/// From now on this thread is watched.
void watch_this_thread();

/// While it lives its thread is watched.
class watched_thread {
public:
    watched_thread();
    ~watched_thread();
    watched_thread(const watched_thread&) = delete;
    watched_thread& operator=(const watched_thread&) = delete;
};

}  // namespace hearth::hostile
