#include "proto/h1_parser.hpp"

#include <charconv>
#include <limits>

namespace hearth::proto {
namespace {

std::string_view to_std(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

h1_parser::h1_parser(bool has_no_body) {
    // The limits are the caller's work: of the head by h1_head_check, of the body by the exchange.
    header_limit(std::numeric_limits<std::uint32_t>::max());
    body_limit(boost::none);
    skip(has_no_body);
}

bool h1_parser::put_head(std::string_view head, const h1_head_facts& facts, response_head& into) {
    into.status = facts.status;
    into.version = facts.version;
    into.reason.clear();
    into.headers.clear();
    into.headers.reserve(facts.fields, facts.field_octets);
    head_ = &into;
    fields_ = &into.headers;
    bool is_good = true;
    if (!facts.is_plain_status_line) {
        // Beast wants the space before an absent reason, and no minor version above 1.
        std::string line = facts.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
        constexpr std::size_t version_size = 9;
        line.append(head.substr(version_size, facts.status_line_size - version_size - 2));
        if (line.size() == version_size + 3) line += ' ';
        line += "\r\n";
        error_code error;
        const std::size_t taken = put(boost::asio::buffer(line), error);
        is_good = error == boost::beast::http::error::need_more && taken == line.size();
        head.remove_prefix(facts.status_line_size);
    }
    is_good = is_good && put_all(head) && is_header_done();
    head_ = nullptr;
    fields_ = nullptr;
    return is_good;
}

bool h1_parser::put_data(std::span<const std::byte> bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets as Beast wants them
    return put_all({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

bool h1_parser::put_chunk(std::uint64_t size) {
    char line[2 + 16 + 2] = {'\r', '\n'};
    char* const end = std::to_chars(line + 2, line + 18, size, 16).ptr;
    end[0] = '\r';
    end[1] = '\n';
    const char* const begin = is_in_chunks_ ? line : line + 2;
    is_in_chunks_ = true;
    return put_all({begin, static_cast<std::size_t>(end + 2 - begin)});
}

bool h1_parser::put_last_chunk(std::string_view section, headers& into) {
    constexpr std::string_view line = "\r\n0\r\n";
    const std::string_view beginning = is_in_chunks_ ? line : line.substr(2);
    fields_ = &into;
    bool is_good = false;
    if (section == "\r\n") {
        constexpr std::string_view whole = "\r\n0\r\n\r\n";
        is_good = put_all(is_in_chunks_ ? whole : whole.substr(2));
    } else {
        std::string joined;  // Beast takes the line and the trailers in one piece only
        joined.reserve(beginning.size() + section.size());
        joined.append(beginning).append(section);
        is_good = put_all(joined);
    }
    fields_ = nullptr;
    return is_good && is_done();
}

bool h1_parser::put_end() {
    if (!got_some()) return false;
    error_code error;
    put_eof(error);
    return !error && is_done();
}

/// Gives all of `octets` to Beast, which stops after each element; false if it refuses any.
bool h1_parser::put_all(std::string_view octets) {
    while (!octets.empty()) {
        if (is_done()) return false;
        error_code error;
        const std::size_t taken =
            put(boost::asio::const_buffer(octets.data(), octets.size()), error);
        if (error || taken == 0) return false;
        octets.remove_prefix(taken);
    }
    return true;
}

void h1_parser::on_request_impl(boost::beast::http::verb, string_view, string_view, int,
                                error_code&) {}

void h1_parser::on_response_impl(int, string_view reason, int, error_code&) {
    head_->reason.assign(reason.data(), reason.size());
}

void h1_parser::on_field_impl(boost::beast::http::field, string_view name, string_view value,
                              error_code&) {
    fields_->add(to_std(name), to_std(value));
}

void h1_parser::on_header_impl(error_code&) {}

void h1_parser::on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) {}

std::size_t h1_parser::on_body_impl(string_view body, error_code&) { return body.size(); }

void h1_parser::on_chunk_header_impl(std::uint64_t, string_view, error_code&) {}

std::size_t h1_parser::on_chunk_body_impl(std::uint64_t, string_view body, error_code&) {
    return body.size();
}

void h1_parser::on_finish_impl(error_code&) {}

}  // namespace hearth::proto
