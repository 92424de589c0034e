// tls_chain_cache: certificate chains that were verified a short while ago, for one shard and the
// threads that run its handshakes (thread-safe).
//
// A full handshake spends a good part of its CPU on the signatures of a chain that the same origin
// presented a moment ago. A chain is remembered under everything its verification depended on: the
// profile (its identity, not its contents), the name, the rules, and every certificate presented,
// in order. It is accepted again for a limited time, and never longer than each certificate of it
// is valid. Nothing is remembered of a profile that looks at revocation lists or judges by another
// time than the present. Bounded: the chain used longest ago goes first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "hearth/version.hpp"

namespace hearth::proto {

class tls_chain_cache {
public:
    /// A chain is verified again after `lifetime`.
    explicit tls_chain_cache(std::chrono::seconds lifetime, std::size_t max_chains = 256);
    ~tls_chain_cache();
    tls_chain_cache(const tls_chain_cache&) = delete;
    tls_chain_cache& operator=(const tls_chain_cache&) = delete;

    /// Another lifetime; a shorter one forgets what there is.
    void set_lifetime(std::chrono::seconds lifetime);

    /// Chains it holds.
    [[nodiscard]] std::size_t size() const;
    /// Verifications it has saved.
    [[nodiscard]] std::uint64_t hits() const;

    class implementation;  // OpenSSL types stay in the source files of proto
    [[nodiscard]] implementation& internals() { return *implementation_; }

private:
    std::unique_ptr<implementation> implementation_;
};

}  // namespace hearth::proto
