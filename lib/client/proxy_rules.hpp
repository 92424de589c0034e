// proxy_rules: which proxy a request's connection goes through, and the text forms of proxies.
#pragma once

#include <string>
#include <vector>

#include "hearth/config.hpp"
#include "hearth/origin.hpp"

namespace hearth::detail {

/// True if one of the rules (see `proxy_config::no_proxy`) names the origin.
[[nodiscard]] bool bypasses_proxy(const origin& where, const std::vector<std::string>& rules);

/// The proxy of a connection to `where` by config; null: none.
[[nodiscard]] const proxy* proxy_for(const origin& where, const proxy_config& values);

/// "http://host:port", never with credentials.
[[nodiscard]] std::string describe_proxy(const proxy& value);

}  // namespace hearth::detail
