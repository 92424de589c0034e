#include "client/handshake_workers.hpp"

#include <pthread.h>

#include <ctime>
#include <new>
#include <utility>

namespace hearth::detail {

std::chrono::nanoseconds thread_cpu() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

handshake_workers::handshake_workers(std::uint32_t threads) {
    for (std::uint32_t i = 0; i < threads; ++i) {
        threads_.emplace_back([state = state_] { work(state); });
        // For whoever looks at the process; without it everything works the same.
        (void)::pthread_setname_np(threads_.back().native_handle(), "hearth-tls");
    }
}

void handshake_workers::work(const std::shared_ptr<shared_state>& state) {
    std::unique_lock lock(state->mutex);
    for (;;) {
        state->changed.wait(lock, [&] { return state->is_stopped || !state->jobs.empty(); });
        if (state->is_stopped) return;
        job next = std::move(state->jobs.front());
        state->jobs.pop_front();
        lock.unlock();
        try {
            next();
        } catch (const std::bad_alloc&) {  // what waits for it has a time of its own
        }
        next = nullptr;  // what it holds may want the lock
        lock.lock();
    }
}

void handshake_workers::post(job work) {
    const auto state = state_;  // the job may be quick, and end all this
    {
        const std::lock_guard lock(state->mutex);
        if (state->is_stopped) return;
        state->jobs.push_back(std::move(work));
    }
    state->changed.notify_one();
}

void handshake_workers::stop() {
    std::list<job> dropped;  // which asks for nothing when it is made
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(state_->mutex);
        state_->is_stopped = true;
        dropped.swap(state_->jobs);
        threads.swap(threads_);
    }
    state_->changed.notify_all();
    dropped.clear();
    for (std::thread& thread : threads) {
        if (thread.get_id() == std::this_thread::get_id()) {
            thread.detach();
        } else {
            thread.join();
        }
    }
}

}  // namespace hearth::detail
