// Which custom handler answers a path. Any thread may change the routes while others look them up.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "hearth/testing/handler.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

struct route {
    handler answer;
    handler_call call = handler_call::after_body;
};

class router {
public:
    /// A path that ends in "*" is a prefix.
    void set(std::string path, route found) {
        auto shared = std::make_shared<const route>(std::move(found));
        const std::lock_guard lock(mutex_);
        if (path.ends_with('*')) {
            path.pop_back();
            prefixes_[std::move(path)] = std::move(shared);
        } else {
            exact_[std::move(path)] = std::move(shared);
        }
        has_routes_.store(true, std::memory_order_release);
    }

    /// The exact route, else the one with the longest prefix, else null.
    [[nodiscard]] std::shared_ptr<const route> find(std::string_view path) const {
        if (!has_routes_.load(std::memory_order_acquire)) return nullptr;
        const std::lock_guard lock(mutex_);
        if (const auto at = exact_.find(path); at != exact_.end()) return at->second;
        std::shared_ptr<const route> best;
        for (const auto& [prefix, candidate] : prefixes_) {  // sorted: longer ones come later
            if (path.starts_with(prefix)) best = candidate;
        }
        return best;
    }

private:
    std::atomic<bool> has_routes_{false};
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<const route>, std::less<>> exact_;
    std::map<std::string, std::shared_ptr<const route>, std::less<>> prefixes_;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
