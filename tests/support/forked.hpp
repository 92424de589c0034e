// Work in a fork of the test's process.
#pragma once

#include <sys/types.h>

#include <functional>

namespace hearth::support {

/// A child that runs `work` and ends with what it returns (0..125), without exit handlers. It is
/// killed when it takes far too long, and with this object.
class forked {
public:
    explicit forked(const std::function<int()>& work);
    ~forked();
    forked(const forked&) = delete;
    forked& operator=(const forked&) = delete;

    /// What `work` returned; 126: it threw, 127: it did not end.
    [[nodiscard]] int result();

private:
    pid_t child_ = -1;
};

}  // namespace hearth::support
