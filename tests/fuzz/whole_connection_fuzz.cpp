// Fuzz target: a shard in miniature. The real pool_core and the real protocol engine of each of its
// connections, joined as the shard joins them, in plaintext and without sockets; the fuzzer is
// everybody else: callers who come and give up, peers who send anything, ends and resets, dials
// that succeed or fail, and time.
//
// The input is a sequence of operations (see `world::act`). Invariants, after each of them: each
// exchange ends exactly once, octets of a response reach the exchange they belong to and no ended
// one, connections stay within their limit, core's own invariants hold (`check_invariants`), and
// what the engines hold is bounded. At the end time passes until nothing is left to wait for, and
// every exchange has ended.
#include <fuzzer/FuzzedDataProvider.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.hpp"
#include "core/pool_core.hpp"
#include "proto/connection.hpp"

namespace {

using namespace hearth;
using base::time_point;
using core::action;
using core::action_kind;
using core::exchange_outcome;
using proto::event;
using proto::event_kind;
using std::chrono::milliseconds;

constexpr std::uint32_t max_connections = 3;
constexpr std::uint32_t max_waiters = 4;
constexpr std::size_t max_held = 256 * 1024;
constexpr int max_operations = 400;

void require(bool holds, const char* claim) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", claim);
    std::abort();
}

enum class exchange_phase { waiting, assigned, cancelled };

struct link {
    connection_id id;
    std::unique_ptr<proto::connection> wire;  // once it is ready
    exchange_id exchange;                     // valid while one is on it
    std::uint64_t drain_left = 0;
    bool is_connecting = false;
};

core::pool_settings settings() {
    core::pool_settings values;
    values.pool.max_connections_per_origin = max_connections;
    values.pool.max_waiters = max_waiters;
    values.pool.drain_bytes = 2000;
    return values;
}

class world {
public:
    explicit world(std::uint64_t seed)
        : pool_(settings(), seed, max_connections),
          origin_(pool_.add_origin(now_, {.tls = false})) {}

    void act(FuzzedDataProvider& from) {
        switch (from.ConsumeIntegralInRange(0, 9)) {
            case 0: acquire(from.ConsumeBool(), from.ConsumeBool()); break;
            case 1: give_up(from.ConsumeIntegral<std::uint8_t>()); break;
            case 2: pass(milliseconds(from.ConsumeIntegralInRange(0, 3000))); break;
            case 3: pass(milliseconds(from.ConsumeIntegralInRange(0, 30))); break;
            case 4: advance_dial(from.ConsumeIntegral<std::uint8_t>()); break;
            case 5: fail_dial(from.ConsumeIntegral<std::uint8_t>()); break;
            case 6: end(from.ConsumeIntegral<std::uint8_t>(), from.ConsumeBool()); break;
            case 7: {
                link* const to = pick(from.ConsumeIntegral<std::uint8_t>(), true);
                const auto size = from.ConsumeIntegralInRange<std::size_t>(0, 64);
                const std::string octets = from.ConsumeBytesAsString(size);
                if (to != nullptr) give(*to, octets);
                break;
            }
            default: {
                link* const to = pick(from.ConsumeIntegral<std::uint8_t>(), true);
                const auto choice = from.ConsumeIntegralInRange<std::size_t>(0, 9);
                if (to != nullptr) give(*to, answer(choice));
            }
        }
        settle();
    }

    /// Nobody does anything any more; time alone must end everything.
    void finish() {
        pool_.drain(now_);
        settle();
        for (int i = 0; i < 200 && !phases_.empty(); ++i) {
            // Peers that never answer are given up, as `timeouts.first_byte` does it.
            for (auto& [index, phase] : std::map(phases_)) {
                if (phase == exchange_phase::assigned) give_up_this({index, 1});
            }
            pass(milliseconds(5000));
            settle();
        }
        require(phases_.empty(), "an exchange never ended");
    }

private:
    static std::string_view answer(std::size_t choice) {
        static const std::string_view answers[] = {
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
            "lo",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5\r\nhello\r\n",
            "0\r\n\r\n",
            "HTTP/1.1 204 No\r\n\r\n",
            "HTTP/1.1 103 Hints\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n",
        };
        return answers[choice];
    }

    // What others do.

