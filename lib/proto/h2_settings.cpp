#include "proto/h2_settings.hpp"

#include <algorithm>

namespace hearth::proto {
namespace {

constexpr std::uint32_t kib = 1024;
constexpr std::uint32_t mib = 1024 * 1024;
constexpr std::uint32_t smallest_window = 65'535;  // RFC 9113 6.5.2, 6.9.2: what a peer assumes
constexpr std::uint32_t largest_window = 2'147'483'647;

void limit(std::uint32_t& value, std::uint32_t least, std::uint32_t most) {
    value = std::clamp(value, least, most);
}

void limit(h2_allowance& value) {
    constexpr std::uint32_t most = 1'000'000;
    limit(value.burst, 1, most);
    limit(value.per_second, 0, most);
}

}  // namespace

h2_settings clamped(h2_settings value) {
    limit(value.max_header_bytes, kib, 16 * mib);
    limit(value.max_header_count, 8, 65'536);
    limit(value.max_informational, 0, 1'000);
    limit(value.max_continuations, 1, 1'024);
    limit(value.max_header_block_bytes, kib, 16 * mib);
    limit(value.decoder_table_bytes, 0, mib);
    limit(value.max_frame_bytes, 16'384, mib);
    limit(value.max_settings_entries, 8, 1'024);
    limit(value.max_request_header_bytes, kib, 16 * mib);
    limit(value.encoder_table_bytes, 0, 64 * kib);
    limit(value.send_buffer_bytes, kib, 16 * mib);
    limit(value.assumed_max_streams, 1, 1'000);
    limit(value.initial_stream_window, smallest_window, largest_window);
    limit(value.initial_connection_window, value.initial_stream_window, largest_window);
    limit(value.max_window, value.initial_connection_window, largest_window);
    limit(value.max_window_growth, 0, largest_window);
    limit(value.settings_frames);
    limit(value.pings);
    limit(value.stray_resets);
    limit(value.window_updates);
    limit(value.priorities);
    limit(value.empty_data);
    limit(value.other_frames);
    limit(value.max_pending_acks, 16, 10'000);
    return value;
}

}  // namespace hearth::proto
