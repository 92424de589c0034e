// Authorization: the values, and the one fetch of a bearer token that all callers wait for.
#include "hearth/authorization.hpp"

#include <mutex>
#include <utility>
#include <vector>

#include "proto/tunnel.hpp"

HEARTH_BEGIN_NAMESPACE

std::string basic_authorization(std::string_view user, std::string_view password) {
    return proto::basic_credentials(user, password);
}

std::string bearer_authorization(std::string_view token) { return "Bearer " + std::string(token); }

struct bearer_tokens::state : std::enable_shared_from_this<bearer_tokens::state> {
    state(fetch_function how, std::chrono::milliseconds early)
        : fetch(std::move(how)), margin(early) {}

    /// The fetch has ended: everybody who waits is told, outside the mutex.
    void on_fetched(boost::system::error_code error, token got) {
        std::vector<handler> waiting;
        {
            const std::lock_guard lock(mutex);
            is_fetching = false;
            if (!error) current = got;
            waiting.swap(waiters);
        }
        for (handler& one : waiting) one(error, error ? std::string() : got.value);
    }

    const fetch_function fetch;
    const std::chrono::milliseconds margin;
    std::mutex mutex;
    token current;  // empty: none
    bool is_fetching = false;
    std::vector<handler> waiters;
};

bearer_tokens::bearer_tokens(fetch_function fetch, std::chrono::milliseconds margin)
    : state_(std::make_shared<state>(std::move(fetch), margin)) {}
bearer_tokens::~bearer_tokens() = default;
bearer_tokens::bearer_tokens(const bearer_tokens&) = default;
bearer_tokens& bearer_tokens::operator=(const bearer_tokens&) = default;

void bearer_tokens::async_get(handler use) {
    std::string valid;
    {
        const std::lock_guard lock(state_->mutex);
        const token& current = state_->current;
        if (!current.value.empty() &&
            current.expires > std::chrono::steady_clock::now() + state_->margin) {
            valid = current.value;
        } else {
            state_->waiters.push_back(std::move(use));
            if (std::exchange(state_->is_fetching, true)) return;
        }
    }
    if (!valid.empty()) {
        use({}, std::move(valid));
        return;
    }
    state_->fetch([keep = state_](boost::system::error_code error, token got) {
        keep->on_fetched(error, std::move(got));
    });
}

void bearer_tokens::invalidate(std::string_view refused) {
    const std::lock_guard lock(state_->mutex);
    if (state_->current.value == refused) state_->current = {};
}

HEARTH_END_NAMESPACE
