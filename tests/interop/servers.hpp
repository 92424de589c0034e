// The servers of the interop tests: nginx, apache2, haproxy, and programs on Go's net/http and on
// Node's http, each with a config made for the test, on free ports of the loopback.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hearth/hearth.hpp"
#include "hearth/testing/certificate_authority.hpp"
#include "support/server_process.hpp"

namespace hearth::interop {

[[nodiscard]] inline request get(std::string url) {
    request what;
    what.url = std::move(url);
    return what;
}

[[nodiscard]] inline request post(std::string url, body content) {
    request what = get(std::move(url));
    what.method = method::post;
    what.body = std::move(content);
    return what;
}

/// The authority of all servers of this run, and what trusts it.
[[nodiscard]] const testing::certificate_authority& authority();
[[nodiscard]] std::shared_ptr<const tls_profile> trusted();
/// `threads` threads, `trusted()` as the profile.
[[nodiscard]] config client_config(std::uint32_t threads = 2);

/// What servers have in common.
struct served {
    std::uint16_t plain_port = support::free_port();
    std::uint16_t tls_port = support::free_port();
    [[nodiscard]] std::string plain(std::string_view path) const;
    [[nodiscard]] std::string tls(std::string_view path) const;
};

struct nginx_options {
    testing::key_type key = testing::key_type::ecdsa_p256;
    tls_version version = tls_version::tls_1_3;  ///< The only one spoken.
    std::string keepalive = "60s";
    unsigned keepalive_requests = 1'000'000;
    bool client_certificate = false;
    bool http2 = false;          ///< By ALPN on the TLS port.
    std::uint16_t upstream = 0;  ///< Plaintext port that /up/ is forwarded to; 0 = none.
};

/// /hello; /who names the client's certificate; /status/204, /status/304; /file/* below `www()`,
/// /gzip/* the same with that coding; PUT to /put/* writes there; /moved/STATUS redirects to
/// /hello, /to-tls to it by https, /loop to itself; /up/*.
class nginx_server : public served {
public:
    explicit nginx_server(const nginx_options& options = {});
    [[nodiscard]] std::filesystem::path www() const { return directory_.path(); }
    /// Kills it in the middle of whatever it does.
    void kill() { process_->kill(); }
    /// Starts it again on the same ports.
    void start();

private:
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

struct go_options {
    tls_version version = tls_version::tls_1_3;  ///< The highest one spoken.
    testing::key_type key = testing::key_type::ecdsa_p256;
    std::string idle{};  ///< "5ms": closes what is idle for so long.
    bool client_certificate = false;
};

/// See go_server/main.go for its paths.
class go_server : public served {
public:
    explicit go_server(const go_options& options = {});
    /// A figure of /counters.
    [[nodiscard]] std::uint64_t counter(const std::string& name) const;

private:
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

/// HTTP mode with TLS in front of a plaintext server.
class haproxy_server : public served {
public:
    /// `alpn`: what the TLS port offers; empty for none.
    explicit haproxy_server(std::uint16_t upstream, const std::string& alpn = {});

private:
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

struct apache_options {
    unsigned keepalive_requests = 100;
    std::string keepalive_timeout = "5";
};

/// /hello and any file written to `www()`; below /gzip and /br with that coding; /moved and
/// /gone-away redirect to /hello.
class apache_server : public served {
public:
    explicit apache_server(const apache_options& options = {});
    [[nodiscard]] std::filesystem::path www() const { return directory_.path() / "www"; }

private:
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

/// See node_server/main.js for its paths. Plaintext only.
class node_server : public served {
public:
    node_server();

private:
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

}  // namespace hearth::interop
