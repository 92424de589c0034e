#include "client/config_advice.hpp"

#include <chrono>
#include <utility>

namespace hearth::detail {
namespace {

// CPU of a full TLS 1.3 handshake on the client, upper end of 0.56-0.94 ms measured on one core.
constexpr milliseconds handshake_cost{1};

std::string text_of_share(double value) { return std::to_string(value).substr(0, 5); }

class adviser {
public:
    explicit adviser(const config& value) : config_(value) {}

    std::vector<std::string> run() {
        look_at_pool();
        look_at_waits();
        look_at_total();
        look_at_repeating();
        look_at_protection();
        look_at_bodies();
        return std::move(sentences_);
    }

private:
    void advice(std::string sentence) { sentences_.push_back(std::move(sentence)); }

    void look_at_pool();
    void look_at_waits();
    void look_at_total();
    void ends_first(std::string_view field, milliseconds value);
    void look_at_repeating();
    void look_at_protection();
    void look_at_bodies();

    const config& config_;
    std::vector<std::string> sentences_;
};

void adviser::look_at_pool() {
    const pool_config& pool = config_.pool;
    if (pool.max_idle_per_origin && *pool.max_idle_per_origin < pool.max_connections_per_origin) {
        advice("pool.max_idle_per_origin (" + text_of(*pool.max_idle_per_origin) +
               ") is below pool.max_connections_per_origin (" +
               text_of(pool.max_connections_per_origin) +
               "), so connections beyond it are closed after each burst and dialled again in the "
               "next.");
    }
    if (pool.on_cancel != cancel_policy::close &&
        pool.max_draining_per_origin < pool.max_connections_per_origin) {
        advice("pool.max_draining_per_origin (" + text_of(pool.max_draining_per_origin) +
               ") is below pool.max_connections_per_origin (" +
               text_of(pool.max_connections_per_origin) +
               "), so when more exchanges than that are cancelled under way, each costs its "
               "connection and the next one a handshake.");
    }
    if (pool.idle_timeout > pool.max_lifetime) {
        advice("pool.idle_timeout (" + text_of(pool.idle_timeout) +
               ") is above pool.max_lifetime (" + text_of(pool.max_lifetime) +
               "), which always ends an idle connection first.");
    }
    if (pool.idle_order == idle_order::least_recent && !pool.max_idle_per_origin) {
        advice(
            "pool.idle_order is least_recent without pool.max_idle_per_origin, so a trickle of "
            "requests keeps every connection of the largest burst in use.");
    }
}

void adviser::look_at_waits() {
    const pool_config& pool = config_.pool;
    if (pool.dial_patience > config_.timeouts.queue) {
        advice("pool.dial_patience (" + text_of(pool.dial_patience) +
               ") is above timeouts.queue (" + text_of(config_.timeouts.queue) +
               "), which always ends the wait first.");
    }
    const milliseconds least = handshake_cost * config_.handshake.max_concurrent;
    if (config_.timeouts.handshake < least) {
        advice("timeouts.handshake (" + text_of(config_.timeouts.handshake) +
               ") is shorter than handshake.max_concurrent (" +
               text_of(config_.handshake.max_concurrent) + ") handshakes take on one core (about " +
               text_of(least) + "), so a burst of dials can time out by its own work.");
    }
    const auto& delay = config_.shed.queue_delay;
    if (delay && *delay > config_.timeouts.queue) {
        advice("shed.queue_delay (" + text_of(*delay) + ") is above timeouts.queue (" +
               text_of(config_.timeouts.queue) + "), after which nobody waits any more.");
    }
}

/// What `timeouts.total` always ends first.
void adviser::look_at_total() {
    if (!config_.timeouts.total) return;
    if (config_.rate_limit.per_second) {
        ends_first("rate_limit.max_wait", config_.rate_limit.max_wait);
    }
    if (config_.concurrency.enabled) {
        ends_first("concurrency.max_wait", config_.concurrency.max_wait);
    }
    if (config_.hedge.enabled) ends_first("hedge.min_delay", config_.hedge.min_delay);
    if (!config_.deadline.header.empty()) ends_first("deadline.margin", config_.deadline.margin);
    if (config_.timeouts.min_receive_rate || config_.timeouts.min_send_rate) {
        ends_first("timeouts.rate_window", config_.timeouts.rate_window);
    }
}

void adviser::ends_first(std::string_view field, milliseconds value) {
    const milliseconds total = *config_.timeouts.total;
    if (value < total) return;
    advice(std::string(field) + " (" + text_of(value) + ") is not below timeouts.total (" +
           text_of(total) + "), which always ends the exchange first.");
}

/// The classic traps of repeating.
void adviser::look_at_repeating() {
    const retry_config& retry = config_.retry;
    const auto& total = config_.timeouts.total;
    if (retry.max_attempts > 1 && total && config_.timeouts.first_byte >= *total) {
        advice("timeouts.first_byte (" + text_of(config_.timeouts.first_byte) +
               ") is not below timeouts.total (" + text_of(*total) +
               "), so an attempt that gets no answer leaves no time for the other " +
               text_of(retry.max_attempts - 1) + " of retry.max_attempts.");
    }
    if (retry.max_attempts > 1 && config_.budget.share == 0.0 &&
        config_.budget.floor_per_second == 0.0) {
        advice("retry.max_attempts (" + text_of(retry.max_attempts) +
               ") never takes effect: budget.share and budget.floor_per_second are both 0.");
    }
    if (retry.max_attempts > 1 && config_.budget.share > 0.2) {
        advice("budget.share (" + text_of_share(config_.budget.share) +
               ") lets repetitions add that share to the load of an origin in trouble; 0.1 repairs "
               "single failures without it.");
    }
}

/// The classic traps of breaking and limiting.
void adviser::look_at_protection() {
    const breaker_config& breaker = config_.breaker;
    if (breaker.enabled && breaker.failure_ratio < 0.6) {
        advice("breaker.failure_ratio (" + text_of_share(breaker.failure_ratio) +
               ") opens the breaker while the origin still answers much of what it is asked, and "
               "turns a brown-out into an outage; 0.8 or more opens it for outages only.");
    }
    if (breaker.enabled && breaker.open_for > milliseconds(5'000)) {
        advice("breaker.open_for (" + text_of(breaker.open_for) +
               ") lengthens every outage by itself; a few probes a second are no load.");
    }
    if (config_.hedge.enabled && 1.0 - config_.hedge.percentile > config_.budget.share) {
        advice("hedge.percentile (" + text_of_share(config_.hedge.percentile) +
               ") asks for more hedges than budget.share (" + text_of_share(config_.budget.share) +
               ") allows, and leaves nothing of it for repetitions.");
    }
    const concurrency_config& places = config_.concurrency;
    if (places.enabled && places.min_limit > config_.pool.max_connections_per_origin) {
        advice("concurrency.min_limit (" + text_of(places.min_limit) +
               ") is above pool.max_connections_per_origin (" +
               text_of(config_.pool.max_connections_per_origin) +
               "), so over HTTP/1.1 the connections limit first and nothing is learned.");
    }
}

void adviser::look_at_bodies() {
    if (config_.decode.enabled && !config_.decode.max_ratio) {
        advice(
            "decode.max_ratio is off, so a few octets of a streamed body may become any number; "
            "only max_body_bytes holds, for whole bodies.");
    }
}

}  // namespace

std::string text_of(std::uint64_t value) { return std::to_string(value); }

std::string text_of(milliseconds value) {
    if (value.count() != 0 && value.count() % 3'600'000 == 0) {
        return std::to_string(value.count() / 3'600'000) + " h";
    }
    if (value.count() != 0 && value.count() % 1000 == 0) {
        return std::to_string(value.count() / 1000) + " s";
    }
    return std::to_string(value.count()) + " ms";
}

std::string text_of(std::chrono::seconds value) { return std::to_string(value.count()) + " s"; }

std::vector<std::string> advise(const config& value) { return adviser(value).run(); }

}  // namespace hearth::detail
