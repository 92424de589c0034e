// The caching resolver: overrides, literals, cache, then one lookup per name however many ask.
//
// A stale answer stands in for the lookup's: at once where the config lets it be used meanwhile;
// else when the lookup fails or is late, and then for everybody who asks until the next lookup, for
// which there is a pause. The lookup's own answer goes to the cache, whenever it comes.
//
// A call waits in `waiting_` until its handler is taken out, exactly once, by its answer, its
// cancellation or the end of the resolver. Handlers always run posted, so a handler may do
// anything, even destroy the resolver. A cancelled call leaves its lookup running: the answer goes
// to the cache.

#include "io/resolver.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <new>
#include <unordered_map>
#include <utility>

#include "io/dns_cache.hpp"
#include "io/name_lookup.hpp"
#include "io/system_pool.hpp"

namespace hearth::io {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

/// A lookup that takes longer has failed as far as stale answers go. RFC 8767 5 recommends 1.8 s,
/// for programs; here all of `timeouts.name` may be less.
constexpr std::chrono::milliseconds late_after{500};
/// A lookup that takes longer is lost, and another one begins when the name is asked for.
constexpr std::chrono::seconds lost_after{60};
/// Between lookups that fail, while there is a stale answer (RFC 8767 5 has 30 s, for shared ones).
constexpr std::chrono::seconds pause_after_failure{2};

std::string normalise(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.ends_with('.')) host.remove_suffix(1);
    std::string name(host);
    std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return name;
}

struct fixed_answer {
    std::string host;
    std::uint16_t port;  // 0: any.
    address_list addresses;
};

std::vector<fixed_answer> parse_overrides(const dns_config& config) {
    std::vector<fixed_answer> result;
    for (const name_override& one : config.overrides) {
        fixed_answer fixed{normalise(one.host), one.port, {}};
        for (const std::string& text : one.addresses) {
            boost::system::error_code error;
            const auto address = asio::ip::make_address(text, error);
            if (!error) fixed.addresses.push_back(address);
        }
        result.push_back(std::move(fixed));
    }
    // An override for the very port goes before one for any port.
    std::stable_partition(result.begin(), result.end(),
                          [](const fixed_answer& one) { return one.port != 0; });
    return result;
}

class resolver_state : public std::enable_shared_from_this<resolver_state> {
public:
    resolver_state(asio::any_io_executor executor, const dns_config& config,
                   std::unique_ptr<name_lookup> lookup)
        : executor_(std::move(executor)),
          overrides_(parse_overrides(config)),
          lookup_(std::move(lookup)),
          cache_(config),
          stale_while_refresh_(config.stale_while_refresh),
          stale_if_error_(config.stale_if_error) {}

    [[nodiscard]] std::optional<address_list> known(const std::string& host, std::uint16_t port);
    std::uint64_t resolve(const std::string& host, std::uint16_t port, bool takes_stale,
                          resolve_handler handler);
    void cancel(std::uint64_t ticket);
    [[nodiscard]] std::optional<base::time_point> expiry(const std::string& host,
                                                         std::uint16_t port) const;
    void close();

private:
    [[nodiscard]] std::optional<name_answer> answer_at_once(const std::string& name,
                                                            std::uint16_t port);
    [[nodiscard]] const fixed_answer* find_override(const std::string& name,
                                                    std::uint16_t port) const;
    bool answer_stale(const std::string& name, std::uint64_t ticket);
    void on_late(const std::string& name);
    void on_answer(const std::string& name, const name_answer& answer);
    void post_answer(std::uint64_t ticket, name_answer answer);
    void post_abort(resolve_handler handler);

    const asio::any_io_executor executor_;
    const std::vector<fixed_answer> overrides_;
    std::unique_ptr<name_lookup> lookup_;
    dns_cache cache_;
    const std::chrono::seconds stale_while_refresh_;
    const std::chrono::seconds stale_if_error_;
    std::uint64_t last_ticket_ = 0;
    struct waiter {
        resolve_handler handler;
        bool takes_stale = true;
        std::string flight{};  // The name whose lookup it waits for; empty if it is answered.
    };
    std::unordered_map<std::uint64_t, waiter> waiting_;
    // A name that is being looked up.
    struct query {
        explicit query(const asio::any_io_executor& executor) : timer(executor) {}
        std::vector<std::uint64_t> tickets;
        asio::steady_timer timer;  // To `is_late`.
        base::time_point began{};
        bool is_late = false;
    };
    void begin_flight(const std::string& name);
    void begin_lookup(const std::string& name, query& flight);
    std::unordered_map<std::string, query> flights_;
    std::unordered_map<std::string, base::time_point> rests_;  // No lookup until then.
};

