#include "client/deadline.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "hearth/deadline.hpp"

namespace hearth::detail {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr hours longest{24 * 365};
constexpr std::int64_t most_of_grpc = 99'999'999;  // eight digits

std::optional<std::int64_t> digits_of(std::string_view text) {
    std::int64_t value = 0;
    const char* const last = text.data() + text.size();
    if (text.empty() || text.front() < '0' || text.front() > '9') return {};
    const auto [end, bad] = std::from_chars(text.data(), last, value);
    if (bad != std::errc{} || end != last) return {};
    return value;
}

std::optional<base::duration> times(std::int64_t count, base::duration unit) {
    if (count > longest / unit) return {};
    return unit * count;
}

/// TimeoutValue TimeoutUnit of gRPC over HTTP/2.
std::optional<base::duration> parse_grpc(std::string_view text) {
    if (text.size() < 2 || text.size() > 9) return {};
    const auto count = digits_of(text.substr(0, text.size() - 1));
    if (!count) return {};
    switch (text.back()) {
        case 'H': return times(*count, hours(1));
        case 'M': return times(*count, std::chrono::minutes(1));
        case 'S': return times(*count, std::chrono::seconds(1));
        case 'm': return times(*count, milliseconds(1));
        case 'u': return times(*count, std::chrono::microseconds(1));
        case 'n': return times(*count, nanoseconds(1));
        default: return {};
    }
}

/// "1", "0.25": digits beyond nanoseconds are dropped.
std::optional<base::duration> parse_seconds(std::string_view text) {
    const std::size_t dot = text.find('.');
    const auto whole = digits_of(text.substr(0, dot));
    if (!whole) return {};
    auto value = times(*whole, std::chrono::seconds(1));
    if (!value || dot == std::string_view::npos) return value;
    std::string fraction(text.substr(dot + 1));
    if (fraction.empty() || fraction.size() > 20) return {};
    if (fraction.find_first_not_of("0123456789") != std::string::npos) return {};
    fraction.resize(9, '0');
    return *value + nanoseconds(*digits_of(fraction));
}

}  // namespace

std::string text_of_remaining(base::duration left, deadline_format format) {
    const std::int64_t ms =
        std::max<std::int64_t>(std::chrono::floor<milliseconds>(left).count(), 1);
    switch (format) {
        case deadline_format::whole_milliseconds: return std::to_string(ms);
        case deadline_format::decimal_seconds: {
            std::string fraction = std::to_string(ms % 1000);
            fraction.insert(0, 3 - fraction.size(), '0');
            return std::to_string(ms / 1000) + "." + fraction;
        }
        case deadline_format::grpc:
            if (ms > most_of_grpc) {
                return std::to_string(std::min(ms / 1000, most_of_grpc)) + "S";
            }
            return std::to_string(ms) + "m";
    }
    return {};
}

std::optional<base::duration> parse_remaining(std::string_view text, deadline_format format) {
    switch (format) {
        case deadline_format::whole_milliseconds:
            if (const auto count = digits_of(text)) return times(*count, milliseconds(1));
            return {};
        case deadline_format::decimal_seconds: return parse_seconds(text);
        case deadline_format::grpc: return parse_grpc(text);
    }
    return {};
}

}  // namespace hearth::detail

HEARTH_BEGIN_NAMESPACE

bool adopt_deadline(request& what, const headers& incoming, const deadline_config& rules) {
    if (rules.header.empty()) return false;
    const auto text = incoming.find(rules.header);
    if (!text) return false;
    const auto left = detail::parse_remaining(*text, rules.format);
    if (!left) return false;
    const deadline_type until =
        in(std::max(*left - base::duration(rules.margin), base::duration::zero()));
    if (!what.deadline || until < *what.deadline) what.deadline = until;
    return true;
}

HEARTH_END_NAMESPACE
