#include "io/file_send.hpp"

#include <sys/sendfile.h>

#include <cerrno>
#include <csignal>
#include <ctime>

namespace hearth::io {
namespace {

/// Keeps SIGPIPE from this thread while it lives, and takes away one that came meanwhile. The other
/// way to write to a socket has MSG_NOSIGNAL for that; the process's handlers are not ours.
class pipe_signal_guard {
public:
    pipe_signal_guard() {
        sigemptyset(&only_);
        sigaddset(&only_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &only_, &before_);
    }
    ~pipe_signal_guard() {
        const int error = errno;
        // Where it was blocked before, one that is pending may be somebody else's.
        if (sigismember(&before_, SIGPIPE) == 0) {
            if (error == EPIPE) {
                const timespec now{};
                ::sigtimedwait(&only_, nullptr, &now);
            }
            ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        }
        errno = error;
    }
    pipe_signal_guard(const pipe_signal_guard&) = delete;
    pipe_signal_guard& operator=(const pipe_signal_guard&) = delete;

private:
    sigset_t only_{};
    sigset_t before_{};
};

}  // namespace

ssize_t send_file(int socket, int file, std::uint64_t offset, std::size_t size) {
    const pipe_signal_guard guard;
    errno = 0;
    auto at = static_cast<off_t>(offset);
    ssize_t sent = 0;
    do {
        sent = ::sendfile(socket, file, &at, size);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

bool is_unsendable(const boost::system::error_code& error) {
    if (error.category() != boost::system::system_category()) return false;
    return error.value() == EINVAL || error.value() == ENOSYS || error.value() == ESPIPE ||
           error.value() == EOVERFLOW;
}

}  // namespace hearth::io
