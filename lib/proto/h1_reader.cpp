#include "proto/h1_reader.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/field_places.hpp"

namespace hearth::proto {
namespace {

/// Empties a container and gives its memory back, which assignment from an empty one need not do.
template <class Container>
void free_memory(Container& container) {
    const Container dropped = std::move(container);
    container = Container();
}

}  // namespace

void h1_reader::start(const h1_expectation& request) {
    HEARTH_ASSERT(is_idle());
    request_ = request;
    informational_ = 0;
    consumed_before_ = input_.consumed();
    phase_ = phase::head;
    expect_section(h1_head_check::section::head);
}

void h1_reader::receive(std::span<const std::byte> bytes) {
    if (phase_ == phase::done) return;
    HEARTH_ASSERT(input_.empty());
    if (!input_.empty()) {
        fail_internal(request_.exchange);
        return;
    }
    input_.borrow(bytes);
}

void h1_reader::on_peer_closed(bool clean) {
    if (is_peer_closed_) return;
    is_peer_closed_ = true;
    is_clean_close_ = clean;
}

void h1_reader::fail_internal(exchange_id exchange) {
    request_.exchange = exchange;
    is_misused_ = true;
}

std::size_t h1_reader::memory() const {
    return input_.memory() + base::field_places::memory(head_.headers) +
           base::field_places::memory(trailers_);
}

std::uint64_t h1_reader::bypassable() const {
    return phase_ == phase::body_length && input_.empty() && !is_misused_ ? left_ : 0;
}

void h1_reader::bypass(std::uint64_t octets) {
    HEARTH_ASSERT(octets <= bypassable());
    if (octets > bypassable()) {
        fail_internal(request_.exchange);
        return;
    }
    input_.pass(octets);
    left_ -= octets;
    if (left_ == 0) phase_ = phase::ending;
}

bool h1_reader::poll(event& out, bool request_complete) {
    if (is_misused_) {
        is_misused_ = false;
        fail(out, errc::internal, "hearth broke a rule of its own about this connection");
        return true;
    }
    if (input_.empty()) input_.clear();  // the last data event was the last to look at it
    for (;;) {  // bounded: `again` has consumed input or gone to a later phase
        switch (step(out, request_complete)) {
            case outcome::event: return true;
            case outcome::again: break;
            case outcome::starved: return is_peer_closed_ && end_by_close(out);
        }
    }
}

h1_reader::outcome h1_reader::step(event& out, bool request_complete) {
    switch (phase_) {
        case phase::informational:
            phase_ = phase::next_head;
            return give_head(out, event_kind::informational);
        case phase::next_head:  // the event of the last one has been looked at
            phase_ = phase::head;
            expect_section(h1_head_check::section::head);
            return outcome::again;
        case phase::trailers_parsed:
            phase_ = phase::ending;
            give(out, event_kind::trailers);
            out.fields = &trailers_;
            return outcome::event;
        case phase::ending: return give_end(out, request_complete);
        case phase::done: input_.clear(); return outcome::starved;
        default: return input_.empty() ? outcome::starved : step_input(out);
    }
}

h1_reader::outcome h1_reader::step_input(event& out) {
    switch (phase_) {
        case phase::idle:
            return refuse(out, "octets came on a connection where no response was due");
        case phase::head: return step_head(out);
        case phase::body_length: return step_counted_data(out, phase::ending);
        case phase::chunk_data: return step_counted_data(out, phase::chunk_end);
        case phase::body_to_close:
        case phase::raw: return step_uncounted_data(out);
        case phase::chunk_line: return step_chunk_line(out);
        case phase::chunk_end: return step_chunk_end(out);
        default: return step_trailers(out);
    }
}

// Heads.

h1_reader::outcome h1_reader::step_head(event& out) {
    switch (check_section()) {
        case h1_head_check::outcome::need_more: return outcome::starved;
        case h1_head_check::outcome::broken: return fail(out, check_.error(), check_.detail());
        case h1_head_check::outcome::complete: break;
    }
    const h1_head_facts& facts = check_.facts();
    const bool is_tunnel = request_.is_connect && facts.status / 100 == 2;
    const std::string_view section = input_.unit().substr(0, check_.size());
    head_.status = facts.status;
    head_.version = facts.version;
    head_.reason.assign(section.substr(facts.reason_at, facts.reason_size));
    base::field_places::complete(head_.headers, section);
    input_.finish_unit(check_.size());
    if (facts.status == 101 || is_tunnel) return accept_switch(out);
    if (facts.status < 200) return accept_informational(out);
    return accept_head(out);
}

h1_reader::outcome h1_reader::accept_informational(event& out) {
    const h1_head_facts& facts = check_.facts();
    if (facts.is_chunked || facts.content_length != 0) {
        return refuse(out, "a 1xx response announces a body (RFC 9110 15.2)");
    }
    if (informational_ == settings_.max_informational) {
        return fail(out, errc::informational_limit,
                    "there are more 1xx responses than http1.max_informational");
    }
    ++informational_;
    phase_ = phase::informational;
    return facts.status == 100 ? give(out, event_kind::proceed) : outcome::again;
}

h1_reader::outcome h1_reader::accept_switch(event& out) {
    if (request_.is_connect) {
        if (head_.status == 101) {
            return refuse(out, "the peer answers CONNECT with 101 (RFC 9110 9.3.6)");
        }
    } else if (!request_.asked_upgrade) {
        return refuse(out, "the peer switches protocols unasked (RFC 9110 15.2.2)");
    }
    phase_ = phase::raw;
    is_persistent_ = false;
    return give_head(out, event_kind::head);
}

h1_reader::outcome h1_reader::accept_head(event& out) {
    choose_framing(check_.facts());
    return give_head(out, event_kind::head);
}

/// RFC 9112 6.3 (where the message ends) and 9.3 (whether the connection persists).
void h1_reader::choose_framing(const h1_head_facts& facts) {
    is_persistent_ = !request_.asked_close && !facts.says_close &&
                     (facts.version == 11 || facts.says_keep_alive);
    if (request_.is_head_request || facts.status == 204 || facts.status == 304) {
        // A 204 that announces a body (RFC 9110 8.6 forbids it) leaves doubt about what follows.
        const bool announces = facts.is_chunked || facts.content_length != 0;
        if (facts.status == 204 && announces) is_persistent_ = false;
        phase_ = phase::ending;
    } else if (facts.is_chunked) {
        overhead_ = {};
        phase_ = phase::chunk_line;
    } else if (facts.has_content_length) {
        left_ = facts.content_length;
        phase_ = left_ == 0 ? phase::ending : phase::body_length;
    } else {
        is_persistent_ = false;
        phase_ = phase::body_to_close;
    }
}

// Bodies.

h1_reader::outcome h1_reader::step_counted_data(event& out, phase after) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input_.size()));
    const std::span<const std::byte> data = input_.first(size);
    input_.consume(size);
    left_ -= size;
    if (left_ == 0) {
        phase_ = after;
        if (after == phase::chunk_end) left_ = 2;
    }
    give(out, event_kind::data);
    out.data = data;
    return outcome::event;
}

