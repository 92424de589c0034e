// Authorization: the values, the one fetch of a bearer token that all callers wait for, and
// requests that carry one.
#include "hearth/authorization.hpp"

#include <atomic>
#include <boost/asio/error.hpp>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "hearth/client.hpp"
#include "proto/tunnel.hpp"

HEARTH_BEGIN_NAMESPACE

using boost::system::error_code;
using clock_type = std::chrono::steady_clock;

std::string basic_authorization(std::string_view user, std::string_view password) {
    return proto::basic_credentials(user, password);
}

std::string bearer_authorization(std::string_view token) { return "Bearer " + std::string(token); }

struct bearer_tokens::state : std::enable_shared_from_this<bearer_tokens::state> {
    state(fetch_function from, bearer_options options) : fetch(std::move(from)), how(options) {}

    /// The fetch has ended: everybody who waits is told, outside the mutex.
    void on_fetched(error_code error, token got) {
        std::vector<handler> waiting;
        {
            const std::lock_guard lock(mutex);
            is_fetching = false;
            failure = error;
            if (error) {
                again_at = clock_type::now() + how.failure_pause;
            } else {
                current = got;
            }
            waiting.swap(waiters);
        }
        for (handler& one : waiting) one(error, error ? std::string() : got.value);
    }

    const fetch_function fetch;
    const bearer_options how;
    std::mutex mutex;
    token current;                    // empty: none
    error_code failure;               // of the last fetch
    clock_type::time_point again_at;  // not before, if it failed
    bool is_fetching = false;
    std::vector<handler> waiters;
};

/// One fetch. It tells its end once, at the latest when nobody can tell it any more.
struct bearer_tokens::fetching {
    explicit fetching(std::shared_ptr<state> whose) : owner(std::move(whose)) {}
    fetching(const fetching&) = delete;
    fetching& operator=(const fetching&) = delete;
    ~fetching() { tell(boost::asio::error::operation_aborted, {}); }
    void tell(error_code error, token got) {
        if (!told.exchange(true)) owner->on_fetched(error, std::move(got));
    }

    std::shared_ptr<state> owner;
    std::atomic<bool> told{false};
};

bearer_tokens::bearer_tokens(fetch_function fetch, bearer_options how)
    : state_(std::make_shared<state>(std::move(fetch), how)) {}
bearer_tokens::~bearer_tokens() = default;
bearer_tokens::bearer_tokens(const bearer_tokens&) = default;
bearer_tokens& bearer_tokens::operator=(const bearer_tokens&) = default;

void bearer_tokens::async_get(handler use) {
    error_code failure;
    std::string value;
    handler answered;  // set: at once
    bool fetches = false;
    {
        const std::lock_guard lock(state_->mutex);
        const auto now = clock_type::now();
        const token& current = state_->current;
        const auto left = current.value.empty() ? clock_type::duration::min()
                                                : current.expires - now - state_->how.margin;
        const bool is_valid = left > clock_type::duration::zero();
        const bool may_fetch =
            !state_->is_fetching && (!state_->failure || state_->again_at <= now);
        fetches = may_fetch && (!is_valid || left <= state_->how.refresh_ahead);
        if (fetches) state_->is_fetching = true;
        if (is_valid) {
            value = current.value;
            answered = std::move(use);
        } else if (state_->is_fetching) {
            state_->waiters.push_back(std::move(use));
        } else {
            failure = state_->failure;
            answered = std::move(use);
        }
    }
    if (answered) answered(failure, std::move(value));
    if (!fetches) return;
    std::shared_ptr<fetching> one;
    try {
        one = std::make_shared<fetching>(state_);
    } catch (const std::bad_alloc&) {
        state_->on_fetched(errc::out_of_memory, {});
        return;
    }
    state_->fetch([one](error_code error, token got) { one->tell(error, std::move(got)); });
}

void bearer_tokens::invalidate(std::string_view refused) {
    const std::lock_guard lock(state_->mutex);
    if (state_->current.value == refused) state_->current = {};
}

/// A request that carries a token, from its first attempt to its answer.
struct bearer_tokens::authorized : std::enable_shared_from_this<authorized> {
    authorized(const bearer_tokens& whose, client& sender, request message,
               response_handler handler)
        : tokens(whose), from(sender), what(std::move(message)), done(std::move(handler)) {}

    void begin() {
        tokens.async_get([self = shared_from_this()](error_code error, std::string value) {
            if (error) {
                self->finish(error, {});
            } else {
                self->send(std::move(value));
            }
        });
    }
    void send(std::string value) {
        try {
            what.headers.set("authorization", bearer_authorization(value));
            from.async_send(what, [self = shared_from_this(), value = std::move(value)](
                                      error_code error, response got) {
                self->on_answer(value, error, std::move(got));
            });
            return;
        } catch (const std::bad_alloc&) {  // nothing was begun
        }
        finish(errc::out_of_memory, {});
    }
    void on_answer(const std::string& value, error_code error, response got) {
        const bool is_refused = !error && got.status == 401;
        if (is_refused) tokens.invalidate(value);
        if (!is_refused || std::exchange(is_second, true) || !rewind()) {
            finish(error, std::move(got));
            return;
        }
        try {
            begin();
        } catch (const std::bad_alloc&) {
            if (is_told) throw;  // by the caller
            finish(errc::out_of_memory, {});
        }
    }
    void finish(error_code error, response got) {
        is_told = true;
        done(error, std::move(got));
    }
    /// False if the body cannot be sent again.
    [[nodiscard]] bool rewind() const {
        const auto* source = std::get_if<body::source_type>(&what.body.value());
        return source == nullptr || (*source)->rewind();
    }

    bearer_tokens tokens;
    client& from;
    request what;
    response_handler done;
    bool is_second = false;
    bool is_told = false;
};

void bearer_tokens::async_send(client& from, request what, response_handler done) {
    std::make_shared<authorized>(*this, from, std::move(what), std::move(done))->begin();
}

HEARTH_END_NAMESPACE
