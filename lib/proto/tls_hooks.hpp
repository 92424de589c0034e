// What OpenSSL's callbacks know of the connection they are called for.
//
// The callbacks belong to the SSL_CTX, which many connections share; each connection attaches its
// `tls_hooks` to its SSL. The engine owns the hooks and keeps them until after SSL_free.
#pragma once

#include <cstdint>
#include <string>

#include "hearth/tls.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls_chain_cache_impl.hpp"
#include "proto/tls_session_cache_impl.hpp"

namespace hearth::proto {

/// What became of the question that `tls_options::verify` answers.
enum class verdict_state : std::uint8_t { none, asked, accepted, refused };

struct tls_hooks {
    std::string expected_name;  ///< Whom the certificate must name.
    std::string rejection;      ///< Why the certificate was refused; empty if it was not.
    /// Where new sessions go, and under what; null: nowhere.
    tls_session_cache::implementation* sessions = nullptr;
    /// Where verified chains are remembered; null: nowhere.
    tls_chain_cache::implementation* chains = nullptr;
    std::uint64_t profile = 0;  ///< Its number.
    std::string session_key;
    // The verdict of `tls_options::verify`, where there is one.
    bool lacked_memory = false;  ///< For verifying; whatever was found is not why it failed.
    verdict_state verdict = verdict_state::none;
    peer_to_verify question;  ///< asked
    x509_stack_ptr verified;  ///< The chain, as the rules have verified it; null if they refused.

    /// False: OpenSSL has no memory for it.
    [[nodiscard]] bool attach(SSL* ssl) { return SSL_set_app_data(ssl, this) == 1; }
    [[nodiscard]] static tls_hooks* of(const SSL* ssl) {
        return static_cast<tls_hooks*>(SSL_get_app_data(ssl));
    }
};

}  // namespace hearth::proto
