// file_send: octets of a file to a socket, without a copy in user space.
#pragma once

#include <sys/types.h>

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>

namespace hearth::io {

/// `sendfile` that raises no SIGPIPE. How many octets were sent; 0: the file has none there; -1 and
/// errno otherwise.
[[nodiscard]] ssize_t send_file(int socket, int file, std::uint64_t offset, std::size_t size);

/// True of an error of `send_file` that says that this file, though it may be readable, cannot be
/// sent so.
[[nodiscard]] bool is_unsendable(const boost::system::error_code& error);

}  // namespace hearth::io
