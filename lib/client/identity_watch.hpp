// identity_watch: looks at the files a TLS profile was built from, and builds it anew when one has
// changed. A thread of its own: building a profile may take tens of milliseconds, and file systems
// may hang; neither may hold up a shard.
//
// What counts is what the files hold, as digests; a profile keeps those of its own files from
// before they were read, so a change in between is seen at the next look. Files are rarely changed
// all at once: a certificate whose key is not there yet cannot be used, which is reported, and the
// next change is another try.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "hearth/tls.hpp"

namespace hearth::detail {

class identity_watch {
public:
    using profile_ptr = std::shared_ptr<const tls_profile>;
    /// The profile in use; null: one without files.
    using current_function = std::function<profile_ptr()>;
    /// The files of `old` have changed: `next` was built from them, or is null for `failure`.
    using changed_function =
        std::function<void(const profile_ptr& old, profile_ptr next, const std::string& failure)>;

    identity_watch(std::chrono::milliseconds interval, current_function current,
                   changed_function changed);
    /// Waits for a look that is under way.
    ~identity_watch();
    identity_watch(const identity_watch&) = delete;
    identity_watch& operator=(const identity_watch&) = delete;

    void set_interval(std::chrono::milliseconds interval);

private:
    void run();
    void look();

    const current_function current_;
    const changed_function changed_;
    std::mutex mutex_;
    std::condition_variable woken_;
    std::chrono::milliseconds interval_;  // under the mutex, as the next
    bool ends_ = false;
    std::string tried_;  // what could not be used; on the thread only
    std::thread thread_;
};

}  // namespace hearth::detail
