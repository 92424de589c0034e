// config_advice: what is legal in a config, but costly or without effect; and how numbers are
// written in findings. Called by config_check, for configs that may have contradictions, too.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "hearth/config.hpp"

namespace hearth::detail {

/// A sentence for each, beginning with the field.
[[nodiscard]] std::vector<std::string> advise(const config& value);

[[nodiscard]] std::string text_of(std::uint64_t value);
/// "1500 ms", "2 s" or "3 h".
[[nodiscard]] std::string text_of(milliseconds value);
[[nodiscard]] std::string text_of(std::chrono::seconds value);

}  // namespace hearth::detail
