// What tests of the client share: origins in plaintext or TLS, configs that trust them, and the
// numbers that must agree in every snapshot.
#pragma once

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <utility>

#include "hearth/hearth.hpp"
#include "hearth/testing/testing.hpp"
#include "support/awaited.hpp"

namespace hearth::support {

/// One thread, so that a test sees one order of events.
[[nodiscard]] inline config one_thread() {
    config values;
    values.io.threads = 1;
    return values;
}

[[nodiscard]] inline std::shared_ptr<const tls_profile> trust(const std::string& ca_pem) {
    tls_options options;
    options.ca_pem = ca_pem;
    return tls_profile::make(options);
}

[[nodiscard]] inline config trusting(const std::string& ca_pem) {
    config values = one_thread();
    values.tls.profile = trust(ca_pem);
    return values;
}

[[nodiscard]] inline testing::origin_options plaintext() {
    testing::origin_options options;
    options.listen.tls = false;
    return options;
}

[[nodiscard]] inline testing::listen_options plaintext_listen() { return plaintext().listen; }

[[nodiscard]] inline request get(std::string url) {
    request what;
    what.url = std::move(url);
    return what;
}

[[nodiscard]] inline request post(std::string url, body content) {
    request what;
    what.method = method::post;
    what.url = std::move(url);
    what.body = std::move(content);
    return what;
}

struct failed_call {
    boost::system::error_code error;
    response result;
};

/// A call that is expected to fail.
[[nodiscard]] inline failed_call fail(client& subject, request what) {
    failed_call call;
    call.result = subject.send(std::move(what), call.error);
    return call;
}

[[nodiscard]] inline origin origin_of(const std::string& url) { return origin::parse(url).value(); }

/// An answer without surprises.
inline const std::string small_answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What holds in every snapshot: connections and calls are neither lost nor counted twice.
inline void expect_consistent(const stats& snapshot) {
    EXPECT_EQ(snapshot.calls, snapshot.completed + snapshot.in_flight);
    EXPECT_EQ(snapshot.internal_errors, 0U);
    for (const origin_stats& one : snapshot.origins) {
        EXPECT_EQ(one.opened, one.closed + one.open + one.dialing + one.handshaking) << one.origin;
        EXPECT_EQ(one.open, one.idle + one.active + one.draining) << one.origin;
        EXPECT_EQ(one.closed, std::accumulate(one.closed_by_reason.begin(),
                                              one.closed_by_reason.end(), std::uint64_t{0}))
            << one.origin;
    }
}

[[nodiscard]] inline std::uint64_t closed_by(const stats& snapshot, close_reason reason) {
    return snapshot.total().closed_by_reason[static_cast<std::size_t>(reason)];
}

}  // namespace hearth::support
