// handshake_permits: how many handshakes may be past their ClientHello, where several cores share
// the limit.
//
// A scheduler takes a permit for each of its own handshakes that says hello, and gives it back when
// that is done or gone. One that was refused asks again when it is told to (`on_permits`).
#pragma once

#include "hearth/version.hpp"

namespace hearth::core {

/// Called on the thread of the core; what implements it is shared with other threads.
class handshake_permits {
public:
    handshake_permits() = default;
    handshake_permits(const handshake_permits&) = delete;
    handshake_permits& operator=(const handshake_permits&) = delete;
    virtual ~handshake_permits() = default;
    /// False: there is none; whoever asked is told when there may be one.
    [[nodiscard]] virtual bool take() noexcept = 0;
    virtual void give() noexcept = 0;
};

}  // namespace hearth::core
