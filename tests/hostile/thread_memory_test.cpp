// Objects that a client's own thread gets no memory for: whichever it is, each call completes once,
// and the client serves the next one.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/client_state.hpp"
#include "client/shard_turn.hpp"
#include "client/target.hpp"
#include "hostile/thread_memory_fixture.hpp"

namespace hearth::hostile {
namespace {

using boost::system::error_code;
namespace asio = boost::asio;

TEST_P(HostileThreadMemoryTest, FirstCallsOfAClient) {
    std::uint64_t number = 0;
    starve(
        [&](client& subject) {
            request what = ask(number++);
            SCOPED_TRACE(what.url);
            const bool is_upload = !what.body.is_none();
            const support::awaited_response done = support::begin_send(subject, std::move(what));
            expect_result(done, is_upload);
            EXPECT_EQ(done.count(), 1U);
        },
        2);
}

TEST_P(HostileThreadMemoryTest, CallsOnAWarmConnection) {
    starve(
        [&](client& subject) {
            std::vector<support::awaited_response> all;
            for (std::uint64_t i = 0; i < 4; ++i) {
                all.push_back(support::begin_send(subject, ask(i)));
            }
            for (std::uint64_t i = 0; i < 4; ++i) {
                SCOPED_TRACE(i);
                expect_result(all[i], i == 3);
                EXPECT_EQ(all[i].count(), 1U);
            }
        },
        2, [&](client& subject) { expect_answer(subject); });
}

/// Opens an exchange and uses what it is for, as far as it goes.
error_code use_streams(client& subject, request up) {
    up.body = streamed_body{};
    support::awaited_exchange opened;
    subject.async_open(std::move(up), opened.handler());
    if (opened.error()) return opened.error();
    exchange with = std::move(opened.value());
    const std::string sent = testing::pattern_octets(0, 20'000);
    for (std::size_t at = 0; at < sent.size();) {
        const support::awaited_size written =
            support::begin_write(with, asio::buffer(sent.data() + at, sent.size() - at));
        if (written.error()) return written.error();
        EXPECT_EQ(written.count(), 1U);
        at += written.value();
    }
    if (const error_code error = support::finish(with)) return error;
    const support::awaited_head head = support::read_head(with);
    if (head.error()) return head.error();
    EXPECT_EQ(head.count(), 1U);
    error_code error;
    const std::string body = support::read_body(with, error);
    if (error != asio::error::eof) {
        EXPECT_EQ(with.failure().phase == phase::none, false) << error.message();
        return error;
    }
    EXPECT_FALSE(body.empty());
    return {};
}

TEST_P(HostileThreadMemoryTest, StreamsOfACaller) {
    starve(
        [&](client& subject) {
            request up = get("upload");
            up.method = method::put;
            const error_code error = use_streams(subject, std::move(up));
            EXPECT_TRUE(!error || is_excused(error)) << error.message();
        },
        2, [&](client& subject) { expect_answer(subject); });
}

TEST_P(HostileThreadMemoryTest, ExchangesThatAreGivenUp) {
    starve(
        [&](client& subject) {
            support::awaited_exchange opened;
            subject.async_open(get("gzip"), opened.handler());
            if (opened.error()) {
                EXPECT_TRUE(is_excused(opened.error())) << opened.error().message();
                return;
            }
            support::awaited_head head;
            {
                exchange with = std::move(opened.value());
                with.async_read_head(head.handler());
            }
            (void)head.wait();
            EXPECT_EQ(head.count(), 1U);
        },
        2, [&](client& subject) { expect_answer(subject); });
}

TEST_P(HostileThreadMemoryTest, RepetitionsAndRedirects) {
    origin_->on("/there", [](const testing::request_view&, testing::responder out) {
        out.answer({.status = 302, .headers = {{"location", "/gzip"}}, .body = {}});
    });
    std::atomic<unsigned> asked{0};
    origin_->on("/again", [&](const testing::request_view&, testing::responder out) {
        out.answer({.status = asked++ % 2 == 0 ? 503 : 200, .headers = {}, .body = text_});
    });
    config values = config_for(*origin_, names_.address());
    values.retry.max_attempts = 3;
    values.retry.min_backoff = std::chrono::milliseconds(1);
    values.retry.max_backoff = std::chrono::milliseconds(1);
    values.redirect.enabled = true;
    values.budget.floor_per_second = 1000;
    std::uint64_t number = 0;
    starve(
        values,
        [&](client& subject) {
            request what = get(number++ % 2 == 0 ? "there" : "again");
            SCOPED_TRACE(what.url);
            const support::awaited_response done = support::begin_send(subject, std::move(what));
            (void)done.wait();
            if (!(done.value().status == 503)) expect_result(done);
            EXPECT_EQ(done.count(), 1U);
        },
        2, [&](client& subject) { expect_answer(subject); });
}

TEST_P(HostileThreadMemoryTest, HandlersOfAnotherExecutor) {
    asio::io_context other;
    auto work = asio::make_work_guard(other);
    std::thread runner([&] { other.run(); });
    const std::thread::id expected = runner.get_id();
    starve(
        [&](client& subject) {
            support::awaited_response done;
            subject.async_send(
                get(), asio::bind_executor(other, [&, told = done.handler()](error_code error,
                                                                             response got) mutable {
                    EXPECT_EQ(std::this_thread::get_id(), expected);
                    told(error, std::move(got));
                }));
            expect_result(done);
            EXPECT_EQ(done.count(), 1U);
        },
        1, [&](client& subject) { expect_answer(subject); });
    work.reset();
    runner.join();
}

TEST_P(HostileThreadMemoryTest, ReservedConnections) {
    starve(
        [&](client& subject) {
            request like = get();
            like.protocol = protocol_policy::http1_only;
            support::awaited<error_code, reserved_connection> got;
            subject.async_reserve(like, got.handler());
            if (got.error()) {
                EXPECT_TRUE(is_excused(got.error())) << got.error().message();
                return;
            }
            reserved_connection held = std::move(std::get<1>(got.wait()));
            for (int i = 0; i < 2; ++i) {
                support::awaited_response done;
                held.async_send(get(), done.handler());
                (void)done.wait();
                EXPECT_EQ(done.count(), 1U);
            }
        },
        3);
}

TEST_P(HostileThreadMemoryTest, OtherValuesStatsAndTheEnd) {
    const config values = config_for(*origin_, names_.address());
    std::uint32_t number = 0;
    starve(
        values,
        [&](client& subject) {
            config next = values;
            next.pool.max_connections = 1000 + ++number;
            next.io.receive_buffer = 64 * 1024 + number * 1024;
            support::awaited<error_code, std::string> updated;
            subject.async_update(next, updated.handler());
            (void)updated.wait();
            EXPECT_FALSE(updated.error()) << updated.error().message();
            const stats seen = subject.stats();
            EXPECT_EQ(seen.calls, seen.completed);
            const support::awaited_response done = support::begin_send(subject, get());
            expect_result(done);
        },
        2, [&](client& subject) { expect_answer(subject); });
    for (std::uint64_t at = 0; at < 12; ++at) {
        SCOPED_TRACE("request for memory number " + std::to_string(at));
        client subject(values);
        watch_threads(subject, {origin_of(get())});
        expect_answer(subject);
        set_shortage(heap::objects, at);
        const support::awaited_response done = support::begin_send(subject, get());
        subject.drain();
        end_shortage();
        expect_result(done);
    }
}

/// From some point on nothing is had any more, until there is enough again.
TEST_P(HostileThreadMemoryTest, NoneForALongTime) {
    const config values = config_for(*origin_, names_.address());
    const std::uint64_t stride = stride_of(3);
    for (std::uint64_t at = 0; at < 150; at += stride) {
        SCOPED_TRACE("none from request number " + std::to_string(at));
        client subject(values);
        watch_threads(subject, {origin_of(get())});
        if (at % 2 == 0) expect_answer(subject);
        set_famine(heap::objects, at);
        const support::awaited_response first = support::begin_send(subject, ask(at));
        expect_result(first, at % 4 == 3);
        const support::awaited_response second = support::begin_send(subject, get());
        expect_result(second);
        (void)subject.stats();
        end_shortage();
        expect_answer(subject);
        expect_sound(subject);
        EXPECT_EQ(first.count(), 1U);
        EXPECT_EQ(second.count(), 1U);
        if (HasFailure()) return;
    }
}

TEST_P(HostileThreadMemoryTest, NoneUntilTheEnd) {
    const config values = config_for(*origin_, names_.address());
    const std::uint64_t stride = stride_of(7);
    for (std::uint64_t at = 0; at < 150; at += stride) {
        SCOPED_TRACE("none from request number " + std::to_string(at));
        std::optional<client> subject(values);
        watch_threads(*subject, {origin_of(get())});
        if (at % 2 == 0) expect_answer(*subject);
        set_famine(heap::objects, at);
        const support::awaited_response first = support::begin_send(*subject, ask(at));
        expect_result(first, at % 4 == 3);
        const support::awaited_response last = support::begin_send(*subject, get());
        subject.reset();
        end_shortage();
        (void)last.wait();
        EXPECT_EQ(first.count(), 1U);
        EXPECT_EQ(last.count(), 1U);
        if (HasFailure()) return;
    }
}

class HostileLateReadMemoryTest : public HostileThreadMemoryTest {};

/// What an exchange left behind when it ended is read without it. (HTTP/1.1 does not read ahead.)
TEST_P(HostileLateReadMemoryTest, ReadsOfWhatWasReceived) {
    const config values = config_for(*origin_, names_.address());
    std::FILE* const file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    for (std::uint64_t at = 0; at < 10; ++at) {
        SCOPED_TRACE("request for memory number " + std::to_string(at));
        client subject(values);
        watch_threads(subject, {origin_of(get())});
        exchange with = support::open(subject, get());
        (void)support::read_head(with).wait();
        // All of it is here, though nobody reads.
        ASSERT_TRUE(support::eventually([&] { return subject.stats().in_flight == 0; }));
        set_shortage(heap::objects, at);
        support::awaited_size read;
        with.async_read_to({::fileno(file), 0, body_size}, read.handler());
        const error_code error = read.error();
        end_shortage();
        EXPECT_TRUE(!error || error == errc::out_of_memory) << error.message();
        EXPECT_EQ(read.count(), 1U);
        expect_answer(subject);
    }
    std::fclose(file);
}

/// Threads that share a limit go on sharing all of it.
TEST_P(HostileThreadMemoryTest, LimitOfSeveralThreads) {
    config values = config_for(*origin_, names_.address());
    values.io.threads = 2;
    values.pool.max_connections = 2;
    values.pool.max_connections_per_origin = 2;
    values.protocol = protocol_policy::http1_only;
    testing::origin_options options;
    options.listen.tls = false;
    std::vector<std::unique_ptr<testing::origin>> others;
    std::vector<origin> named;
    for (int i = 0; i < 6; ++i) {
        others.push_back(std::make_unique<testing::origin>(options));
        named.push_back(origin::parse(others.back()->url("/")).value());
    }
    const auto ask_all = [&](client& subject, bool is_short) {
        std::vector<support::awaited_response> all;
        for (const auto& one : others) {
            request what;
            what.url = one->url("/bytes/10");
            all.push_back(support::begin_send(subject, std::move(what)));
        }
        for (const auto& done : all) {
            const error_code error = done.error();
            EXPECT_TRUE(!error || (is_short && is_excused(error)))
                << error.message() << "; " << done.value().failure.detail;
            EXPECT_EQ(done.count(), 1U);
        }
    };
    const std::uint64_t stride = stride_of(5);
    unsigned enough = 0;
    for (std::uint64_t at = 0; enough < 3; at += stride) {
        SCOPED_TRACE("request for memory number " + std::to_string(at));
        client subject(values);
        watch_threads(subject, named);
        set_shortage(heap::objects, at);
        ask_all(subject, true);
        const bool was_short = requests_made() > at;
        end_shortage();
        ask_all(subject, false);
        expect_sound(subject);
        EXPECT_LE(subject.stats().total().open, 2U);
        if (HasFailure()) return;
        enough = was_short ? 0 : enough + 1;
    }
}

/// An origin on two threads of a client, of which the second cannot take calls: it has given its
/// part of the origin up, or all of the part is in use.
struct origin_on_two_threads {
    origin_on_two_threads(client& client, std::string url)
        : subject(client), state(detail::client_access::state(client)), where(std::move(url)) {
        while (state.placement()->table().load(slot).empty()) ++slot;
        EXPECT_TRUE(state.placement()->spread(slot, 1));
        EXPECT_TRUE(support::eventually(
            [&] { return state.placement()->table().load(slot).count() == 2; }));
    }
    void give_up() {
        EXPECT_TRUE(state.placement()->gather(slot));
        EXPECT_TRUE(
            support::eventually([&] { return subject.stats().origins.at(0).threads == 1; }));
    }
    void fill(const std::string& stalled) {
        for (support::awaited_response& one : held) {
            begin(stalled, one, {});
        }
        EXPECT_TRUE(support::eventually(
            [&] { return subject.stats().total().exchanges == 1 + held.size(); }));
    }
    /// Begins a call on the second thread, after `before`.
    void begin(const std::string& url, const support::awaited_response& done,
               std::function<void()> before) {
        auto late = std::make_shared<detail::call>();
        late->what.url = url;
        late->where = *detail::share_target(url);
        late->started = std::chrono::steady_clock::now();
        late->send = detail::make_handler<error_code, response>(done.handler());
        late->slot = slot;
        handles.push_back(std::make_shared<detail::cancel_handle>());
        handles.back()->owner = state.shards()[1];
        state.shards()[1]->submit([late, handle = handles.back(), before = std::move(before)] {
            if (before) before();
            handle->owner->begin(std::move(*late), handle);
        });
    }
    void cancel() {
        for (const auto& one : handles) {
            one->owner->submit([one] { one->owner->cancel(one, false); });
        }
    }

    client& subject;
    detail::client_state& state;
    std::string where;
    std::uint32_t slot = 0;
    std::array<support::awaited_response, 2> held;
    std::vector<std::shared_ptr<detail::cancel_handle>> handles;
};

TEST_P(HostileThreadMemoryTest, CallsThatGoOnToAnotherThread) {
    config values = config_for(*origin_, names_.address());
    values.io.threads = 2;
    values.http2.max_connections = 4;
    values.http2.max_streams = 1;
    unsigned enough = 0;
    std::uint64_t most = 0;
    for (std::uint64_t at = 0; enough < 3; ++at) {
        SCOPED_TRACE("request for memory number " + std::to_string(at));
        client subject(values);
        expect_answer(subject);
        origin_on_two_threads second(subject, get().url);
        if (GetParam() == wire::http2) {
            second.fill(origin_->url("/stall"));
        } else {
            second.give_up();
        }
        const support::awaited_response done;
        second.begin(second.where, done, [at] {
            watch_this_thread();
            set_shortage(heap::objects, at);
        });
        expect_result(done);
        EXPECT_EQ(done.count(), 1U);
        const bool was_short = requests_made() > at;
        end_shortage();
        second.cancel();
        expect_answer(subject);
        EXPECT_TRUE(support::eventually([&] { return subject.stats().in_flight == 0; }));
        expect_sound(subject);
        if (HasFailure()) return;
        enough = was_short ? 0 : enough + 1;
        most = at;
    }
    EXPECT_GT(most, 3U) << "nothing is asked for";
}

INSTANTIATE_TEST_SUITE_P(Wire, HostileLateReadMemoryTest, ::testing::Values(wire::http2), name_of);
INSTANTIATE_TEST_SUITE_P(Wire, HostileThreadMemoryTest,
                         ::testing::Values(wire::plain, wire::tls, wire::http2), name_of);

}  // namespace
}  // namespace hearth::hostile
