// shard, other values: a config that replaces the one it had, and a TLS profile that replaces the
// client's own. Everything of the shard reads `config_` when it needs it; here is what was copied.
#include <algorithm>
#include <utility>

#include "client/lease_pool.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"
#include "client/shared_permits.hpp"
#include "proto/tls_profile_impl.hpp"

namespace hearth::detail {

core::pool_settings shard::core_settings() const {
    core::pool_settings settings;
    settings.pool = config_.pool;
    settings.handshake = config_.handshake;
    settings.overload = config_.overload;
    settings.timeouts = config_.timeouts;
    settings.http2 = config_.http2;
    settings.attempt_delay = config_.dns.attempt_delay;
    if (settings_.permits) {
        settings.permits = std::make_shared<permits_of_shard>(settings_.permits, settings_.index);
    }
    return settings;
}

void shard::change(std::shared_ptr<const config> to, std::uint64_t number,
                   std::uint32_t lease_debt) {
    if (closed_) return;
    const bool is_late = number < config_number_;
    if (!is_late) {
        config_number_ = number;
        wanted_ = std::move(to);
    }
    if (is_starved_) return;  // it has no leases, and obeys when it begins anew
    if (is_late) return change_leases(lease_debt);
    const bool streams_change = config_.http2.max_streams != wanted_->http2.max_streams;
    const bool is_replaced = obey(*wanted_);
    for (usual_origin& known : usual_origins_) known.id = {};
    core_.update(now_, core_settings());
    for (const auto& [key, id] : origin_ids_) {
        origin_entry& entry = origins_[id.index];
        if (entry.names.book) entry.names.book->set_settings(config_.addresses, config_.breaker);
        // A gate that has become useless lets everybody through.
        if (entry.gate) {
            entry.gate->set_rules(now_, admission_rules());
            if (entry.gate->held() != 0) unserved_.push_back(id);
        } else {
            entry.gate = make_admission();
        }
    }
    for (const auto& l : links_) {
        if (!l || !l->ready || l->closing) continue;
        if (streams_change && l->is_http2()) {
            core_.on_streams_changed(now_, l->id, l->wire->http2()->max_streams());
        }
        if (is_replaced) check_profile(*l);
    }
    change_leases(lease_debt);
}

/// Has other values, and what depends on them beside core and connections. True: another profile.
bool shard::obey(const config& to) {
    const std::shared_ptr<const tls_profile> old = own_profile();
    config next = to;
    if (receive_buffer_.size() != next.io.receive_buffer) {
        receive_buffer_ = std::vector<std::byte>(next.io.receive_buffer);
    }
    config_ = std::move(next);
    load_.set_rules(config_.shed);
    sessions_.set_limit(config_.tls.tickets_per_origin);
    chains_.set_lifetime(config_.tls.remember_chains.value_or(std::chrono::seconds{0}));
    const bool is_replaced = old != own_profile();
    if (is_replaced) {
        sessions_.forget(*old);
        replace_until_ = base::after(now_, config_.tls.replace_within);
    }
    wanted_.reset();
    return is_replaced;
}

/// A shard without others has all leases there are.
void shard::change_leases(std::uint32_t debt) {
    if (settings_.lender) {
        if (debt != 0) core_.on_lease_debt(now_, core_.leases_owed() + debt);
        return;
    }
    const std::uint32_t most = config_.pool.max_connections;
    const std::uint32_t held = core_.leases_held();
    core_.on_lease_debt(now_, held > most ? held - most : 0);
    if (most > held) core_.on_lease(now_, most - held);
}

/// The profile of requests that do not bring their own.
std::shared_ptr<const tls_profile> shard::own_profile() const {
    return config_.tls.profile ? config_.tls.profile : tls_profile::system_default();
}

/// A usable connection may be of a profile that was replaced, before or while it was dialled. It
/// ends within `tls.replace_within` of that, as core paces it. New dials take nothing that the old
/// profile has learned: tickets and verified chains are kept by profile.
void shard::check_profile(link& l) {
    if (l.profile == 0 || l.profile == own_profile()->internals().id()) return;
    core_.on_outdated(now_, l.id, std::max<base::duration>(replace_until_ - now_, milliseconds{1}));
}

}  // namespace hearth::detail
