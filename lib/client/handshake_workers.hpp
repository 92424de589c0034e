// handshake_workers: the threads that run handshake slices for all shards of a client, where
// `handshake.threads` asks for them.
//
// Jobs run in the order they were posted; what a slice is, and where its result goes, is the job's
// own business. After `stop` nothing runs: what was not begun is dropped, what runs is waited for,
// unless it is the caller.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "hearth/version.hpp"

namespace hearth::detail {

/// CPU time of this thread: what a slice really cost, whoever else has the core meanwhile.
[[nodiscard]] std::chrono::nanoseconds thread_cpu();

class handshake_workers {
public:
    using job = std::function<void()>;

    explicit handshake_workers(std::uint32_t threads);
    ~handshake_workers() { stop(); }
    handshake_workers(const handshake_workers&) = delete;
    handshake_workers& operator=(const handshake_workers&) = delete;

    // From any thread.
    void post(job work);
    void stop();

private:
    // Outlives its owner where a job stops it.
    struct shared_state {
        std::mutex mutex;
        std::condition_variable changed;
        std::list<job> jobs;
        bool is_stopped = false;
    };
    static void work(const std::shared_ptr<shared_state>& state);

    const std::shared_ptr<shared_state> state_ = std::make_shared<shared_state>();
    std::vector<std::thread> threads_;
};

}  // namespace hearth::detail
