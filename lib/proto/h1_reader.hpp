// h1_reader: turns the octets of a connection's HTTP/1.1 responses into events. The response side
// of h1_engine, which is its only caller.
//
// It is pulled: each `poll` works on the input until one event has come of it, so events never
// queue up and a caller that stops polling stops the parsing. `phase` says what the next octet is
// part of:
//
//   idle -> head -> (informational -> next_head -> head)*
//        -> body_length | body_to_close | chunk_line .. | raw
//        -> ending -> idle (the connection can serve again) | done
//
// An error leads to `done` from anywhere; `done` swallows what still comes and gives no event.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "proto/h1_chunk_line.hpp"
#include "proto/h1_engine.hpp"
#include "proto/h1_head_check.hpp"
#include "proto/h1_input.hpp"
#include "proto/message.hpp"

namespace hearth::proto {

/// What of the request decides how its response is read.
struct h1_expectation {
    exchange_id exchange;
    bool is_head_request = false;
    bool is_connect = false;
    bool asked_close = false;
    bool asked_upgrade = false;
};

class h1_reader {
public:
    explicit h1_reader(const h1_settings& settings) : settings_(settings) {}

    /// A request has begun. Legal only when `is_idle()`.
    void start(const h1_expectation& request);
    void receive(std::span<const std::byte> bytes);
    /// `request_complete`: a connection whose request is incomplete when the response ends is
    /// spent.
    [[nodiscard]] bool poll(event& out, bool request_complete);
    void retain() { input_.retain(); }
    void on_peer_closed(bool clean);
    /// The engine's caller broke a rule: the next poll fails `exchange` with `errc::internal`.
    [[gnu::cold]] void fail_internal(exchange_id exchange);

    [[nodiscard]] bool is_idle() const {
        return phase_ == phase::idle && input_.empty() && !is_peer_closed_ && !is_misused_;
    }
    [[nodiscard]] bool is_done() const { return phase_ == phase::done; }
    [[nodiscard]] bool is_raw() const { return phase_ == phase::raw; }
    [[nodiscard]] bool is_close_delimited() const {
        return phase_ == phase::body_to_close || phase_ == phase::raw;
    }
    [[nodiscard]] bool has_input() const { return !input_.empty(); }
    /// As in h1_engine.
    [[nodiscard]] std::uint64_t bypassable() const;
    void bypass(std::uint64_t octets);
    [[nodiscard]] std::uint64_t received() const { return input_.consumed() - consumed_before_; }
    [[nodiscard]] exchange_id exchange() const { return request_.exchange; }
    [[nodiscard]] std::size_t memory() const;

private:
    enum class phase : std::uint8_t {
        idle,             // no exchange; any octet is one too many
        head,             // in or before a response head
        informational,    // its event is due
        next_head,        // behind one that was informational
        body_length,      // data with content-length
        body_to_close,    // data that the end of the connection ends
        chunk_line,       // in or before a chunk-size line
        chunk_data,       // data of a chunk
        chunk_end,        // the CRLF after it
        trailers,         // in or before the trailer section
        trailers_parsed,  // their event is due
        ending,           // all octets are here, the end event is due
        raw,              // another protocol's octets
        done,             // nothing is taken any more
    };
    /// What a step has led to: an event, another phase or less input, or the need of more input.
    enum class outcome : std::uint8_t { event, again, starved };

    outcome step(event& out, bool request_complete);
    outcome step_input(event& out);
    outcome step_head(event& out);
    outcome accept_informational(event& out);
    outcome accept_switch(event& out);
    outcome accept_head(event& out);
    void choose_framing(const h1_head_facts& facts);
    outcome step_counted_data(event& out, phase after);
    outcome step_uncounted_data(event& out);
    outcome step_chunk_line(event& out);
    outcome step_chunk_end(event& out);
    outcome step_trailers(event& out);
    outcome give_end(event& out, bool request_complete);
    bool end_by_close(event& out);

    outcome give(event& out, event_kind kind) const;
    outcome give_head(event& out, event_kind kind);
    [[gnu::cold]] outcome fail(event& out, errc error, std::string_view detail);
    [[gnu::cold]] outcome refuse(event& out, std::string_view detail);
    void expect_section(h1_head_check::section kind);
    h1_head_check::outcome check_section();
    void drop_response();

    const h1_settings settings_;
    h1_input input_;
    std::uint64_t consumed_before_ = 0;  // by earlier exchanges
    bool is_peer_closed_ = false;
    bool is_clean_close_ = false;
    bool is_misused_ = false;

    phase phase_ = phase::idle;
    h1_expectation request_;
    bool is_persistent_ = false;
    std::uint32_t informational_ = 0;
    std::uint64_t left_ = 0;  // octets until the body, the chunk or the CRLF after it ends
    chunk_overhead overhead_;
    h1_head_check check_;
    response_head head_;
    headers trailers_;
};

}  // namespace hearth::proto
