// The entries behind tls_chain_cache: verified chains by the digest of what was verified.
//
// Called by OpenSSL's certificate callback (tls_verify). Time is the wall clock by which OpenSSL
// judges certificates, in seconds, and is passed in; when it steps back, what was remembered after
// that time is void, for it may not be valid yet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <list>
#include <map>
#include <optional>

#include "base/guard.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls_chain_cache.hpp"

namespace hearth::proto {

/// SHA-256 of everything a verification depends on.
using verification_digest = std::array<unsigned char, 32>;

/// What `store` is about to verify for a profile, named by its number; empty if the result must not
/// be remembered.
[[nodiscard]] std::optional<verification_digest> digest_verification(std::uint64_t profile,
                                                                     X509_STORE_CTX* store);

class tls_chain_cache::implementation {
public:
    implementation(std::time_t lifetime, std::size_t max_chains);

    /// Puts the chain that was verified for `what` into `store` as its result; false if there is
    /// none that still counts at `now`.
    [[nodiscard]] bool restore(const verification_digest& what, X509_STORE_CTX* store,
                               std::time_t now);
    /// Remembers the chain that `store` has verified; `now` is from before the verification.
    void keep(const verification_digest& what, X509_STORE_CTX* store, std::time_t now);
    /// What is there goes where the new time is shorter.
    void set_lifetime(std::time_t lifetime);
    [[nodiscard]] std::size_t size() const {
        const auto inside = guard_.enter();
        return entries_.size();
    }
    [[nodiscard]] std::uint64_t hits() const {
        const auto inside = guard_.enter();
        return hits_;
    }

private:
    struct entry {
        verification_digest what;
        x509_stack_ptr chain;
        std::time_t from = 0;
        std::time_t until = 0;
    };
    using entry_list = std::list<entry>;

    void drop(entry_list::iterator place);

    base::guard guard_;
    std::time_t lifetime_;
    const std::size_t max_chains_;
    entry_list entries_;  // the most recently used first
    std::map<verification_digest, entry_list::iterator> by_digest_;
    std::uint64_t hits_ = 0;
};

}  // namespace hearth::proto
