// Precompiled header of everything that uses Asio: io, client, testing, their tests, examples and
// benchmarks. Every file must compile without it too (the clang build checks that).
#ifndef HEARTH_ASIO_PCH
#define HEARTH_ASIO_PCH

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
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
