#include "proto/h1_writer.hpp"

#include <charconv>
#include <cstring>
#include <span>

#include "proto/http_grammar.hpp"

namespace hearth::proto {
namespace {

using framing = h1_written_head::framing;

/// Writes text into room that is known to suffice.
class cursor {
public:
    explicit cursor(std::span<std::byte> room)
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets are text here
        : begin_(reinterpret_cast<char*>(room.data())), at_(begin_), end_(begin_ + room.size()) {}

    void put(std::string_view text) {
        HEARTH_ASSERT(text.size() <= static_cast<std::size_t>(end_ - at_));
        std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }
    void put_field(std::string_view name, std::string_view value) {
        put(name);
        put(": ");
        put(value);
        put("\r\n");
    }
    void put_number(std::uint64_t value) { at_ = std::to_chars(at_, end_, value).ptr; }
    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }

private:
    char* begin_;
    char* at_;
    char* end_;
};

constexpr std::size_t field_overhead = 4;  // ": " and CRLF
// The request line's fixed parts, the names of Host and User-Agent, content-length with 20 digits
// or transfer-encoding, expect, connection, trailer and the empty line; together below this.
constexpr std::size_t fixed_room = 256;

std::size_t room_for_fields(const headers& fields) {
    return fields.size_bytes() + field_overhead * fields.size();
}

std::size_t room_for(const outgoing_head& head) {
    std::size_t room = fixed_room + head.method.size() + head.target.size() +
                       head.authority.size() + head.user_agent.size();
    if (head.fields != nullptr) room += room_for_fields(*head.fields);
    if (head.trailers != nullptr) room += room_for_fields(*head.trailers);
    return room;
}

/// RFC 9110 8.6: these methods have content by their meaning, so its absence is said.
bool wants_length(std::string_view method) {
    return method == "POST" || method == "PUT" || method == "PATCH";
}

/// What the caller's fields say of those the writer may add itself.
struct caller_fields {
    std::string_view host;
    bool has_host = false;
    bool has_length = false;
    bool has_user_agent = false;
    bool has_expect = false;
    bool has_te = false;
    bool has_te_option = false;
    bool has_trailer = false;
    bool has_upgrade = false;
    bool has_close_option = false;
};

caller_fields read_fields(const headers& fields) {
    caller_fields seen;
    for (const headers::field& field : fields) {
        switch (classify_field(field.name)) {
            case known_field::host:
                if (!seen.has_host) seen.host = field.value;
                seen.has_host = true;
                break;
            case known_field::content_length: seen.has_length = true; break;
            case known_field::user_agent: seen.has_user_agent = true; break;
            case known_field::expect: seen.has_expect = true; break;
            case known_field::te: seen.has_te = true; break;
            case known_field::trailer: seen.has_trailer = true; break;
            case known_field::upgrade: seen.has_upgrade = true; break;
            case known_field::connection:
                for_each_member(field.value, [&seen](std::string_view option) {
                    if (equals_ignoring_case(option, "te")) seen.has_te_option = true;
                    if (equals_ignoring_case(option, "close")) seen.has_close_option = true;
                });
                break;
            default: break;
        }
    }
    return seen;
}

/// Copies the caller's fields but those the writer puts itself.
void put_caller_fields(const headers& fields, cursor& to) {
    for (const headers::field& field : fields) {
        switch (classify_field(field.name)) {
            case known_field::host:
            case known_field::content_length:
            case known_field::transfer_encoding: break;
            default: to.put_field(field.name, field.value);
        }
    }
}

void put_framing(const outgoing_head& head, const caller_fields& seen, h1_written_head& written,
                 cursor& to) {
    if (head.has_body && (head.has_trailers || !head.content_length)) {
        written.body = framing::chunked;
        to.put("Transfer-Encoding: chunked\r\n");
        return;
    }
    if (head.has_body) {
        written.body = framing::length;
        written.length = *head.content_length;
    } else if (!wants_length(head.method) && !seen.has_length) {
        return;
    }
    to.put("Content-Length: ");
    to.put_number(written.length);
    to.put("\r\n");
}

void put_trailer_names(const headers& trailers, cursor& to) {
    if (trailers.empty()) return;
    std::string_view separator = "Trailer: ";
    for (const headers::field& field : trailers) {
        to.put(separator);
        to.put(field.name);
        separator = ", ";
    }
    to.put("\r\n");
}

}  // namespace

h1_written_head write_head(const outgoing_head& head, base::byte_queue& out) {
    static const headers no_fields;
    const headers& fields = head.fields != nullptr ? *head.fields : no_fields;
    const caller_fields seen = read_fields(fields);
    h1_written_head written;
    written.asks_close = seen.has_close_option;
    written.asks_upgrade = seen.has_upgrade;

    cursor to(out.prepare(room_for(head)));
    to.put(head.method);
    to.put(" ");
    to.put(head.target);
    to.put(" HTTP/1.1\r\n");
    to.put_field("Host", seen.has_host ? seen.host : head.authority);
    if (!head.user_agent.empty() && !seen.has_user_agent) {
        to.put_field("User-Agent", head.user_agent);
    }
    put_caller_fields(fields, to);
    if (seen.has_te && !seen.has_te_option) to.put("Connection: TE\r\n");  // RFC 9110 10.1.4
    put_framing(head, seen, written, to);
    if (written.body == framing::chunked && head.trailers != nullptr && !seen.has_trailer) {
        put_trailer_names(*head.trailers, to);
    }
    if (head.expect_continue && head.has_body && !seen.has_expect) {
        to.put("Expect: 100-continue\r\n");
    }
    to.put("\r\n");
    out.commit(to.size());
    return written;
}

void write_last_chunk(const headers& trailers, base::byte_queue& out) {
    constexpr std::string_view last_chunk = "0\r\n";
    constexpr std::string_view end = "\r\n";
    cursor to(out.prepare(last_chunk.size() + room_for_fields(trailers) + end.size()));
    to.put(last_chunk);
    for (const headers::field& field : trailers) to.put_field(field.name, field.value);
    to.put(end);
    out.commit(to.size());
}

}  // namespace hearth::proto
