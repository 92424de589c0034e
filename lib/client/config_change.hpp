// config_change: which fields of a running client's config may not change, in words.
//
// Those that decide where an origin's pool is and what threads there are: an origin lives on the
// shard that its key names, and the key holds its route and protocol.
#pragma once

#include <string>

#include "hearth/config.hpp"

namespace hearth::detail {

/// A sentence that names the first field which differs and must not; empty if there is none.
[[nodiscard]] std::string fixed_field_changed(const config& before, const config& after);

}  // namespace hearth::detail
