// The counters of one origin, as its threads write them; `origin_counters` is the snapshot.
#pragma once

#include <atomic>
#include <cstdint>

#include "hearth/testing/listen_options.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

/// A counter that any thread may change; nothing is ordered by it.
class counter {
public:
    void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// How many there are now, and the most there have been.
class gauge {
public:
    void enter() {
        const std::uint64_t now = value_.fetch_add(1, std::memory_order_relaxed) + 1;
        std::uint64_t peak = peak_.load(std::memory_order_relaxed);
        while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
        }
    }
    void leave() { value_.fetch_sub(1, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
    std::atomic<std::uint64_t> peak_{0};
};

struct counter_block {
    counter connections_accepted;
    gauge connections_open;
    counter handshakes_full;
    counter handshakes_resumed;
    counter handshakes_failed;
    counter connections_http2;
    counter streams_reset;
    counter requests;
    counter requests_completed;
    counter requests_aborted;
    counter requests_bad;
    gauge requests_active;
    counter bytes_received;
    counter bytes_sent;

    [[nodiscard]] origin_counters snapshot() const {
        return {.connections_accepted = connections_accepted.value(),
                .connections_open = connections_open.value(),
                .connections_peak = connections_open.peak(),
                .handshakes_full = handshakes_full.value(),
                .handshakes_resumed = handshakes_resumed.value(),
                .handshakes_failed = handshakes_failed.value(),
                .connections_http2 = connections_http2.value(),
                .streams_reset = streams_reset.value(),
                .requests = requests.value(),
                .requests_completed = requests_completed.value(),
                .requests_aborted = requests_aborted.value(),
                .requests_bad = requests_bad.value(),
                .requests_active = requests_active.value(),
                .requests_peak = requests_active.peak(),
                .bytes_received = bytes_received.value(),
                .bytes_sent = bytes_sent.value()};
    }
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
