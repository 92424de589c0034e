// system_pool: the threads of a client that wait in getaddrinfo, shared by its shards.
//
// A name takes one thread at most, whoever wants it. So as many slow names as there are threads
// but one delay nobody else. getaddrinfo cannot be cancelled and may take minutes: what threads
// know lives as long as they do, and those that are busy when the pool is destroyed end by
// themselves. Threads are started when there is work and none is free.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/name_lookup.hpp"

namespace hearth::io {

/// One call of getaddrinfo.
[[nodiscard]] name_answer ask_system(const std::string& name);

class system_pool {
public:
    using asker = std::function<name_answer(const std::string& name)>;

    explicit system_pool(std::uint32_t threads, asker ask = ask_system);
    /// Ends idle threads and waits for them.
    ~system_pool();
    system_pool(const system_pool&) = delete;
    system_pool& operator=(const system_pool&) = delete;

    /// Calls `deliver` on a thread of the pool, once, unless the pool is destroyed before; here and
    /// with a failure if there is no thread and none can be started. From any thread.
    void ask(const std::string& name, std::function<void(const name_answer&)> deliver);

private:
    class desk;
    const std::shared_ptr<desk> desk_;
};

}  // namespace hearth::io
