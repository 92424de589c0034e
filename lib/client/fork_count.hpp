// fork_count: tells a process from the one it was forked of, without a system call.
#pragma once

#include <cstdint>

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

namespace detail {

/// How many fork()s lie between this process and the first that asked. Constant in one process. A
/// process made by a bare clone system call counts as its parent.
[[nodiscard]] std::uint32_t fork_count();

}  // namespace detail

HEARTH_END_NAMESPACE
