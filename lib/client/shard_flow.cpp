// shard, calls of several attempts: what an attempt's end means for the flow it belongs to, and the
// pause before the next one.
#include <algorithm>
#include <charconv>
#include <utility>

#include "client/send_flow.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"
#include "core/repeat_policy.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

/// Failures that another attempt may not meet. What the caller, a limit or our own overload ended
/// is not among them, nor what the peer would say again.
bool is_transient(error_code error) {
    if (error.category() != error_category()) return false;
    switch (static_cast<errc>(error.value())) {
        case errc::name_failed:
        case errc::name_timeout:
        case errc::connect_failed:
        case errc::connect_timeout:
        case errc::handshake_failed:
        case errc::handshake_timeout:
        case errc::first_byte_timeout:
        case errc::body_idle_timeout:
        case errc::write_timeout:
        case errc::throughput_timeout:
        case errc::peer_closed:
        case errc::peer_reset:
        case errc::peer_truncated:
        case errc::peer_tls_error: return true;
        default: return false;
    }
}

/// Delay seconds (RFC 9110 10.2.3). A date, or anything else, counts as very long.
std::optional<base::duration> retry_after_of(const headers& fields) {
    const auto value = fields.find("retry-after");
    if (!value) return {};
    std::uint32_t seconds = 0;
    const auto [end, bad] = std::from_chars(value->data(), value->data() + value->size(), seconds);
    if (bad != std::errc{} || end != value->data() + value->size()) return std::chrono::hours(24);
    return std::chrono::seconds(seconds);
}

}  // namespace

/// The pause of a call is over, or its deadline is.
void shard::on_pause_over(exchange_id id) {
    live_exchange& x = exchanges_[id];
    if (x.deadline <= now_) {
        describe_failure(x, errc::deadline_exceeded,
                         "The deadline passed before the next attempt.");
        complete_exchange(id, errc::deadline_exceeded);
        return;
    }
    if (x.resume_at > now_) {
        set_timer(x, id);
        return;
    }
    x.resume_at = base::never;
    x.started = now_;  // the pause is no queueing
    admit(x, id);
}

/// The attempt of a flow has ended: hands the request back, and says whether there is another.
void shard::report_attempt(live_exchange& x, error_code error) {
    attempt_report report;
    core::repeat_facts facts;
    const auto& statuses = config_.retry.statuses;
    facts.is_transient =
        error ? is_transient(error)
              : std::find(statuses.begin(), statuses.end(), x.result.status) != statuses.end();
    facts.is_unprocessed = error && !x.result.failure.maybe_processed;
    facts.is_idempotent = x.what.idempotent.value_or(x.what.method.is_idempotent());
    const bool may_go_on = facts.is_transient || (!error && x.result.status / 100 == 3);
    report.is_replayable = may_go_on && !closed_ && x.body.rewind();
    facts.is_replayable = report.is_replayable;
    facts.attempts = x.flow->attempt();
    facts.deadline = x.deadline;
    if (!error) facts.retry_after = retry_after_of(x.result.headers);
    const retry_config& retry = config_.retry;
    if (!closed_ && !draining_ && x.origin.is_valid()) {
        report.pause = core::pause_before_repeat(
            now_, facts,
            {x.flow->max_attempts(), retry.min_backoff, retry.max_backoff, retry.max_retry_after},
            random_);
    }
    if (report.pause) {
        origin_entry& origin = origins_[x.origin.index];
        report.budget_spent = !origin.budget.take(now_, extra_work_of(origin));
        if (report.budget_spent) report.pause.reset();
    }
    // A detached exchange may still be on its connection: what it has stays with it.
    if (x.stage != exchange_stage::detached) {
        report.what = std::move(x.what);
    } else if (report.pause) {
        report.what = x.what;
    }
    x.flow->report(std::move(report));
}

}  // namespace hearth::detail
