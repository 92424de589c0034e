// The shelves behind tls_session_cache: OpenSSL sessions by profile and key.
//
// A profile is named by its number, which is never given twice, so a dead profile's sessions can
// never be offered for a new one that happens to live at the same address. Time is the wall clock
// in seconds, as tickets count it, and is passed in.
//
// Called by tls_engine (which takes) and by OpenSSL's callback for new sessions (which stores).
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/guard.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls_session_cache.hpp"

namespace hearth::proto {

class tls_session_cache::implementation {
public:
    implementation(std::uint32_t per_key, std::size_t max_keys);

    /// Puts a session in front of the key's others; one beyond the limit, the oldest, is dropped.
    /// Sessions that cannot be resumed are not kept.
    void store(std::uint64_t profile, std::string_view key, ssl_session_ptr session);
    /// The newest session of a key that may still be offered at `now`; empty if there is none.
    /// TLS 1.3 tickets leave the cache by this, TLS 1.2 sessions stay.
    [[nodiscard]] ssl_session_ptr take(std::uint64_t profile, std::string_view key,
                                       std::time_t now);
    /// Drops one session, because a handshake that offered it failed.
    void remove(std::uint64_t profile, std::string_view key, const SSL_SESSION* session);
    /// How many more tickets a key has use for at `now`: the places that are free, or that a ticket
    /// has which is no longer fresh.
    [[nodiscard]] std::size_t lacking(std::uint64_t profile, std::string_view key,
                                      std::time_t now) const;
    [[nodiscard]] std::size_t count(std::uint64_t profile, std::string_view key) const;
    void forget(std::uint64_t profile);
    void set_limit(std::uint32_t per_key) {
        const auto inside = guard_.enter();
        per_key_ = per_key;
    }

private:
    struct ticket {
        ssl_session_ptr session;
        std::time_t expires = 0;
        std::time_t fresh_until = 0;
        bool single_use = false;
    };
    struct shelf {
        std::uint64_t profile = 0;
        std::string name;             // the key in `by_name_`
        std::vector<ticket> tickets;  // oldest first; never empty
    };
    using shelf_list = std::list<shelf>;

    [[nodiscard]] shelf_list::iterator find(std::uint64_t profile, std::string_view key);
    void drop_if_empty(shelf_list::iterator place);
    void drop(shelf_list::iterator place);

    base::guard guard_;
    std::size_t per_key_;
    const std::size_t max_keys_;
    shelf_list shelves_;  // the most recently used first
    std::unordered_map<std::string, shelf_list::iterator> by_name_;
};

/// When a session must not be offered any more: the end of its ticket's lifetime (RFC 8446 4.6.1,
/// RFC 5077 3.3) or of the server's certificate, whichever is first.
[[nodiscard]] std::time_t session_expiry(const SSL_SESSION* session);

/// Until when a session that expires at `expires` is as good as a new one: for half its life, and
/// for a minute at most, since servers change the keys of their tickets.
[[nodiscard]] std::time_t session_fresh_until(const SSL_SESSION* session, std::time_t expires);

/// The wall clock by which OpenSSL stamps sessions and judges certificates.
[[nodiscard]] std::time_t openssl_time();

}  // namespace hearth::proto
