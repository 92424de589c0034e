// Byte scripts for h1_engine: one exchange, the octets of its peer, and a log of what came out.
//
// The log joins neighbouring data events, so it must not depend on how the octets were split. Every
// slice is a heap block of its own that dies right after `retain`, so that a sanitizer sees any
// look at octets that are not borrowed any more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/h1_engine.hpp"

namespace hearth::proto::testing {

enum class ending { open, clean, broken };

/// One exchange as a peer answers it.
struct script {
    std::string_view method = "GET";
    std::string response = {};
    ending close = ending::open;
    headers request_fields = {};
    bool is_upload_open = false;  ///< The request has a chunked body that is never finished.
    h1_settings settings = {};
};

inline constexpr exchange_id script_exchange{7, 3};

inline std::span<const std::byte> octets(std::string_view text) {
    return std::as_bytes(std::span(text));
}

inline std::string show(const headers& fields) {
    std::string text = "{";
    for (const headers::field field : fields) {
        text.append(text.size() > 1 ? "|" : "").append(field.name).append("=").append(field.value);
    }
    return text + "}";
}

/// What an engine gave, an entry per event.
class event_log {
public:
    void add(const event& what) {
        if (what.kind == event_kind::data && !entries_.empty() &&
            entries_.back().starts_with("data ")) {
            entries_.back() += text_of(what);
            return;
        }
        if (what.kind == event_kind::error && !what.exchange.is_valid() && !entries_.empty() &&
            entries_.back() == "end reusable") {
            entries_.back() = "end";  // surplus octets, seen a moment later
        }
        entries_.push_back(describe(what));
    }
    void add_note(std::string note) { entries_.push_back(std::move(note)); }
    [[nodiscard]] const std::vector<std::string>& entries() const { return entries_; }
    [[nodiscard]] std::string text() const {
        std::string all;
        for (const std::string& entry : entries_) all += entry + "\n";
        return all;
    }

private:
    static std::string text_of(const event& what) {
        return {reinterpret_cast<const char*>(what.data.data()), what.data.size()};
    }
    static std::string describe_head(const response_head& head) {
        return std::to_string(head.status) + " v" + std::to_string(head.version) + " '" +
               head.reason + "' " + show(head.headers);
    }
    static std::string describe(const event& what) {
        switch (what.kind) {
            case event_kind::informational: return "informational " + describe_head(*what.head);
            case event_kind::proceed: return "proceed";
            case event_kind::head: return "head " + describe_head(*what.head);
            case event_kind::data: return "data " + text_of(what);
            case event_kind::trailers: return "trailers " + show(*what.fields);
            case event_kind::end: return what.reusable ? "end reusable" : "end";
            case event_kind::error:
                return std::string(what.exchange.is_valid() ? "error " : "idle error ") +
                       std::to_string(static_cast<int>(what.error)) + " " +
                       std::string(what.detail);
            default: return "unexpected";
        }
    }

    std::vector<std::string> entries_;
};

/// What is wrong with the order of a log, or nothing: informational responses, then head, data,
/// trailers, then one end or error, and after an end at most the error of surplus octets.
inline std::string find_disorder(const event_log& log) {
    static const std::vector<std::string> order{"proceed",  "informational", "head",  "data",
                                                "trailers", "end",           "error", "idle error"};
    std::size_t reached = 0;
    for (const std::string& entry : log.entries()) {
        std::size_t rank = 0;
        while (rank < order.size() && !entry.starts_with(order[rank])) ++rank;
        if (rank == order.size()) return entry;
        const bool may_repeat = rank <= 1 && reached <= 1;
        const bool is_after_end = order[reached] == "end" && order[rank] == "error";
        if ((rank <= reached && !may_repeat) || is_after_end) return "out of order: " + entry;
        reached = rank;
    }
    return {};
}

/// How the octets arrive.
struct delivery {
    std::vector<std::size_t> cuts = {};   ///< Offsets that begin a new slice, ascending.
    bool is_retained_each_event = false;  ///< Back-pressure: retain after every event.
};

inline void begin_script(const script& what, h1_engine& engine) {
    base::byte_queue out;
    outgoing_head head;
    head.method = what.method;
    head.target = what.method == "CONNECT" ? "example.com:443" : "/";
    head.authority = "example.com";
    head.fields = &what.request_fields;
    head.has_body = what.is_upload_open;
    engine.begin(script_exchange, head, out);
}

/// Polls until none; with back-pressure, the slice is retained and freed between any two events.
inline void poll_all(h1_engine& engine, const delivery& how, std::unique_ptr<std::byte[]>& slice,
                     event_log& log) {
    event what;
    for (int i = 0; i < 100'000 && engine.poll_event(what); ++i) {
        log.add(what);
        if (!how.is_retained_each_event) continue;
        engine.retain();
        slice.reset();
    }
}

inline void deliver(const script& what, const delivery& how, h1_engine& engine, event_log& log) {
    std::vector<std::size_t> bounds = how.cuts;
    bounds.insert(bounds.begin(), 0);
    bounds.push_back(what.response.size());
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        const std::size_t size = bounds[i + 1] - bounds[i];
        auto slice = std::make_unique<std::byte[]>(size);
        std::copy_n(octets(what.response).data() + bounds[i], size, slice.get());
        engine.receive({slice.get(), size});
        poll_all(engine, how, slice, log);
        engine.retain();
        // Buffers double as they grow; a head may be held parsed while trailers are collected.
        const std::size_t limit = std::max<std::size_t>(what.settings.max_header_bytes, 4096);
        if (engine.memory() > 4 * limit + size) log.add_note("too much memory");
    }
    if (what.close == ending::open) return;
    engine.on_peer_closed(what.close == ending::clean);
    std::unique_ptr<std::byte[]> none;
    poll_all(engine, how, none, log);
}

inline event_log run(const script& what, const delivery& how = {}) {
    h1_engine engine(what.settings);
    begin_script(what, engine);
    event_log log;
    deliver(what, how, engine, log);
    return log;
}

/// Every way to deliver that a script must not depend on: all cuts in two, octet by octet, in
/// threes, each with and without back-pressure.
inline std::vector<delivery> all_deliveries(std::size_t size) {
    std::vector<delivery> ways;
    for (const bool retained : {false, true}) {
        ways.push_back({{}, retained});
        for (std::size_t at = 1; at < size; ++at) ways.push_back({{at}, retained});
        for (const std::size_t step : {std::size_t{1}, std::size_t{3}}) {
            delivery stepped{{}, retained};
            for (std::size_t at = step; at < size; at += step) stepped.cuts.push_back(at);
            ways.push_back(stepped);
        }
    }
    return ways;
}

/// The log, or a report of the first delivery that gave another one.
inline std::string run_all_ways(const script& what) {
    const std::string expected = run(what).text();
    for (const delivery& way : all_deliveries(what.response.size())) {
        const std::string got = run(what, way).text();
        if (got == expected) continue;
        std::string report = "delivery of " + std::to_string(way.cuts.size() + 1) + " slices";
        if (way.cuts.size() == 1) report += " cut at " + std::to_string(way.cuts.front());
        return report + (way.is_retained_each_event ? ", retained" : "") + " gave\n" + got +
               "instead of\n" + expected;
    }
    return expected;
}

}  // namespace hearth::proto::testing