    void acquire(bool has_deadline, bool fresh) {
        const exchange_id id{next_exchange_++, 1};
        phases_[id.index] = exchange_phase::waiting;
        const time_point deadline = has_deadline ? now_ + milliseconds(100) : base::never;
        pool_.acquire(now_, {id, origin_, deadline, fresh});
    }
    void give_up(std::size_t choice) {
        if (phases_.empty()) return;
        auto at = phases_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(choice % phases_.size()));
        give_up_this({at->first, 1});
    }
    void give_up_this(exchange_id id) {
        exchange_phase& phase = phases_.at(id.index);
        if (phase == exchange_phase::cancelled) return;
        if (phase == exchange_phase::waiting) {
            phases_.erase(id.index);
            pool_.cancel(now_, id);
            return;
        }
        link* const on = link_of(id);
        require(on != nullptr, "an assigned exchange is on no connection");
        phase = exchange_phase::cancelled;
        pool_.cancel_assigned(now_, on->id, id,
                              {.request_complete = true,
                               .response_delimited = !on->wire->engine().is_close_delimited()});
    }
    void pass(milliseconds time) {
        const time_point end = now_ + time;
        for (int i = 0; i < 1000 && pool_.next_deadline() <= end; ++i) {
            now_ = std::max(now_, pool_.next_deadline());
            pool_.on_timer(now_);
            settle();
        }
        now_ = end;
        pool_.on_timer(now_);
    }
    void advance_dial(std::size_t choice) {
        link* const one = pick(choice, false);
        if (one == nullptr) return;
        if (!one->is_connecting) {
            one->is_connecting = true;
            const bool families[1] = {false};
            pool_.on_resolved(now_, one->id, families);
            return;
        }
        const connection_id id = one->id;
        pool_.on_connected(now_, id, 0);
        one->wire =
            std::make_unique<proto::connection>(nullptr, proto::h1_settings{1024, 16, 4}, buffers_);
        pool_.on_ready(now_, id, {});
    }
    void fail_dial(std::size_t choice) {
        link* const one = pick(choice, false);
        if (one == nullptr) return;
        const connection_id id = one->id;
        links_.erase(id.index);
        pool_.on_dial_failed(now_, id, core::dial_failure::connect_failed);
    }
    void end(std::size_t choice, bool is_reset) {
        link* const one = pick(choice, true);
        if (one == nullptr) return;
        one->wire->on_peer_closed(is_reset);
        poll(one->id);
        // Whatever is left of it is gone with its socket.
        if (link* const left = find(one_id_)) drop(*left, close_reason::peer);
    }
    void give(link& to, std::string_view octets) {
        const auto own = std::make_unique<std::byte[]>(octets.size());
        std::copy_n(reinterpret_cast<const std::byte*>(octets.data()), octets.size(), own.get());
        const connection_id id = to.id;
        to.wire->receive({own.get(), octets.size()});
        poll(id);
        if (link* const still = find(id)) {
            still->wire->retain();
            require(still->wire->memory() <= max_held, "a connection holds too much");
        }
    }

    // What the shard does.

    void poll(connection_id id) {
        one_id_ = id;
        event what;
        for (;;) {
            link* const on = find(id);
            if (on == nullptr || !on->wire->poll_event(what)) return;
            if (!on_event(*on, what)) return;
        }
    }
    /// False if the connection is gone.
    bool on_event(link& on, const event& what) {
        const bool is_end = what.kind == event_kind::end || what.kind == event_kind::error;
        if (!on.exchange.is_valid()) {
            require(what.kind == event_kind::error, "an answer that nobody asked for");
            drop(on, close_reason::peer_error);
            return false;
        }
        require(what.exchange == on.exchange, "an event of another exchange");
        const auto at = phases_.find(on.exchange.index);
        require(at != phases_.end(), "an event of an exchange that has ended");
        require(at->second != exchange_phase::waiting, "an answer to a waiter");
        if (what.kind == event_kind::head) pool_.on_first_byte(now_, on.id, on.exchange);
        if (at->second == exchange_phase::cancelled && !is_end) {
            if (on.drain_left < what.data.size()) {
                drop(on, close_reason::drain_limit);
                return false;
            }
            on.drain_left -= what.data.size();
        }
        if (!is_end) return true;
        const exchange_id exchange = std::exchange(on.exchange, {});
        phases_.erase(exchange.index);
        const bool failed = what.kind == event_kind::error;
        const exchange_outcome outcome = failed          ? exchange_outcome::failed
                                         : what.reusable ? exchange_outcome::reusable
                                                         : exchange_outcome::not_reusable;
        pool_.on_exchange_done(now_, on.id, exchange, outcome);
        drain_actions();
        return find(one_id_) != nullptr;
    }
    /// The shard says that a connection is gone.
    void drop(link& on, close_reason reason) {
        const connection_id id = on.id;
        if (on.exchange.is_valid()) phases_.erase(on.exchange.index);
        links_.erase(id.index);
        pool_.on_closed(now_, id, reason);
    }
    void settle() {
        drain_actions();
        pool_.check_invariants();
        require(base::invariants_broken() == 0, "an invariant is broken");
        require(links_.size() <= max_connections, "more connections than the limit");
    }
    void drain_actions() {
        action what;
        for (int i = 0; pool_.poll_action(what); ++i) {
            require(i < 10'000, "actions without end");
            apply(what);
        }
    }
    void apply(const action& what) {
        switch (what.kind) {
            case action_kind::dial: links_[what.connection.index].id = what.connection; break;
            case action_kind::assign: assign(what); break;
            case action_kind::drain: {
                link* const on = find(what.connection);
                require(on != nullptr && on->exchange == what.exchange, "drains a stranger");
                on->drain_left = what.value;
                break;
            }
            case action_kind::reset: require(false, "HTTP/1.1 has no streams"); break;
            case action_kind::close: {
                link* const on = find(what.connection);
                require(on != nullptr, "closes what is gone");
                if (on->exchange.is_valid()) {
                    const auto at = phases_.find(on->exchange.index);
                    require(at != phases_.end() && at->second == exchange_phase::cancelled,
                            "closes under a live exchange");
                    phases_.erase(at);
                }
                links_.erase(what.connection.index);
                break;
            }
            case action_kind::fail: {
                const auto at = phases_.find(what.exchange.index);
                require(at != phases_.end() && at->second == exchange_phase::waiting,
                        "fails who does not wait");
                phases_.erase(at);
                break;
            }
            default: break;
        }
    }
    void assign(const action& what) {
        link* const on = find(what.connection);
        require(on != nullptr && on->wire != nullptr, "assigns to no connection");
        require(!on->exchange.is_valid(), "assigns to a busy connection");
        const auto at = phases_.find(what.exchange.index);
        require(at != phases_.end() && at->second == exchange_phase::waiting,
                "assigns who does not wait");
        at->second = exchange_phase::assigned;
        on->exchange = what.exchange;
        static const headers none;
        proto::outgoing_head head;
        head.method = what.exchange.index % 5 == 0 ? "HEAD" : "GET";
        head.target = "/";
        head.authority = "example.com";
        head.fields = &none;
        on->wire->begin(what.exchange, head);
        require(on->wire->flush(), "plaintext failed");
        on->wire->output().clear();
    }

    link* find(connection_id id) {
        const auto at = links_.find(id.index);
        return at != links_.end() && at->second.id == id ? &at->second : nullptr;
    }
    link* link_of(exchange_id id) {
        for (auto& [index, each] : links_) {
            if (each.exchange == id) return &each;
        }
        return nullptr;
    }
    /// One of those that are ready, or that are not.
    link* pick(std::size_t choice, bool is_ready) {
        std::size_t count = 0;
        for (auto& [index, each] : links_) count += (each.wire != nullptr) == is_ready ? 1 : 0;
        if (count == 0) return nullptr;
        choice %= count;
        for (auto& [index, each] : links_) {
            if ((each.wire != nullptr) == is_ready && choice-- == 0) return &each;
        }
        return nullptr;
    }

    time_point now_{std::chrono::hours(1)};
    proto::work_buffers buffers_;
    core::pool_core pool_;
    origin_id origin_;
    std::map<std::uint32_t, link> links_;
    std::map<std::uint32_t, exchange_phase> phases_;  // of those that have not ended
    std::uint32_t next_exchange_ = 1;
    connection_id one_id_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider from(data, size);
    world one(from.ConsumeIntegral<std::uint8_t>());
    for (int i = 0; i < max_operations && from.remaining_bytes() != 0; ++i) one.act(from);
    one.finish();
    return 0;
}
