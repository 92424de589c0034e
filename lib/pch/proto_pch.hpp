// Precompiled header of proto: what nearly every file there includes anyway. Every file must
// compile without it too (the clang build checks that), so it is no place to hide an include. It is
// guarded by hand because g++ warns of `#pragma once` in a file that it precompiles.
#ifndef HEARTH_PROTO_PCH
#define HEARTH_PROTO_PCH

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#endif
