// send_flow: a whole-body call that may take more than one attempt: repetitions and redirects.
//
// Built above the shards: each attempt is an ordinary call, begun on the shard of its origin, whose
// completion comes here instead of to the caller. The shard hands the request back with it, and
// says whether and after which pause it may be repeated (shard_flow.cpp); the flow only carries it
// out. One deadline holds over all of it. Calls that ask for neither never see this file.
//
// Threads: an attempt's completion runs on its shard; the next attempt may be on another. Only one
// is under way at any time. The caller's cancellation may come from anywhere and takes the mutex.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "base/time.hpp"
#include "client/exchange.hpp"
#include "client/redirect.hpp"

namespace hearth::detail {

/// What the shard says of an attempt that has ended.
struct attempt_report {
    std::optional<request> what;  ///< Handed back; none where the call was refused beforehand.
    bool is_replayable = false;
    bool budget_spent = false;            ///< The budget alone forbids another attempt.
    std::optional<base::duration> pause;  ///< Another attempt, after this.
};

/// What the config says of calls that say nothing themselves, as far as callers' threads need it.
struct call_defaults {
    bool follows_redirects = false;
    bool decodes = false;
    std::uint32_t max_attempts = 1;

    [[nodiscard]] static call_defaults of(const config& values) {
        return {values.redirect.enabled, values.decode.enabled, values.retry.max_attempts};
    }
};

class send_flow final : public std::enable_shared_from_this<send_flow> {
public:
    [[nodiscard]] static bool is_needed(const request& what, const call_defaults& defaults);
    /// Begins the first attempt.
    static void start(std::shared_ptr<client_state> state, request what, send_handler handler);

    send_flow(std::shared_ptr<client_state> state, const request& what, send_handler handler);

    // For the attempt under way.
    /// Its way to be cancelled, on the shard it goes to.
    [[nodiscard]] std::shared_ptr<cancel_handle> attach(std::shared_ptr<shard> owner);
    /// Attempts of this hop so far, this one included.
    [[nodiscard]] std::uint32_t attempt() const { return attempt_; }
    [[nodiscard]] std::uint32_t max_attempts() const { return max_attempts_; }
    [[nodiscard]] bool is_first() const { return log_.empty(); }
    /// Kept until the completion runs.
    void report(attempt_report what) { report_ = std::move(what); }
    /// The completion of an attempt.
    void on_result(boost::system::error_code error, response got);

private:
    void connect_slot();
    void cancel(bool only_unsent);
    void launch(request what, base::time_point not_before);
    void note(boost::system::error_code error, const response& got);
    void take_result(boost::system::error_code error, response got);
    void finish(boost::system::error_code error, response got);
    void complete(boost::system::error_code error, response got);
    [[nodiscard]] bool is_cancelled();

    std::shared_ptr<client_state> state_;
    std::shared_ptr<const config> values_;  // as they were when it began
    send_handler handler_;
    base::time_point started_;
    std::uint32_t max_attempts_;
    std::optional<redirect_chain> redirects_;

    std::uint32_t attempt_ = 0;
    unsigned put_on_connections_ = 0;
    base::time_point began_{};
    base::duration paused_{};
    bool maybe_processed_ = false;
    attempt_report report_;
    std::vector<attempt_record> log_;

    std::mutex mutex_;
    std::shared_ptr<cancel_handle> current_;  // under the mutex
    bool cancelled_ = false;                  // the same
};

/// Checks a call and hands it to the shard of its origin (client.cpp).
void start_call(client_state& state, call&& what);

}  // namespace hearth::detail
