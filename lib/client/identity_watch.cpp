#include "client/identity_watch.hpp"

#include <exception>
#include <new>
#include <utility>

#include "proto/tls_profile_impl.hpp"

namespace hearth::detail {

identity_watch::identity_watch(std::chrono::milliseconds interval, current_function current,
                               changed_function changed)
    : current_(std::move(current)), changed_(std::move(changed)), interval_(interval) {
    thread_ = std::thread([this] { run(); });
}

identity_watch::~identity_watch() {
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
    }
    woken_.notify_all();
    thread_.join();
}

void identity_watch::set_interval(std::chrono::milliseconds interval) {
    const std::lock_guard lock(mutex_);
    interval_ = interval;
    woken_.notify_all();
}

void identity_watch::run() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
        lock.unlock();
        try {
            look();
        } catch (const std::bad_alloc&) {
            tried_.clear();  // and looks again
        }
        lock.lock();
        if (ends_) return;
        woken_.wait_for(lock, interval_);
    }
}

void identity_watch::look() {
    const profile_ptr now = current_();
    if (!now) return;
    std::string seen = tls_profile::implementation::fingerprint_of(now->options());
    if (seen == now->internals().fingerprint()) tried_.clear();
    if (seen == now->internals().fingerprint() || seen == tried_) return;
    tried_ = std::move(seen);
    profile_ptr next;
    std::string failure;
    try {
        next = tls_profile::make(now->options());
    } catch (const std::exception& error) {
        failure = std::string("The changed files of the TLS profile cannot be used: ") +
                  error.what() + ".";
    }
    changed_(now, std::move(next), failure);
}

}  // namespace hearth::detail
