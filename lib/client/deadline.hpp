// deadline: the text of a remaining time in a header field, both ways. No clock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "hearth/config.hpp"

namespace hearth::detail {

/// At least one unit of the format: "0" would be no time at all, or none by some readings.
[[nodiscard]] std::string text_of_remaining(base::duration left, deadline_format format);
[[nodiscard]] std::optional<base::duration> parse_remaining(std::string_view text,
                                                            deadline_format format);

}  // namespace hearth::detail
