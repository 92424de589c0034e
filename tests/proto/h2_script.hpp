// Frame scripts for h2_engine: exchanges, the octets of their peer, and a log of what came out.
//
// `h2_client` drives one engine as its owner would and keeps two logs: events (neighbouring data of
// a stream joined, so that it does not depend on how octets were split) and the frames that were
// sent. Every slice given to the engine is a heap block of its own that dies right after `retain`,
// so that a sanitizer sees any look at octets that are not borrowed any more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/h2_engine.hpp"
#include "support/h2_frames.hpp"

namespace hearth::proto::testing {

namespace h2 = hearth::testing::h2;

inline exchange_id exchange(std::uint32_t number) { return {number, 1}; }

inline std::span<const std::byte> octets_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

inline std::string show_fields(const headers& fields) {
    std::string text = "{";
    for (const headers::field field : fields) {
        text.append(text.size() > 1 ? "|" : "").append(field.name).append("=").append(field.value);
    }
    return text + "}";
}

class h2_client {
public:
    static constexpr std::size_t no_limit = std::size_t{1} << 30;

    explicit h2_client(const h2_settings& settings = {}) : engine_(settings) { flush(); }

    [[nodiscard]] h2_engine& engine() { return engine_; }

    // Requests. Exchange n is the stream 2n-1 if all are begun in order.
    void get(std::uint32_t number, std::string_view method = "GET") {
        outgoing_head head = default_head();
        head.method = method;
        if (method == "CONNECT") head.target = "example.com:443";
        engine_.begin(exchange(number), head);
    }
    void upload(std::uint32_t number, std::optional<std::uint64_t> length = {},
                bool has_trailers = false) {
        outgoing_head head = default_head();
        head.method = "POST";
        head.has_body = true;
        head.content_length = length;
        head.has_trailers = has_trailers;
        engine_.begin(exchange(number), head);
    }
    void write(std::uint32_t number, std::string_view text) {
        engine_.write_body(exchange(number), octets_of(text));
    }
    void finish(std::uint32_t number, const headers& trailers = {}) {
        engine_.finish_body(exchange(number), trailers);
    }
    static outgoing_head default_head() {
        static const headers none;
        outgoing_head head;
        head.method = "GET";
        head.target = "/";
        head.authority = "example.com";
        head.scheme = "https";
        head.fields = &none;
        return head;
    }

    // A turn, or parts of one.
    /// Gives the octets in one slice, takes all events, flushes.
    void give(std::string_view text) {
        receive(text, false);
        flush();
    }
    void receive(std::string_view text, bool is_retained_each_event) {
        auto slice = std::make_unique<std::byte[]>(text.size());
        std::copy_n(octets_of(text).data(), text.size(), slice.get());
        engine_.receive({slice.get(), text.size()});
        event what;
        for (int i = 0; i < 1'000'000 && engine_.poll_event(what); ++i) {
            log(what);
            if (!is_retained_each_event) continue;
            engine_.retain();
            slice.reset();
        }
        engine_.retain();
    }
    /// Takes the events that are there.
    void poll() {
        event what;
        for (int i = 0; i < 1'000'000 && engine_.poll_event(what); ++i) log(what);
    }
    void flush(std::size_t limit = no_limit) {
        base::byte_queue out;
        engine_.flush(out, limit);
        const std::span<const std::byte> made = out.data();
        sent_.append(reinterpret_cast<const char*>(made.data()), made.size());
        poll();
    }
    void close() {
        engine_.on_peer_closed(true);
        poll();
    }

