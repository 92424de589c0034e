#include "proto/h2_frame_reader.hpp"

#include <algorithm>
#include <cstring>

namespace hearth::proto {

bool h2_frame_reader::read_header(std::span<const std::byte>& input) {
    const std::size_t taken = std::min(octets_.size() - known_, input.size());
    if (taken != 0) std::memcpy(octets_.data() + known_, input.data(), taken);
    known_ += taken;
    input = input.subspan(taken);
    if (known_ != octets_.size()) return false;
    known_ = 0;
    const auto at = [this](std::size_t i) { return std::to_integer<std::uint32_t>(octets_[i]); };
    header_.length = (at(0) << 16) | (at(1) << 8) | at(2);
    header_.type = static_cast<std::uint8_t>(at(3));
    header_.flags = static_cast<std::uint8_t>(at(4));
    header_.stream =
        static_cast<std::int32_t>(((at(5) & 0x7f) << 24) | (at(6) << 16) | (at(7) << 8) | at(8));
    payload_left_ = header_.length;
    return true;
}

}  // namespace hearth::proto
