// Chooses what is spoken on a connection: by ALPN, in plaintext by the client's first octets.
#pragma once

#include <memory>

#include "testing/connection.hpp"
#include "testing/exchange.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

/// HTTP/2 when "h2" is among the origin's protocols and the client wants it, else HTTP/1.1.
[[nodiscard]] std::unique_ptr<protocol> make_session(connection& owner,
                                                     const session_context& context);

}  // namespace testing::internal
HEARTH_END_NAMESPACE
