// Real servers for tests: programs that run for the life of an object, on free ports, with all
// their files in a directory of the test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::support {

/// A new directory that is removed with everything in it.
class scratch_directory {
public:
    scratch_directory();
    ~scratch_directory();
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    /// Writes a file below it and returns its path.
    std::filesystem::path write(std::string_view name, std::string_view text) const;

private:
    std::filesystem::path path_;
};

/// A TCP port of 127.0.0.1 nobody listens on. No port is given twice by one process.
[[nodiscard]] std::uint16_t free_port();

/// A program in a process group of its own. It dies with this object, and with the test's process.
class server_process {
public:
    /// Starts `command`, whose first word is looked up in PATH (and the sbin directories); what it
    /// prints goes to `log`. Throws `std::runtime_error` when it cannot be started.
    server_process(std::vector<std::string> command, std::filesystem::path log);
    /// Ends it by SIGKILL.
    ~server_process();
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;

    /// Waits until the port accepts connections. Throws `std::runtime_error` with the log when the
    /// program ends before that, or never gets there.
    void await_port(std::uint16_t port) const;
    /// SIGKILL, and waits for the end.
    void kill();
    /// SIGTERM, and waits for the end; SIGKILL when it does not come.
    void terminate();
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    [[nodiscard]] bool has_ended() const;

    std::filesystem::path log_;
    mutable pid_t pid_ = -1;
};

/// Runs a program to its end; throws `std::runtime_error` with what it printed when it fails.
void run_program(const std::vector<std::string>& command, const std::filesystem::path& log);

/// What this process holds now.
[[nodiscard]] std::size_t open_descriptors();
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace hearth::support
