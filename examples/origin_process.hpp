// An embedded origin in a process of its own, so that CPU time here is the client's alone.
#pragma once

#include <sched.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <hearth/testing/testing.hpp>
#include <string>

namespace example {

/// Puts the calling thread, and those it starts later, on one CPU; -1 = anywhere.
inline void run_on(int cpu) {
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)::sched_setaffinity(0, sizeof set, &set);  // else it runs where it may: only slower
}

/// Make it before any thread exists: it forks.
class origin_process {
public:
    explicit origin_process(const hearth::testing::origin_options& options = {}, int cpu = -1) {
        int to_parent[2] = {};
        int to_child[2] = {};
        if (::pipe(to_parent) != 0 || ::pipe(to_child) != 0) fail("pipe");
        child_ = ::fork();
        if (child_ < 0) fail("fork");
        if (child_ == 0) {
            ::close(to_parent[0]);
            ::close(to_child[1]);
            run_on(cpu);
            serve(options, to_parent[1], to_child[0]);
        }
        ::close(to_parent[1]);
        ::close(to_child[0]);
        commands_ = to_child[1];
        std::string text;
        char buffer[4096];
        for (ssize_t got = 0; (got = ::read(to_parent[0], buffer, sizeof buffer)) > 0;) {
            text.append(buffer, static_cast<std::size_t>(got));
        }
        ::close(to_parent[0]);
        const std::size_t line = text.find('\n');
        if (line == std::string::npos) fail("the embedded origin did not start");
        url_ = text.substr(0, line);
        ca_pem_ = text.substr(line + 1);
    }
    ~origin_process() {
        ::close(commands_);
        ::waitpid(child_, nullptr, 0);
    }
    origin_process(const origin_process&) = delete;
    origin_process& operator=(const origin_process&) = delete;

    [[nodiscard]] const std::string& url() const { return url_; }
    [[nodiscard]] const std::string& ca_pem() const { return ca_pem_; }

    /// Requests that come within the next half second are answered after a whole one.
    void stall() { command('s'); }
    /// Drops all connections and listens anew.
    void restart() { command('r'); }

private:
    [[noreturn]] static void fail(const char* what) {
        std::perror(what);
        std::exit(1);
    }
    void command(char what) {
        if (::write(commands_, &what, 1) != 1) fail("the embedded origin is gone");
    }
    [[noreturn]] static void serve(const hearth::testing::origin_options& options, int out,
                                   int commands) {
        using namespace std::chrono_literals;
        {
            hearth::testing::origin origin(options);
            const std::string text = origin.url() + "\n" + origin.ca_pem();
            if (::write(out, text.data(), text.size()) < 0) ::_exit(1);
            ::close(out);
            for (char what = 0; ::read(commands, &what, 1) == 1;) {
                what == 'r' ? origin.restart() : origin.stall(500ms, 1s);
            }
        }
        ::_exit(0);
    }
    pid_t child_ = -1;
    int commands_ = -1;
    std::string url_;
    std::string ca_pem_;
};

}  // namespace example