std::optional<name_answer> resolver_state::answer_at_once(const std::string& name,
                                                          std::uint16_t port) {
    if (const fixed_answer* fixed = find_override(name, port)) {
        if (!fixed->addresses.empty()) return name_answer{{}, {}, fixed->addresses, {}};
        return make_failed_answer(errc::name_not_found, name, "its override has no address");
    }
    boost::system::error_code not_literal;
    if (const auto address = asio::ip::make_address(name, not_literal); !not_literal) {
        return name_answer{{}, {}, {address}, {}};
    }
    if (const name_answer* found = cache_.find(steady_clock::now(), name)) return *found;
    return std::nullopt;
}

std::optional<address_list> resolver_state::known(const std::string& host, std::uint16_t port) {
    std::optional<name_answer> answer = answer_at_once(normalise(host), port);
    if (!answer || answer->error) return std::nullopt;
    return std::move(answer->addresses);
}

std::uint64_t resolver_state::resolve(const std::string& host, std::uint16_t port, bool takes_stale,
                                      resolve_handler handler) {
    const std::string name = normalise(host);
    const std::uint64_t ticket = ++last_ticket_;
    waiter& self = waiting_.emplace(ticket, waiter{std::move(handler), takes_stale}).first->second;

    if (std::optional<name_answer> answer = answer_at_once(name, port)) {
        post_answer(ticket, std::move(*answer));
        return ticket;
    }
    if (takes_stale && answer_stale(name, ticket)) return ticket;
    self.flight = name;
    begin_flight(name);
    flights_.at(name).tickets.push_back(ticket);
    return ticket;
}

/// False: the lookup has to be waited for, so far.
bool resolver_state::answer_stale(const std::string& name, std::uint64_t ticket) {
    const auto now = steady_clock::now();
    const name_answer* failing = cache_.find_stale(now, name, stale_if_error_);
    const name_answer* meanwhile = cache_.find_stale(now, name, stale_while_refresh_);
    const auto rest = rests_.find(name);
    if (rest != rests_.end() && now < rest->second) {
        if (failing == nullptr) return false;
        post_answer(ticket, *failing);
        return true;
    }
    const auto flight = flights_.find(name);
    if (failing != nullptr && flight != flights_.end() && flight->second.is_late) {
        post_answer(ticket, *failing);
        return true;
    }
    if (meanwhile == nullptr) return false;
    post_answer(ticket, *meanwhile);
    begin_flight(name);
    return true;
}

void resolver_state::cancel(std::uint64_t ticket) {
    const auto found = waiting_.find(ticket);
    if (found == waiting_.end()) return;
    waiter left = std::move(found->second);
    waiting_.erase(found);
    if (const auto flight = flights_.find(left.flight); flight != flights_.end()) {
        std::erase(flight->second.tickets, ticket);
    }
    post_abort(std::move(left.handler));
}

std::optional<base::time_point> resolver_state::expiry(const std::string& host,
                                                       std::uint16_t port) const {
    const std::string name = normalise(host);
    if (find_override(name, port) != nullptr) return std::nullopt;
    boost::system::error_code not_literal;
    (void)asio::ip::make_address(name, not_literal);
    if (!not_literal) return std::nullopt;
    // What is not kept is out of date at once.
    return cache_.expiry(name).value_or(std::chrono::steady_clock::now());
}

void resolver_state::close() {
    lookup_.reset();
    flights_.clear();
    for (auto& [ticket, one] : std::exchange(waiting_, {})) {
        try {
            post_abort(std::move(one.handler));
        } catch (const std::bad_alloc&) {  // whoever asked is told nothing: its end is near, too
        }
    }
}

const fixed_answer* resolver_state::find_override(const std::string& name,
                                                  std::uint16_t port) const {
    const auto found = std::ranges::find_if(overrides_, [&](const fixed_answer& one) {
        return one.host == name && (one.port == 0 || one.port == port);
    });
    return found == overrides_.end() ? nullptr : &*found;
}

void resolver_state::begin_flight(const std::string& name) {
    const auto [at, is_new] = flights_.try_emplace(name, executor_);
    const auto now = steady_clock::now();
    if (!is_new && now - at->second.began < lost_after) return;
    at->second.began = now;
    try {
        begin_lookup(name, at->second);
    } catch (const std::bad_alloc&) {
        const auto left = flights_.find(name);
        if (left != flights_.end()) left->second.began = {};  // as one that is lost
        throw;
    }
}

