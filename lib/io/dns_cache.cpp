#include "io/dns_cache.hpp"

#include <algorithm>
#include <iterator>

namespace hearth::io {

dns_cache::dns_cache(const dns_config& config)
    : min_ttl_(config.min_ttl),
      max_ttl_(config.max_ttl),
      negative_ttl_(config.negative_ttl),
      stale_(std::max(config.stale_while_refresh, config.stale_if_error)),
      capacity_(config.cache_entries) {}

const name_answer* dns_cache::find(base::time_point now, std::string_view name) {
    const auto found = index_.find(name);
    if (found == index_.end()) return nullptr;
    const auto at = found->second;
    if (is_over(now, *at)) {
        erase(at);
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, at);
    return at->expires <= now ? nullptr : &at->answer;
}

const name_answer* dns_cache::find_stale(base::time_point now, std::string_view name,
                                         std::chrono::seconds age) const {
    const auto found = index_.find(name);
    if (found == index_.end()) return nullptr;
    const entry& one = *found->second;
    return one.answer.error || base::after(one.expires, age) <= now ? nullptr : &one.answer;
}

bool dns_cache::is_over(base::time_point now, const entry& one) const {
    return (one.answer.error ? one.expires : base::after(one.expires, stale_)) <= now;
}

std::optional<base::time_point> dns_cache::expiry(std::string_view name) const {
    const auto found = index_.find(name);
    if (found == index_.end()) return std::nullopt;
    return found->second->expires;
}

void dns_cache::store(base::time_point now, const std::string& name, const name_answer& answer) {
    const bool is_failure = answer.error && answer.error != errc::name_not_found;
    if (const auto old = index_.find(name); old != index_.end()) {
        if (is_failure && stale_.count() > 0 && find_stale(now, name, stale_) != nullptr) return;
        erase(old->second);
    }
    const base::duration keep = lifetime(answer);
    const bool is_useful = keep > base::duration::zero() || (!answer.error && stale_.count() > 0);
    if (!is_useful || capacity_ == 0) return;
    if (entries_.size() == capacity_) erase(std::prev(entries_.end()));
    entries_.push_front({name, answer, base::after(now, keep)});
    index_.emplace(entries_.front().name, entries_.begin());
}

base::duration dns_cache::lifetime(const name_answer& answer) const {
    if (!answer.error) return std::max(min_ttl_, std::min(answer.ttl, max_ttl_));
    if (answer.error == errc::name_not_found) return negative_ttl_;
    return base::duration::zero();
}

void dns_cache::erase(entry_list::iterator at) {
    index_.erase(at->name);
    entries_.erase(at);
}

}  // namespace hearth::io
