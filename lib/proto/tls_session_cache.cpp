#include "proto/tls_session_cache.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "hearth/tls.hpp"
#include "proto/tls_profile_impl.hpp"
#include "proto/tls_session_cache_impl.hpp"

namespace hearth::proto {
namespace {

constexpr std::time_t longest_fresh = 60;
constexpr std::time_t seven_days = 7 * 24 * 60 * 60;  // the most RFC 8446 4.6.1 allows

std::string shelf_name(std::uint64_t profile, std::string_view key) {
    std::string name = std::to_string(profile);
    name += '\n';
    name += key;
    return name;
}

std::time_t end_of_certificate(const X509* certificate) {
    constexpr auto never = std::numeric_limits<std::time_t>::max();
    std::tm end{};
    if (certificate == nullptr) return never;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return never;
    return timegm(&end);
}

bool is_tls_1_3(const SSL_SESSION* session) {
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

}  // namespace

std::time_t session_expiry(const SSL_SESSION* session) {
    const auto hint = static_cast<std::time_t>(SSL_SESSION_get_ticket_lifetime_hint(session));
    std::time_t lifetime = hint;
    // Before TLS 1.3 a hint of zero leaves the lifetime to the client (RFC 5077 3.3); from TLS 1.3
    // on it means that the ticket is dead already.
    if (hint == 0 && !is_tls_1_3(session)) lifetime = SSL_SESSION_get_timeout(session);
    const std::time_t from = SSL_SESSION_get_time(session);
    const auto* peer = SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
    return std::min(from + std::min(lifetime, seven_days), end_of_certificate(peer));
}

std::time_t session_fresh_until(const SSL_SESSION* session, std::time_t expires) {
    const std::time_t from = SSL_SESSION_get_time(session);
    return from + std::min((expires - from) / 2, longest_fresh);
}

std::time_t openssl_time() {
    std::tm now{};
    ASN1_TIME_to_tm(nullptr, &now);  // null stands for the present
    return timegm(&now);
}

tls_session_cache::implementation::implementation(std::uint32_t per_key, std::size_t max_keys)
    : per_key_(per_key), max_keys_(max_keys) {}

void tls_session_cache::implementation::store(std::uint64_t profile, std::string_view key,
                                              ssl_session_ptr session) {
    const auto inside = guard_.enter();
    if (per_key_ == 0 || max_keys_ == 0 || SSL_SESSION_is_resumable(session.get()) != 1) return;
    auto place = find(profile, key);
    if (place == shelves_.end()) {
        if (shelves_.size() >= max_keys_) drop(std::prev(shelves_.end()));
        std::string name = shelf_name(profile, key);
        shelves_.push_front({profile, name, {}});
        try {
            by_name_.emplace(std::move(name), shelves_.begin());
        } catch (const std::bad_alloc&) {
            shelves_.pop_front();
            throw;
        }
        place = shelves_.begin();
    }
    auto& tickets = place->tickets;
    while (tickets.size() >= per_key_) tickets.erase(tickets.begin());
    const std::time_t expires = session_expiry(session.get());
    const std::time_t fresh_until = session_fresh_until(session.get(), expires);
    const bool single_use = is_tls_1_3(session.get());
    tickets.push_back({std::move(session), expires, fresh_until, single_use});
}

ssl_session_ptr tls_session_cache::implementation::take(std::uint64_t profile, std::string_view key,
                                                        std::time_t now) {
    const auto inside = guard_.enter();
    const auto place = find(profile, key);
    if (place == shelves_.end()) return nullptr;
    auto& tickets = place->tickets;
    ssl_session_ptr taken;
    while (!tickets.empty() && !taken) {
        ticket& newest = tickets.back();
        if (newest.expires <= now || SSL_SESSION_is_resumable(newest.session.get()) != 1) {
            tickets.pop_back();
        } else if (newest.single_use) {
            taken = std::move(newest.session);
            tickets.pop_back();
        } else {
            SSL_SESSION_up_ref(newest.session.get());
            taken.reset(newest.session.get());
        }
    }
    drop_if_empty(place);
    return taken;
}

void tls_session_cache::implementation::remove(std::uint64_t profile, std::string_view key,
                                               const SSL_SESSION* session) {
    const auto inside = guard_.enter();
    const auto place = find(profile, key);
    if (place == shelves_.end()) return;
    std::erase_if(place->tickets,
                  [&](const ticket& each) { return each.session.get() == session; });
    drop_if_empty(place);
}

std::size_t tls_session_cache::implementation::lacking(std::uint64_t profile, std::string_view key,
                                                       std::time_t now) const {
    const auto inside = guard_.enter();
    if (max_keys_ == 0) return 0;
    const auto found = by_name_.find(shelf_name(profile, key));
    if (found == by_name_.end()) return per_key_;
    const auto fresh = static_cast<std::size_t>(std::ranges::count_if(
        found->second->tickets, [now](const ticket& each) { return each.fresh_until > now; }));
    return per_key_ - std::min(per_key_, fresh);
}

std::size_t tls_session_cache::implementation::count(std::uint64_t profile,
                                                     std::string_view key) const {
    const auto inside = guard_.enter();
    const auto found = by_name_.find(shelf_name(profile, key));
    return found == by_name_.end() ? 0 : found->second->tickets.size();
}

void tls_session_cache::implementation::forget(std::uint64_t profile) {
    const auto inside = guard_.enter();
    for (auto place = shelves_.begin(); place != shelves_.end();) {
        const auto next = std::next(place);
        if (place->profile == profile) drop(place);
        place = next;
    }
}

// The shelf of a key, moved to the front; the end if there is none.
auto tls_session_cache::implementation::find(std::uint64_t profile, std::string_view key)
    -> shelf_list::iterator {
    const auto found = by_name_.find(shelf_name(profile, key));
    if (found == by_name_.end()) return shelves_.end();
    shelves_.splice(shelves_.begin(), shelves_, found->second);
    return found->second;
}

void tls_session_cache::implementation::drop_if_empty(shelf_list::iterator place) {
    if (place->tickets.empty()) drop(place);
}

void tls_session_cache::implementation::drop(shelf_list::iterator place) {
    by_name_.erase(place->name);
    shelves_.erase(place);
}

tls_session_cache::tls_session_cache(std::uint32_t per_key, std::size_t max_keys)
    : implementation_(std::make_unique<implementation>(per_key, max_keys)) {}

tls_session_cache::~tls_session_cache() = default;

std::size_t tls_session_cache::count(const tls_profile& profile, const std::string& key) const {
    return implementation_->count(profile.internals().id(), key);
}

void tls_session_cache::set_limit(std::uint32_t per_key) { implementation_->set_limit(per_key); }

void tls_session_cache::forget(const tls_profile& profile) {
    implementation_->forget(profile.internals().id());
}

}  // namespace hearth::proto