h1_reader::outcome h1_reader::step_uncounted_data(event& out) {
    const std::span<const std::byte> data = input_.first(input_.size());
    input_.consume(data.size());
    give(out, event_kind::data);
    out.data = data;
    return outcome::event;
}

h1_reader::outcome h1_reader::step_chunk_line(event& out) {
    std::optional<std::string_view> line = input_.take_line(max_chunk_line_octets);
    if (!line) {
        if (input_.unit().size() < max_chunk_line_octets) return outcome::starved;
        return refuse(out, "a chunk-size line is longer than 4096 octets");
    }
    const std::size_t octets = line->size();
    line->remove_suffix(1);
    if (!line->ends_with('\r')) {
        return refuse(out, "a chunk-size line ends with a bare LF (RFC 9112 7.1)");
    }
    line->remove_suffix(1);
    std::string_view detail;
    const std::optional<std::uint64_t> size = parse_chunk_line(*line, detail);
    if (!size) return refuse(out, detail);
    if (!overhead_.add(*size, octets)) {
        return refuse(out, "chunk extensions are out of proportion to the data");
    }
    input_.finish_unit(octets);
    if (*size == 0) {
        phase_ = phase::trailers;
        expect_section(h1_head_check::section::trailers);
        return outcome::again;
    }
    left_ = *size;
    phase_ = phase::chunk_data;
    return outcome::again;
}