    // What came out.
    [[nodiscard]] const std::vector<std::string>& events() const { return events_; }
    /// All events so far, one per line, and forgets them.
    [[nodiscard]] std::string take_events() {
        std::string all;
        for (const std::string& one : events_) all += one + "\n";
        events_.clear();
        return all;
    }
    /// What was sent since the last call.
    [[nodiscard]] std::string take_sent() { return std::exchange(sent_, {}); }
    /// The same as frames; the preface is dropped.
    [[nodiscard]] std::vector<h2::seen_frame> take_frames() {
        std::string octets = take_sent();
        constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        if (octets.starts_with(preface)) octets.erase(0, preface.size());
        return h2::frames_of(octets);
    }
    /// Octets of data given to the log so far, and whether they are consumed as they come.
    std::uint64_t data_octets = 0;
    bool consumes = true;
    /// Log how many octets, not which.
    bool is_brief = false;

private:
    void log(const event& what) {
        const std::string who =
            what.exchange.is_valid() ? std::to_string(what.exchange.index) + " " : "- ";
        if (what.kind == event_kind::data) {
            data_octets += what.data.size();
            const std::string text(reinterpret_cast<const char*>(what.data.data()),
                                   what.data.size());
            if (consumes) engine_.consume(what.exchange, what.data.size());
            if (is_brief) return;
            if (!events_.empty() && events_.back().starts_with(who + "data ")) {
                events_.back() += text;
            } else {
                events_.push_back(who + "data " + text);
            }
            return;
        }
        events_.push_back(who + describe(what));
    }
    static std::string describe(const event& what) {
        switch (what.kind) {
            case event_kind::informational: return "informational " + describe_head(*what.head);
            case event_kind::proceed: return "proceed";
            case event_kind::head: return "head " + describe_head(*what.head);
            case event_kind::trailers: return "trailers " + show_fields(*what.fields);
            case event_kind::end: return what.reusable ? "end reusable" : "end";
            case event_kind::error:
                return "error " + std::to_string(static_cast<int>(what.error)) + " " +
                       to_string(static_cast<h2_error_code>(what.http2_code)) +
                       (what.is_unprocessed ? " unprocessed: " : ": ") + std::string(what.detail);
            case event_kind::goaway:
                return "goaway " + std::to_string(what.value) + " " +
                       to_string(static_cast<h2_error_code>(what.http2_code)) + " '" +
                       std::string(what.detail) + "'";
            case event_kind::settings: return "settings";
            case event_kind::pong: return "pong " + std::to_string(what.value);
            case event_kind::writable: return "writable";
            default: return "unexpected";
        }
    }
    static std::string describe_head(const response_head& head) {
        return std::to_string(head.status) + " v" + std::to_string(head.version) + " " +
               show_fields(head.headers);
    }

    h2_engine engine_;
    std::vector<std::string> events_;
    std::string sent_;
};

/// One script: a request for exchange 1 (stream 1), and what its peer sends after its SETTINGS.
struct h2_script {
    std::string_view method = "GET";
    std::string response = {};
    bool is_closed = false;
    bool is_upload_open = false;
    h2_settings settings = {};
};

/// How the octets arrive.
struct h2_delivery {
    std::vector<std::size_t> cuts = {};
    bool is_retained_each_event = false;
};

inline std::string run(const h2_script& what, const h2_delivery& how = {}) {
    h2_client client(what.settings);
    if (what.is_upload_open) {
        client.upload(1);
    } else {
        client.get(1, what.method);
    }
    client.flush();
    const std::string all = h2::settings() + what.response;
    std::vector<std::size_t> bounds = how.cuts;
    bounds.insert(bounds.begin(), 0);
    bounds.push_back(all.size());
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        client.receive(std::string_view(all).substr(bounds[i], bounds[i + 1] - bounds[i]),
                       how.is_retained_each_event);
        client.flush();
    }
    if (what.is_closed) client.close();
    std::string log = client.take_events();
    const std::string first = "- settings\n";
    return log.starts_with(first) ? log.substr(first.size()) : log;
}

/// Every way to deliver that a script must not depend on: all cuts in two, octet by octet, in
/// threes, each with and without back-pressure.
inline std::string run_all_ways(const h2_script& what) {
    const std::string expected = run(what);
    const std::size_t size = h2::settings().size() + what.response.size();
    for (const bool retained : {false, true}) {
        std::vector<h2_delivery> ways{{{}, retained}};
        for (std::size_t at = 1; at < size; ++at) ways.push_back({{at}, retained});
        for (const std::size_t step : {std::size_t{1}, std::size_t{3}}) {
            h2_delivery stepped{{}, retained};
            for (std::size_t at = step; at < size; at += step) stepped.cuts.push_back(at);
            ways.push_back(stepped);
        }
        for (const h2_delivery& way : ways) {
            const std::string got = run(what, way);
            if (got == expected) continue;
            return "delivery of " + std::to_string(way.cuts.size() + 1) + " slices, first cut at " +
                   std::to_string(way.cuts.empty() ? 0 : way.cuts.front()) +
                   (retained ? ", retained" : "") + " gave\n" + got + "instead of\n" + expected;
        }
    }
    return expected;
}

}  // namespace hearth::proto::testing
