// Precompiled header of the tests of proto.
#ifndef HEARTH_PROTO_TEST_PCH
#define HEARTH_PROTO_TEST_PCH

#include <gtest/gtest.h>
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
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