void resolver_state::begin_lookup(const std::string& name, query& flight) {
    const std::weak_ptr<resolver_state> weak = weak_from_this();
    if (cache_.find_stale(steady_clock::now(), name, stale_if_error_) != nullptr) {
        flight.timer.expires_after(late_after);
        flight.timer.async_wait([weak, name](const boost::system::error_code& cancelled) {
            if (cancelled) return;
            if (const auto self = weak.lock()) self->on_late(name);
        });
    }
    lookup_->start(name, [weak, name](const name_answer& answer) {
        if (const auto self = weak.lock()) self->on_answer(name, answer);
    });
}

void resolver_state::on_late(const std::string& name) {
    const auto found = flights_.find(name);
    const name_answer* old = cache_.find_stale(steady_clock::now(), name, stale_if_error_);
    if (found == flights_.end() || old == nullptr) return;
    found->second.is_late = true;
    std::erase_if(found->second.tickets, [&](std::uint64_t ticket) {
        if (!waiting_.at(ticket).takes_stale) return false;
        post_answer(ticket, *old);
        return true;
    });
}

void resolver_state::on_answer(const std::string& name, const name_answer& answer) {
    const auto now = steady_clock::now();
    const auto flight = flights_.extract(name);
    cache_.store(now, name, answer);
    const name_answer* old = nullptr;
    if (answer.error && answer.error != errc::name_not_found) {
        old = cache_.find_stale(now, name, stale_if_error_);
    }
    if (old == nullptr) {
        rests_.erase(name);
    } else {
        std::erase_if(rests_, [&](const auto& one) { return one.second <= now; });
        rests_[name] = now + pause_after_failure;
    }
    if (flight.empty()) return;
    for (const std::uint64_t ticket : flight.mapped().tickets) {
        const bool takes_old = old != nullptr && waiting_.at(ticket).takes_stale;
        post_answer(ticket, takes_old ? *old : answer);
    }
}

void resolver_state::post_answer(std::uint64_t ticket, name_answer answer) {
    asio::post(executor_,
               [self = shared_from_this(), ticket, answer = std::move(answer)]() mutable {
                   const auto found = self->waiting_.find(ticket);
                   if (found == self->waiting_.end()) return;  // Cancelled meanwhile.
                   const resolve_handler handler = std::move(found->second.handler);
                   self->waiting_.erase(found);
                   handler(answer.error, std::move(answer.detail), std::move(answer.addresses));
               });
}

void resolver_state::post_abort(resolve_handler handler) {
    asio::post(executor_,
               [handler = std::move(handler)] { handler(asio::error::operation_aborted, {}, {}); });
}

class caching_resolver final : public resolver {
public:
    explicit caching_resolver(std::shared_ptr<resolver_state> state) : state_(std::move(state)) {}
    ~caching_resolver() override { state_->close(); }
    caching_resolver(const caching_resolver&) = delete;
    caching_resolver& operator=(const caching_resolver&) = delete;

    [[nodiscard]] std::optional<address_list> known(const std::string& host,
                                                    std::uint16_t port) override {
        return state_->known(host, port);
    }
    std::uint64_t resolve(const std::string& host, std::uint16_t port,
                          resolve_handler handler) override {
        return state_->resolve(host, port, true, std::move(handler));
    }
    std::uint64_t refresh(const std::string& host, std::uint16_t port,
                          resolve_handler handler) override {
        return state_->resolve(host, port, false, std::move(handler));
    }
    void cancel(std::uint64_t ticket) override { state_->cancel(ticket); }
    [[nodiscard]] std::optional<base::time_point> expiry(const std::string& host,
                                                         std::uint16_t port) const override {
        return state_->expiry(host, port);
    }

private:
    const std::shared_ptr<resolver_state> state_;
};

}  // namespace

std::unique_ptr<resolver> make_caching_resolver(asio::any_io_executor executor,
                                                const dns_config& config,
                                                std::unique_ptr<name_lookup> lookup) {
    return std::make_unique<caching_resolver>(
        std::make_shared<resolver_state>(std::move(executor), config, std::move(lookup)));
}

namespace {

std::unique_ptr<name_lookup> make_lookup(const asio::any_io_executor& executor,
                                         const dns_config& config, resolver_needs needs) {
    switch (config.resolver) {
        case resolver_kind::custom:
            return make_custom_lookup(executor, config.hook, needs.hook_patience);
        case resolver_kind::system:
            if (!needs.pool) needs.pool = std::make_shared<system_pool>(config.system_threads);
            return make_system_lookup(executor, std::move(needs.pool));
        case resolver_kind::c_ares: break;
    }
    return make_cares_lookup(executor, config);
}

}  // namespace

std::unique_ptr<resolver> make_resolver(asio::any_io_executor executor, const dns_config& config,
                                        resolver_needs needs) {
    auto lookup = make_lookup(executor, config, std::move(needs));
    return make_caching_resolver(std::move(executor), config, std::move(lookup));
}

}  // namespace hearth::io
