// Request bodies: the parts of `body` and `body_source` that are compiled.

#include "hearth/body.hpp"

#include <type_traits>

HEARTH_BEGIN_NAMESPACE

body_source::~body_source() = default;

bool body_source::rewind() { return false; }

std::optional<std::uint64_t> body::size() const {
    return std::visit(
        [](const auto& value) -> std::optional<std::uint64_t> {
            using type = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<type, std::monostate>) {
                return 0;
            } else if constexpr (std::is_same_v<type, std::string>) {
                return value.size();
            } else if constexpr (std::is_same_v<type, segments_type>) {
                std::uint64_t total = 0;
                for (const std::string& segment : value) total += segment.size();
                return total;
            } else if constexpr (std::is_same_v<type, file_range>) {
                return value.length;
            } else if constexpr (std::is_same_v<type, source_type>) {
                return value ? value->size() : std::uint64_t{0};
            } else {
                return value.size;
            }
        },
        value_);
}

HEARTH_END_NAMESPACE
