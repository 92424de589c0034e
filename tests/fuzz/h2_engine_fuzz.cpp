// Fuzzes h2_engine: the input is what a peer sends, mixed with what the engine's owner does
// meanwhile.
//
// The first octets choose settings; then comes a sequence of operations: an octet below 0x80 gives
// as many octets of the rest to the engine, any other is a command. Checked: each exchange ends
// exactly once, and nothing of it comes after that; a failed engine takes nothing more; what the
// engine holds stays bounded, but for what its owner opens; octets of events lie within what was
// given (by the sanitizer).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <span>

#include "proto/h2_engine.hpp"

namespace {

using hearth::exchange_id;
using hearth::proto::event;
using hearth::proto::event_kind;
using hearth::proto::h2_engine;
using hearth::proto::h2_error_code;
using hearth::proto::h2_settings;

void require(bool holds) {
    if (!holds) std::abort();
}

class owner {
public:
    explicit owner(const h2_settings& settings) : engine_(settings) { flush(1 << 20); }

    void give(std::span<const std::byte> octets) {
        auto slice = std::make_unique<std::byte[]>(octets.size());
        std::copy(octets.begin(), octets.end(), slice.get());
        engine_.receive({slice.get(), octets.size()});
        const bool was_failed = engine_.is_failed();
        const bool took = poll();
        require(!was_failed || !took);
        engine_.retain();
    }
    void command(std::uint8_t what) {
        const exchange_id recent{next_ - 1, 1};
        switch (what & 0x0f) {
            case 0:
            case 1: begin(false); break;
            case 2: begin(true); break;
            case 3: {
                const std::byte octets[300]{};
                if (engine_.writable(recent) >= sizeof octets) engine_.write_body(recent, octets);
                break;
            }
            case 4: engine_.finish_body(recent, {}); break;
            case 5: engine_.finish_body(recent, {{"a", "b"}}); break;
            case 6: reset(recent, h2_error_code::cancel); break;
            case 7: discard(recent); break;
            case 8: engine_.send_ping(what); break;
            case 9: engine_.on_time_passed(1); break;
            case 10: flush(64); break;
            case 11: consumes_ = !consumes_; break;
            case 12: engine_.shut_down(); break;
            default: flush(1 << 20); break;
        }
        poll();
        constexpr std::size_t of_peer = std::size_t{1} << 20;
        constexpr std::size_t of_stream = 1024;  // the owner may open thousands, a pool would not
        require(engine_.memory() <= of_peer + of_stream * engine_.open_streams());
    }
    void close() {
        flush(1 << 20);
        poll();
        engine_.on_peer_closed(true);
        poll();
        require(open_.empty() && engine_.open_streams() == 0);
    }

private:
    void begin(bool has_body) {
        static const hearth::headers none;
        hearth::proto::outgoing_head head;
        head.method = has_body ? "POST" : next_ % 5 == 0 ? "HEAD" : "GET";
        head.target = "/";
        head.authority = "example.com";
        head.scheme = "https";
        head.fields = &none;
        head.has_body = has_body;
        const exchange_id exchange{next_++, 1};
        open_.insert(exchange.index);
        engine_.begin(exchange, head);
    }
    void reset(exchange_id exchange, h2_error_code code) {
        poll();
        engine_.reset(exchange, code);
        open_.erase(exchange.index);
    }
    void discard(exchange_id exchange) {
        poll();
        const bool is_reset = !engine_.request_complete(exchange);
        engine_.discard(exchange);
        if (is_reset) open_.erase(exchange.index);
    }
    void flush(std::size_t limit) {
        hearth::base::byte_queue out;
        engine_.flush(out, limit);
        poll();
    }
    bool poll() {
        event what;
        bool took = false;
        while (engine_.poll_event(what)) {
            took = true;
            if (!what.exchange.is_valid()) continue;
            require(open_.count(what.exchange.index) == 1);
            unsigned sum = 0;
            for (const std::byte octet : what.data) sum += std::to_integer<unsigned>(octet);
            seen_ += sum;
            if (consumes_) engine_.consume(what.exchange, what.data.size());
            if (what.kind == event_kind::end || what.kind == event_kind::error) {
                open_.erase(what.exchange.index);
            }
        }
        return took;
    }

    h2_engine engine_;
    std::set<std::uint32_t> open_;
    std::uint32_t next_ = 1;
    bool consumes_ = true;
    unsigned seen_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    h2_settings settings;
    settings.initial_stream_window = 65'535;
    settings.initial_connection_window = 65'535;
    settings.send_buffer_bytes = 1024;
    settings.max_header_bytes = 1024U << (data[0] % 6);
    settings.pings.burst = data[1];
    owner driver(settings);
    std::span<const std::byte> rest = std::as_bytes(std::span(data + 2, size - 2));
    while (!rest.empty()) {
        const auto what = std::to_integer<std::uint8_t>(rest.front());
        rest = rest.subspan(1);
        if (what >= 0x80) {
            driver.command(what);
            continue;
        }
        const std::size_t part = std::min<std::size_t>(what, rest.size());
        driver.give(rest.first(part));
        rest = rest.subspan(part);
    }
    driver.close();
    return 0;
}
