// splice_pipe: how octets get from a socket to a file without a copy in user space: through a pipe
// of the kernel's.
//
// It is filled from a socket and emptied into a file at once, so that one pipe serves all
// connections of a shard in turn. It is opened by the first fill and then stays open.
#pragma once

#include <sys/types.h>

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "io/socket_setup.hpp"

namespace hearth::io {

class splice_pipe {
public:
    /// Octets that wait in the pipe.
    [[nodiscard]] std::size_t size() const { return size_; }
    /// Takes up to `wanted` octets from a socket that does not block. Only when empty. How many; 0:
    /// the peer has ended; -1 and errno otherwise.
    [[nodiscard]] ssize_t fill(int socket, std::size_t wanted);
    /// Moves octets to a file, as `pwrite` would write them. How many; -1 and errno otherwise.
    [[nodiscard]] ssize_t empty_into(int file, std::uint64_t offset);
    /// The same to memory.
    [[nodiscard]] ssize_t read(std::span<std::byte> into);
    /// Closes the pipe, and what is in it is lost.
    void drop();

private:
    [[nodiscard]] bool open();

    struct pipe_ends {
        owned_descriptor out;
        owned_descriptor in;
    };
    std::optional<pipe_ends> ends_;
    std::size_t size_ = 0;
};

/// True of an error that says that there is no way through a pipe from this socket or to this file,
/// which can be read or written nevertheless.
[[nodiscard]] bool is_unspliceable(const boost::system::error_code& error);

}  // namespace hearth::io
