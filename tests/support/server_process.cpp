#include "support/server_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace hearth::support {
namespace {

// Servers start in well under a second; a busy machine under sanitizers takes longer.
constexpr std::chrono::seconds start_limit{30};
constexpr std::chrono::seconds stop_limit{10};
constexpr int look_again_ms = 2;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

struct descriptor {
    int value;
    explicit descriptor(int fd) : value(fd) {}
    ~descriptor() {
        if (value >= 0) ::close(value);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
};

std::string contents(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

// Where a program is, also if the user's PATH has no sbin directories.
std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    std::istringstream directories(std::string(path == nullptr ? "" : path) +
                                   ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin");
    for (std::string directory; std::getline(directories, directory, ':');) {
        const std::string candidate = directory + "/" + name;
        if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    throw std::runtime_error(name + " is not installed; .ci/packages lists what the tests need");
}

// Only async-signal-safe calls: other threads of the test may hold any lock.
[[noreturn]] void become(const std::vector<char*>& words, int log, pid_t parent) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv(words.front(), words.data());
    ::_exit(127);
}

pid_t spawn(std::vector<std::string> command, const std::filesystem::path& log) {
    command.front() = find_program(command.front());
    std::vector<char*> words;
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    const descriptor out(::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644));
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) become(words, out.value, parent);
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    return child;
}

}  // namespace

scratch_directory::scratch_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "hearth-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), name);
    }
    path_ = name;
    // Servers give up root before they read their files.
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
}

scratch_directory::~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path scratch_directory::write(std::string_view name, std::string_view text) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) throw std::runtime_error("cannot write " + file.string());
    return file;
}

std::uint16_t free_port() {
    static std::mutex mutex;
    static std::set<std::uint16_t> given;
    const std::lock_guard lock(mutex);
    for (int attempt = 0; attempt < 1000; ++attempt) {
        const descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        if (::bind(listener.value, reinterpret_cast<sockaddr*>(&address), size) != 0) continue;
        ::getsockname(listener.value, reinterpret_cast<sockaddr*>(&address), &size);
        if (given.insert(ntohs(address.sin_port)).second) return ntohs(address.sin_port);
    }
    throw std::runtime_error("there is no free port");
}

server_process::server_process(std::vector<std::string> command, std::filesystem::path log)
    : log_(std::move(log)), pid_(spawn(std::move(command), log_)) {}

server_process::~server_process() { kill(); }

bool server_process::has_ended() const {
    if (pid_ < 0) return true;
    if (::waitpid(pid_, nullptr, WNOHANG) == 0) return false;
    ::kill(-pid_, SIGKILL);  // what its first process left behind
    pid_ = -1;
    return true;
}

void server_process::await_port(std::uint16_t port) const {
    const auto end = std::chrono::steady_clock::now() + start_limit;
    const sockaddr_in address = loopback(port);
    while (std::chrono::steady_clock::now() < end) {
        if (has_ended()) {
            throw std::runtime_error("the server ended instead of serving: " + contents(log_));
        }
        const descriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(probe.value, reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0) {
            return;
        }
        ::poll(nullptr, 0, look_again_ms);
    }
    throw std::runtime_error("the server does not listen: " + contents(log_));
}

void server_process::kill() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // its group may not be its own yet
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void server_process::terminate() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    const auto end = std::chrono::steady_clock::now() + stop_limit;
    while (!has_ended()) {
        if (std::chrono::steady_clock::now() > end) return kill();
        ::poll(nullptr, 0, look_again_ms);
    }
}

void run_program(const std::vector<std::string>& command, const std::filesystem::path& log) {
    const pid_t child = spawn(command, log);
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0) {
        throw std::runtime_error(command.front() + " failed: " + contents(log));
    }
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
        ++count;
    }
    return count - 1;  // the directory itself was open
}

std::uint64_t resident_bytes() {
    std::ifstream in("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    in >> total >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace hearth::support
