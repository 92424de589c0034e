// tls_session_cache: session tickets by origin and trust profile, for one shard and the threads
// that run its handshakes (thread-safe).
//
// A key is everything trust depends on: the profile (its identity, not its contents), the name sent
// and verified, host and port. Nothing is ever offered across keys. TLS 1.3 tickets are handed out
// once (RFC 8446 C.4); TLS 1.2 sessions may be used again. Bounded: per key, and in total (the
// least recently used key goes first). Expired tickets are never handed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE
class tls_profile;
HEARTH_END_NAMESPACE

namespace hearth::proto {

class tls_session_cache {
public:
    explicit tls_session_cache(std::uint32_t per_key, std::size_t max_keys = 4096);
    ~tls_session_cache();
    tls_session_cache(const tls_session_cache&) = delete;
    tls_session_cache& operator=(const tls_session_cache&) = delete;

    /// Tickets in stock for a key.
    [[nodiscard]] std::size_t count(const tls_profile& profile, const std::string& key) const;
    /// Forgets everything a profile has learned.
    void forget(const tls_profile& profile);
    /// Another number per key; what is beyond it goes as others come.
    void set_limit(std::uint32_t per_key);

    class implementation;  // OpenSSL types stay in the source files of proto
    [[nodiscard]] implementation& internals() { return *implementation_; }

private:
    std::unique_ptr<implementation> implementation_;
};

}  // namespace hearth::proto
