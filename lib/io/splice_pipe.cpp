#include "io/splice_pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.hpp"

namespace hearth::io {
namespace {

// What an unprivileged process may have; where it may not, the pipe stays as it is made.
constexpr int pipe_size = 1 << 20;

}  // namespace

bool splice_pipe::open() {
    if (ends_) return true;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    ends_.emplace(pipe_ends{owned_descriptor(ends[0]), owned_descriptor(ends[1])});
    (void)::fcntl(ends_->in.get(), F_SETPIPE_SZ, pipe_size);
    return true;
}

ssize_t splice_pipe::fill(int socket, std::size_t wanted) {
    HEARTH_ASSERT(size_ == 0);
    if (!open()) return -1;
    wanted = std::min<std::size_t>(wanted, pipe_size);
    ssize_t got = 0;
    do {
        got = ::splice(socket, nullptr, ends_->in.get(), nullptr, wanted,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (got < 0 && errno == EINTR);
    if (got > 0) size_ = static_cast<std::size_t>(got);
    return got;
}

ssize_t splice_pipe::empty_into(int file, std::uint64_t offset) {
    auto at = static_cast<off_t>(offset);
    ssize_t moved = 0;
    do {
        moved = ::splice(ends_->out.get(), nullptr, file, &at, size_, SPLICE_F_MOVE);
    } while (moved < 0 && errno == EINTR);
    if (moved > 0) size_ -= static_cast<std::size_t>(moved);
    return moved;
}

ssize_t splice_pipe::read(std::span<std::byte> into) {
    ssize_t got = 0;
    do {
        got = ::read(ends_->out.get(), into.data(), std::min(into.size(), size_));
    } while (got < 0 && errno == EINTR);
    if (got > 0) size_ -= static_cast<std::size_t>(got);
    return got;
}

void splice_pipe::drop() {
    ends_.reset();
    size_ = 0;
}

bool is_unspliceable(const boost::system::error_code& error) {
    if (error.category() != boost::system::system_category()) return false;
    switch (error.value()) {
        case EINVAL:
        case ENOSYS:
        case EMFILE:
        case ENFILE:
        case ENOMEM: return true;
        default: return false;
    }
}

}  // namespace hearth::io