h1_reader::outcome h1_reader::step_chunk_end(event& out) {
    if (input_.front() != (left_ == 2 ? '\r' : '\n')) {
        return refuse(out, "the data of a chunk is not followed by CRLF (RFC 9112 7.1)");
    }
    input_.consume(1);
    --left_;
    if (left_ == 0) phase_ = phase::chunk_line;
    return outcome::again;
}

h1_reader::outcome h1_reader::step_trailers(event& out) {
    switch (check_section()) {
        case h1_head_check::outcome::need_more: return outcome::starved;
        case h1_head_check::outcome::broken: return fail(out, check_.error(), check_.detail());
        case h1_head_check::outcome::complete: break;
    }
    base::field_places::complete(trailers_, input_.unit().substr(0, check_.size()));
    input_.finish_unit(check_.size());
    phase_ = trailers_.empty() ? phase::ending : phase::trailers_parsed;
    return outcome::again;
}

// Ends.

/// The connection can serve again if nothing speaks against it, and nothing may be left over:
/// octets that are here already are refused by the next poll, as those that come later would be.
h1_reader::outcome h1_reader::give_end(event& out, bool request_complete) {
    const bool stays = is_persistent_ && request_complete && !is_peer_closed_;
    give(out, event_kind::end);
    out.reusable = stays && input_.empty();
    drop_response();
    phase_ = stays ? phase::idle : phase::done;
    request_ = {};
    return outcome::event;
}

/// The connection has ended and all input is used up.
bool h1_reader::end_by_close(event& out) {
    switch (phase_) {
        case phase::idle:
        case phase::done: phase_ = phase::done; return false;
        case phase::head:
            fail(out, errc::peer_closed,
                 received() == 0 ? "the connection ended before a response came"
                                 : "the connection ended before the response head was complete");
            return true;
        case phase::body_to_close:
        case phase::raw:
            if (is_clean_close_) {
                give_end(out, false);
                return true;
            }
            fail(out, errc::peer_truncated,
                 "the connection broke off in a body that only its orderly end could end");
            return true;
        default:
            fail(out, errc::peer_truncated, "the connection ended in the middle of the body");
            return true;
    }
}

h1_reader::outcome h1_reader::give(event& out, event_kind kind) const {
    out = {};
    out.kind = kind;
    out.exchange = request_.exchange;
    return outcome::event;
}

h1_reader::outcome h1_reader::give_head(event& out, event_kind kind) {
    give(out, kind);
    out.head = &head_;
    return outcome::event;
}

h1_reader::outcome h1_reader::fail(event& out, errc error, std::string_view detail) {
    give(out, event_kind::error);
    out.error = error;
    out.detail = detail;
    phase_ = phase::done;
    input_.clear();
    drop_response();
    return outcome::event;
}

h1_reader::outcome h1_reader::refuse(event& out, std::string_view detail) {
    return fail(out, errc::peer_protocol_error, detail);
}

void h1_reader::expect_section(h1_head_check::section kind) {
    headers& fields = kind == h1_head_check::section::head ? head_.headers : trailers_;
    check_.start(kind, {settings_.max_header_bytes, settings_.max_header_count}, fields);
}

/// Checks the section so far. If it is incomplete, all input has gone to the unit.
h1_head_check::outcome h1_reader::check_section() {
    h1_head_check::outcome result = h1_head_check::outcome::need_more;
    if (!input_.is_unit_split()) {
        result = check_.check(input_.unit());
        if (result == h1_head_check::outcome::need_more) input_.move_to_unit();
        return result;
    }
    // Line by line, so that nothing beyond the section's end is moved.
    while (result == h1_head_check::outcome::need_more && !input_.empty()) {
        input_.move_line_to_unit(settings_.max_header_bytes - input_.unit().size());
        result = check_.check(input_.unit());
    }
    return result;
}

void h1_reader::drop_response() {
    input_.drop_unit();
    free_memory(head_.headers);
    free_memory(head_.reason);
    free_memory(trailers_);
}

}  // namespace hearth::proto
