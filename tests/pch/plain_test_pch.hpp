// Precompiled header of the tests of layers without Asio.
#ifndef HEARTH_PLAIN_TEST_PCH
#define HEARTH_PLAIN_TEST_PCH

#include <gtest/gtest.h>
#include <algorithm>
#include <array>
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
