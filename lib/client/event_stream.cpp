#include "hearth/event_stream.hpp"

#include <charconv>
#include <utility>

HEARTH_BEGIN_NAMESPACE

namespace {
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
}  // namespace

bool event_stream_parser::feed(std::string_view octets) {
    while (!octets.empty()) {
        if (skips_lf_) {
            skips_lf_ = false;
            if (octets.front() == '\n') octets.remove_prefix(1);
            continue;
        }
        const std::size_t end = octets.find_first_of("\r\n");
        line_.append(octets.substr(0, end));
        if (line_.size() + data_.size() > max_bytes_) return false;
        if (end == std::string_view::npos) return true;
        skips_lf_ = octets[end] == '\r';
        octets.remove_prefix(end + 1);
        std::string_view line = line_;
        if (is_beginning_ && line.starts_with(byte_order_mark)) {
            line.remove_prefix(byte_order_mark.size());
        }
        is_beginning_ = false;
        take_line(line);
        line_.clear();
    }
    return true;
}

void event_stream_parser::take_line(std::string_view line) {
    if (line.empty()) return dispatch();
    const std::size_t colon = line.find(':');
    if (colon == 0) return;  // a comment
    const std::string_view name = line.substr(0, colon);
    std::string_view value;
    if (colon != std::string_view::npos) value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "event") {
        type_ = value;
    } else if (name == "data") {
        if (has_data_) data_ += '\n';
        data_ += value;
        has_data_ = true;
    } else if (name == "id") {
        if (value.find('\0') == std::string_view::npos) last_id_ = value;
    } else if (name == "retry") {
        unsigned ms = 0;
        const char* const last = value.data() + value.size();
        const auto [end, bad] = std::from_chars(value.data(), last, ms);
        if (bad == std::errc{} && end == last) retry_ms_ = ms;
    }
}

void event_stream_parser::dispatch() {
    if (has_data_) {
        events_.push_back(
            {type_.empty() ? "message" : std::move(type_), std::move(data_), last_id_});
    }
    type_.clear();
    data_.clear();
    has_data_ = false;
}

std::optional<server_event> event_stream_parser::next() {
    if (events_.empty()) return {};
    server_event first = std::move(events_.front());
    events_.pop_front();
    return first;
}

HEARTH_END_NAMESPACE
