// What a tls_profile is inside: one SSL_CTX, the pins, the key log, and a number that names it.
//
// Everything is set up by the constructor and constant afterwards; the SSL_CTX is shared by the
// engines of all threads, which OpenSSL allows as long as nobody changes it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hearth/tls.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls_verify.hpp"

HEARTH_BEGIN_NAMESPACE

class tls_profile::implementation {
public:
    /// Throws what `tls_profile::make` promises.
    explicit implementation(const tls_options& options);
    ~implementation();
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    [[nodiscard]] const tls_options& options() const { return options_; }
    /// Not const for SSL_new's sake, which counts a reference.
    [[nodiscard]] SSL_CTX* context() const { return context_.get(); }
    /// Unique in the process, never given twice.
    [[nodiscard]] std::uint64_t id() const { return id_; }
    [[nodiscard]] const std::vector<proto::spki_digest>& pins() const { return pins_; }
    /// Digests of what the files named by options hold. Cheap beside building a profile of them.
    [[nodiscard]] static std::string fingerprint_of(const tls_options& options);
    /// Of its files, from before they were read.
    [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }
    /// Appends a line to the key log, by one call of stdio's, so that lines of threads never mix.
    void log_key(std::string_view line) const noexcept;

private:
    void set_protocol();
    void set_trust();
    void set_revocation();
    void set_identity();
    void set_key_log();
    void set_callbacks();

    const tls_options options_;
    const std::uint64_t id_;
    const std::string fingerprint_;
    OSSL_LIB_CTX* const library_;  // whose algorithms it uses; null: the process's
    const proto::ssl_ctx_ptr context_;
    const std::vector<proto::spki_digest> pins_;
    std::unique_ptr<std::FILE, proto::openssl_deleter<std::fclose>> key_log_;
};

HEARTH_END_NAMESPACE
