// Memory that runs out, once, at each request for it.
//
// Whichever fails: each call completes once or throws on its caller's thread, never both; nothing
// is counted wrong or left open; and the next call is answered by the same client.
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "hostile/memory_fixture.hpp"
#include "support/revocation.hpp"
#include "support/server_process.hpp"

namespace hearth::hostile {
namespace {

using boost::system::error_code;
namespace asio = boost::asio;

/// A client whose one thread is watched.
class starved_client {
public:
    explicit starved_client(const config& values)
        : work_(asio::make_work_guard(context_)),
          client_(std::in_place, client::executor_type(context_.get_executor()), values) {
        thread_ = std::thread([this] {
            const watched_thread here;
            context_.run();
        });
    }
    ~starved_client() {
        client_.reset();
        work_.reset();
        thread_.join();
    }
    starved_client(const starved_client&) = delete;
    starved_client& operator=(const starved_client&) = delete;

    client& operator*() { return *client_; }

private:
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::optional<client> client_;
    std::thread thread_;
};

TEST_P(HostileMemoryTest, LibrariesMayHaveNone) {
    const config values = config_for(*origin_, names_.address());
    {
        starved_client first(values);  // what is made once is made now
        expect_answer(*first);
    }
    const std::size_t descriptors = support::open_descriptors();
    const std::uint64_t stride = stride_of(GetParam() == wire::plain ? 1 : 3);
    unsigned enough = 0;
    std::uint64_t at = 0;
    for (std::uint64_t number = 0; enough < 4; ++number, at += stride) {
        request what = ask(number);
        SCOPED_TRACE(what.url + ", request for memory number " + std::to_string(at));
        const bool is_upload = !what.body.is_none();
        set_shortage(heap::libraries, at);
        starved_client subject(values);
        const support::awaited_response done = support::begin_send(*subject, std::move(what));
        const error_code error = done.error();
        const bool was_short = requests_made() > at;
        end_shortage();
        if (!error) {
            EXPECT_EQ(done.value().status, 200U);
            EXPECT_TRUE(is_upload || done.value().body == text_) << "octets are wrong";
        } else {
            EXPECT_TRUE(was_short) << error.message();
            // OpenSSL does not always say what it lacks: it takes a key that it cannot decode for a
            // weak one, for example.
            EXPECT_TRUE(error == errc::out_of_memory || error == errc::name_failed ||
                        error == errc_condition::tls)
                << error.message() << " " << done.value().failure.detail;
            EXPECT_NE(done.value().failure.phase, phase::none);
            EXPECT_FALSE(done.value().failure.detail.empty());
        }
        expect_answer(*subject);
        expect_sound(*subject);
        EXPECT_EQ(done.count(), 1U);
        if (HasFailure()) return;
        enough = was_short ? 0 : enough + 1;
    }
    EXPECT_GT(at, GetParam() == wire::plain ? 20U : 500U) << "more is asked for than that";
    EXPECT_TRUE(support::eventually([&] { return support::open_descriptors() <= descriptors; }));
}

/// Runs what a caller does, again and again, with each of its requests for memory refused once.
void starve_caller(const std::function<void()>& call, const std::function<void(bool)>& check) {
    std::uint64_t at = 0;
    for (;; ++at) {
        SCOPED_TRACE("request for memory number " + std::to_string(at));
        set_shortage(heap::objects, at);
        bool threw = false;
        try {
            const watched_thread here;
            call();
        } catch (const std::bad_alloc&) {
            threw = true;
        }
        const bool was_short = requests_made() > at;
        end_shortage();
        check(threw);
        if (::testing::Test::HasFailure()) return;
        if (!was_short) break;
    }
    EXPECT_GT(at, 0U) << "nothing is asked for";
}

TEST_P(HostileMemoryTest, CallersMayHaveNone) {
    client subject(config_for(*origin_, names_.address()));
    std::optional<support::awaited_response> done;
    std::function<void(error_code, response)> handler;
    request what;
    const auto prepare = [&] {
        done.emplace();
        handler = done->handler();
        what = get();
    };
    prepare();
    starve_caller([&] { subject.async_send(std::move(what), std::move(handler)); },
                  [&](bool threw) {
                      if (!threw) {
                          EXPECT_FALSE(done->error()) << done->error().message();
                          EXPECT_TRUE(done->value().body == text_) << "octets are wrong";
                      }
                      expect_answer(subject);
                      EXPECT_EQ(done->count(), threw ? 0U : 1U);
                      expect_sound(subject);
                      prepare();
                  });
}

TEST_P(HostileMemoryTest, CallersOfExchangesMayHaveNone) {
    client subject(config_for(*origin_, names_.address()));
    request what;
    what.url = origin_->url("/bytes/" + std::to_string(body_size));
    exchange from = support::open(subject, std::move(what));
    std::optional<support::awaited_head> head;
    std::function<void(error_code, response_head)> take_head;
    const auto prepare = [&] {
        head.emplace();
        take_head = head->handler();
    };
    prepare();
    bool has_head = false;
    starve_caller([&] { from.async_read_head(std::move(take_head)); },
                  [&](bool threw) {
                      if (!threw) {  // the first one has it; later ones come too late
                          EXPECT_EQ(!head->error(), !std::exchange(has_head, true));
                      }
                      EXPECT_EQ(head->count(), threw ? 0U : 1U);
                      prepare();
                  });
    EXPECT_TRUE(has_head);
    error_code error;
    EXPECT_TRUE(support::read_body(from, error) == testing::pattern_octets(0, body_size));
    EXPECT_EQ(error, asio::error::eof);
    expect_sound(subject);
}

INSTANTIATE_TEST_SUITE_P(Wire, HostileMemoryTest,
                         ::testing::Values(wire::plain, wire::tls, wire::http2), name_of);

TEST(HostileShortageTest, ProfilesMayHaveNone) {
    const testing::origin origin;
    const name_server names;
    request what;
    what.url = origin.url("/bytes/10");
    config values = config_for(origin, names.address());
    const tls_options options = {.ca_pem = origin.ca_pem()};
    const std::uint64_t stride = stride_of(3);
    std::uint64_t at = 0;
    for (;; at += stride) {
        SCOPED_TRACE("request for memory number " + std::to_string(at));
        set_shortage(heap::libraries, at);
        bool threw = false;
        try {
            const watched_thread here;
            values.tls.profile = tls_profile::make(options);
        } catch (const std::exception&) {
            threw = true;
        }
        const bool was_short = requests_made() > at;
        end_shortage();
        // OpenSSL makes contexts that lack ciphers, with which nothing can be negotiated.
        if (!threw) {
            client subject(values);
            error_code error;
            const response got = subject.send(what, error);
            EXPECT_TRUE(!error || (was_short && error == errc_condition::tls))
                << error.message() << "; " << got.failure.detail;
        }
        if (::testing::Test::HasFailure()) return;
        if (!was_short) break;
    }
    EXPECT_GT(at, 100U) << "more is asked for than that";
}

// What is not checked for lack of memory is not accepted.

struct refusal {
    std::string reason;
    tls_options options;
    std::string host = "127.0.0.1";
};

std::vector<refusal> refusals(const support::identity& authority, const support::identity& leaf) {
    const std::string trusted = authority.certificate_pem();
    const support::identity other = support::make_authority("other root");
    return {
        {"an unknown authority", {.ca_pem = other.certificate_pem()}},
        {"another name", {.ca_pem = trusted}, "some.test"},
        {"another address", {.ca_pem = trusted, .verify_name = "10.0.0.1"}},
        {"another key", {.ca_pem = trusted, .pins = {other.pin()}}},
        {"revoked",
         {.ca_pem = trusted, .crl_pem = support::make_list(authority, {.revoked = {&leaf}})}},
    };
}

TEST(HostileShortageTest, NobodyIsTrustedForLackOfMemory) {
    const support::identity authority =
        support::self_sign({.is_authority = true, .key_usage = "critical,keyCertSign,cRLSign"});
    const support::identity leaf =
        support::issue({.names = {"DNS:localhost", "IP:127.0.0.1"}}, authority);
    testing::origin_options listening;
    listening.listen.server_certificate = testing::certificate{
        .chain_pem = leaf.certificate_pem(), .key_pem = leaf.key_pem(), .ca_pem = {}};
    const testing::origin origin(listening);
    const name_server names;
    std::uint64_t first = 0;
    for (const refusal& each : refusals(authority, leaf)) {
        config values = config_for(origin, names.address());
        values.tls.profile = tls_profile::make(each.options);
        request what;
        what.url = "https://" + each.host + ":" + std::to_string(origin.port()) + "/bytes/1";
        // OpenSSL 3.0 goes on without the name where it cannot copy it: no request is left out.
        const std::uint64_t stride = each.host == "some.test" ? 1 : stride_of(4);
        std::uint64_t at = first++ % stride;
        for (;; at += stride) {
            SCOPED_TRACE(each.reason + ", request for memory number " + std::to_string(at));
            set_shortage(heap::libraries, at);
            starved_client subject(values);
            const support::awaited_response done = support::begin_send(*subject, what);
            const error_code error = done.error();
            const bool was_short = requests_made() > at;
            end_shortage();
            EXPECT_TRUE(error) << "status " << done.value().status;
            EXPECT_EQ(origin.counters().requests, 0U);
            if (HasFailure()) return;
            if (!was_short) {
                EXPECT_EQ(error, errc::certificate_rejected) << error.message();
                break;
            }
        }
        EXPECT_GT(at, 500U) << "more is asked for than that";
    }
}

}  // namespace
}  // namespace hearth::hostile
