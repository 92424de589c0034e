// shard, origins: which there are, and which of them are forgotten when there are too many.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace {

// Origins looked at for one to forget. Each look moves one that is in use, or in trouble, behind
// the others, so the next call looks at others.
constexpr int most_looks = 64;

/// Where its connections come from, if the route says.
std::string describe_source(const route& where) {
    std::string text;
    if (!where.local_address.empty()) text += " from " + where.local_address;
    if (!where.interface_name.empty()) text += " over " + where.interface_name;
    return text;
}

std::string describe(const pool_key& key) {
    std::string name = key.origin.to_string() + describe_source(key.route);
    if (key.route.proxy) name += " via " + describe_proxy(*key.route.proxy);
    if (key.route.dialer) name += " by a dialer";
    if (!key.route.unix_path.empty()) return name + " via unix:" + key.route.unix_path;
    if (!key.route.connect_host.empty() || key.route.connect_port != 0) {
        name +=
            " via " + (key.route.connect_host.empty() ? key.origin.host : key.route.connect_host);
        if (key.route.connect_port != 0) name += ":" + std::to_string(key.route.connect_port);
    }
    return name;
}

}  // namespace

origin_id shard::intern(const pool_key& key) {
    const auto found = origin_ids_.find(key);
    if (found != origin_ids_.end()) {
        origins_[found->second.index].used_at = now_;
        return found->second;
    }
    forget_origins();
    core::origin_settings settings;
    const bool has_proxy_tls = key.route.proxy && key.route.proxy->kind == proxy_kind::https;
    settings.tls = key.origin.tls || has_proxy_tls;
    settings.may_multiplex = key.protocol != protocol_policy::http1_only;
    const std::uint32_t slot = slot_of(key);
    settings.part = part_of(slot);
    const origin_id id = core_.add_origin(now_, settings);
    if (origins_.size() <= id.index) origins_.resize(id.index + 1);
    origin_entry& entry = origins_[id.index];
    entry = origin_entry{};
    entry.key = key;
    entry.slot = slot;
    entry.name = describe(key);
    entry.gate = make_admission();
    entry.used_at = now_;
    origins_by_use_.set(entry.in_use, now_, id);
    origin_ids_.emplace(key, id);
    return id;
}

/// The origin of a call. Of most calls only its URL decides, and names one of a few.
origin_id shard::origin_of(const request& what, const target& called) {
    const origin& where = called.origin;
    if (!has_usual_key(what)) return intern(make_pool_key(where, what, config_));
    const std::size_t place = std::hash<std::string_view>{}(where.host) + where.port;
    usual_origin& known = usual_origins_[place % usual_origins_.size()];
    if (known.id.is_valid() && known.where == where) {
        origins_[known.id.index].used_at = now_;
        return known.id;
    }
    known.id = intern(make_pool_key(where, what, config_));
    known.where = where;
    return known.id;
}

/// Makes room for one more, if there is an origin nobody would miss: the one used longest ago.
void shard::forget_origins() {
    const std::size_t most = std::max<std::size_t>(
        config_.pool.max_origins / std::max<std::size_t>(settings_.shards, 1), 1);
    origin_id troubled;
    for (int looks = 0; looks < most_looks && origin_ids_.size() >= most; ++looks) {
        const origin_id id = origins_by_use_.top();
        origin_entry& entry = origins_[id.index];
        if (entry.used_at != origins_by_use_.top_key()) {
            origins_by_use_.set(entry.in_use, entry.used_at, id);
            continue;
        }
        const core::origin_use use = use_of(id);
        if (use == core::origin_use::none) {
            forget_origin(id);
            continue;
        }
        if (use == core::origin_use::troubled && !troubled.is_valid()) troubled = id;
        entry.used_at = now_;
        origins_by_use_.set(entry.in_use, now_, id);
    }
    if (origin_ids_.size() >= most && troubled.is_valid()) forget_origin(troubled);
}

core::origin_use shard::use_of(origin_id id) const {
    const origin_entry& entry = origins_[id.index];
    const bool is_used = entry.exchanges != 0 || entry.links != 0 || entry.names.is_asking ||
                         (entry.gate && entry.gate->held() != 0);
    if (is_used) return core::origin_use::in_use;
    const bool is_refusing =
        entry.gate && entry.gate->circuit().state(now_) != breaker_state::closed;
    const core::origin_use use = core_.use_of(id);
    return use == core::origin_use::none && is_refusing ? core::origin_use::troubled : use;
}

void shard::forget_origin(origin_id id) {
    origin_entry& entry = origins_[id.index];
    core_.forget_origin(now_, id);
    name_times_.remove(entry.names.timer);
    gate_times_.remove(entry.gate_timer);
    std::erase(unserved_, id);
    origins_by_use_.remove(entry.in_use);
    origin_ids_.erase(entry.key);
    for (usual_origin& known : usual_origins_) {
        if (known.id == id) known.id = {};
    }
    entry = origin_entry{};
    ++origins_forgotten_;
}

void shard::erase_exchange(exchange_id id) {
    const origin_id origin = exchanges_[id].origin;
    if (origin.is_valid()) {
        HEARTH_ASSERT(origins_[origin.index].exchanges != 0);
        --origins_[origin.index].exchanges;
        touch(origin);
    }
    exchanges_.erase(id);
}

}  // namespace hearth::detail
