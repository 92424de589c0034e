#include "support/forked.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <iostream>
#include <stdexcept>

namespace hearth::support {
namespace {

// Far above what anything here takes.
constexpr unsigned patience_seconds = 60;

int run(const std::function<int()>& work) {
    try {
        return work();
    } catch (const std::exception& error) {
        std::cerr << "the fork threw: " << error.what() << '\n' << std::flush;
        return 126;
    }
}

}  // namespace

forked::forked(const std::function<int()>& work) : child_(::fork()) {
    if (child_ < 0) throw std::runtime_error("fork failed");
    if (child_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(patience_seconds);
    ::_exit(run(work));
}

forked::~forked() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
}

int forked::result() {
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0) {
        if (errno != EINTR) return 127;
    }
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

}  // namespace hearth::support
