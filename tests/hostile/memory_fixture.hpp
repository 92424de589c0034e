// What the tests of lacking memory share: a client's config, its name server, an origin that knows
// codings, and what must hold afterwards.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>

#include "hearth/testing/origin.hpp"
#include "hostile/memory_faults.hpp"
#include "hostile/name_server.hpp"
#include "support/awaited.hpp"
#include "support/encoded.hpp"

namespace hearth::hostile {

inline constexpr std::size_t body_size = 3000;

enum class wire { plain, tls, http2 };

inline config config_for(const testing::origin& origin, const std::string& names) {
    config values;
    values.pool.dial_patience = std::chrono::milliseconds(0);
    values.pool.min_backoff = std::chrono::milliseconds(1);
    values.pool.max_backoff = std::chrono::milliseconds(1);
    values.decode.enabled = true;
    values.io.threads = 1;
    values.dns.servers = {names};
    if (!origin.ca_pem().empty()) {
        tls_options options;
        options.ca_pem = origin.ca_pem();
        values.tls.profile = tls_profile::make(options);
    }
    return values;
}

/// All of them, if HEARTH_MEMORY_STRIDE is 1; else every so many, for it takes long.
[[nodiscard]] inline std::uint64_t stride_of(std::uint64_t usual) {
    const char* const wanted = std::getenv("HEARTH_MEMORY_STRIDE");
    return wanted == nullptr ? usual : std::strtoull(wanted, nullptr, 10);
}

class HostileMemoryTest : public ::testing::TestWithParam<wire> {
protected:
    HostileMemoryTest() {
        testing::origin_options options;
        options.listen.tls = GetParam() != wire::plain;
        if (GetParam() == wire::http2) options.listen.alpn = {"h2"};
        origin_.emplace(options);
        text_ = testing::pattern_octets(0, body_size);
        answer_coded("gzip", support::gzip_encoded(text_));
        answer_coded("br", support::brotli_encoded(text_));
        answer_coded("zstd", support::zstd_encoded(text_));
    }

    void answer_coded(const std::string& coding, const std::string& body) {
        origin_->on("/" + coding,
                    [coding, body](const testing::request_view&, testing::responder out) {
                        out.answer({.headers = {{"content-encoding", coding}}, .body = body});
                    });
    }

    request get(const std::string& coding = "gzip") {
        request what;
        what.url = origin_->url("/" + coding);
        // Where nothing else asks for memory, the resolver does.
        if (GetParam() == wire::plain) {
            what.url = "http://" + host_ + ":" + std::to_string(origin_->port()) + "/" + coding;
        }
        return what;
    }

    /// One of several kinds, in turn.
    request ask(std::uint64_t number) {
        if (number % 4 == 0) return get("gzip");
        if (number % 4 == 1) return get("br");
        if (number % 4 == 2) return get("zstd");
        request up = get("upload");
        up.method = method::put;
        up.body = testing::pattern_octets(0, 40'000);
        up.trailers.add("x-checked", "yes");
        return up;
    }

    void expect_answer(client& subject) {
        boost::system::error_code error;
        const response got = subject.send(get(), error);
        EXPECT_FALSE(error) << error.message() << "; " << got.failure.detail;
        EXPECT_TRUE(got.body == text_) << "octets are wrong";
    }

    static void expect_sound(client& subject) {
        const stats seen = subject.stats();
        const origin_stats total = seen.total();
        EXPECT_EQ(seen.calls, seen.completed);
        EXPECT_EQ(seen.in_flight, 0U);
        EXPECT_EQ(seen.internal_errors, 0U);
        EXPECT_EQ(total.opened, total.closed + total.open + total.dialing + total.handshaking);
    }

    name_server names_;
    std::string host_ = "some.test";  // of plaintext requests
    std::optional<testing::origin> origin_;
    std::string text_;
};

[[nodiscard]] inline std::string name_of(const ::testing::TestParamInfo<wire>& one) {
    if (one.param == wire::plain) return "Plain";
    return one.param == wire::tls ? "Tls" : "Http2";
}

}  // namespace hearth::hostile
