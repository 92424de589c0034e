// The paths every origin answers by itself; what each does is said in hearth/testing/origin.hpp.
#pragma once

#include <memory>

#include "testing/exchange.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

/// Begins the answer to a request whose head was just read.
void serve_builtin_path(const std::shared_ptr<exchange>& owner, std::size_t max_body_bytes);

}  // namespace testing::internal
HEARTH_END_NAMESPACE
