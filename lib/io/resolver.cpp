// The caching resolver: overrides, literals, cache, then one lookup per name however many ask.
//
// A call waits in `waiting_` until its handler is taken out, exactly once, by its answer, its
// cancellation or the end of the resolver. Handlers always run posted, so a handler may do
// anything, even destroy the resolver. A cancelled call leaves its lookup running: the answer goes
// to the cache.

#include "io/resolver.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <unordered_map>
#include <utility>

#include "io/dns_cache.hpp"
#include "io/name_lookup.hpp"

namespace hearth::io {
namespace {

namespace asio = boost::asio;

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
          cache_(config) {}

    std::uint64_t resolve(const std::string& host, std::uint16_t port, resolve_handler handler);
    void cancel(std::uint64_t ticket);
    [[nodiscard]] std::optional<base::time_point> expiry(const std::string& host,
                                                         std::uint16_t port) const;
    void close();

private:
    [[nodiscard]] const fixed_answer* find_override(const std::string& name,
                                                    std::uint16_t port) const;
    void join_flight(const std::string& name, std::uint64_t ticket);
    void on_answer(const std::string& name, const name_answer& answer);
    void post_answer(std::uint64_t ticket, name_answer answer);
    void post_abort(resolve_handler handler);

    const asio::any_io_executor executor_;
    const std::vector<fixed_answer> overrides_;
    std::unique_ptr<name_lookup> lookup_;
    dns_cache cache_;
    std::uint64_t last_ticket_ = 0;
    struct waiter {
        resolve_handler handler;
        std::string flight;  // The name whose lookup it waits for; empty if it is answered already.
    };
    std::unordered_map<std::uint64_t, waiter> waiting_;
    // The tickets that wait for each name that is being looked up.
    std::unordered_map<std::string, std::vector<std::uint64_t>> flights_;
};

std::uint64_t resolver_state::resolve(const std::string& host, std::uint16_t port,
                                      resolve_handler handler) {
    const std::string name = normalise(host);
    const std::uint64_t ticket = ++last_ticket_;
    waiter& self = waiting_.emplace(ticket, waiter{std::move(handler), {}}).first->second;

    if (const fixed_answer* fixed = find_override(name, port)) {
        post_answer(ticket, fixed->addresses.empty()
                                ? make_failed_answer(errc::name_not_found, name,
                                                     "its override has no address")
                                : name_answer{{}, {}, fixed->addresses, {}});
        return ticket;
    }
    boost::system::error_code not_literal;
    if (const auto address = asio::ip::make_address(name, not_literal); !not_literal) {
        post_answer(ticket, {{}, {}, {address}, {}});
        return ticket;
    }
    if (const name_answer* known = cache_.find(std::chrono::steady_clock::now(), name)) {
        post_answer(ticket, *known);
        return ticket;
    }
    self.flight = name;
    join_flight(name, ticket);
    return ticket;
}

void resolver_state::cancel(std::uint64_t ticket) {
    const auto found = waiting_.find(ticket);
    if (found == waiting_.end()) return;
    waiter left = std::move(found->second);
    waiting_.erase(found);
    if (const auto flight = flights_.find(left.flight); flight != flights_.end()) {
        std::erase(flight->second, ticket);
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
    for (auto& [ticket, one] : std::exchange(waiting_, {})) post_abort(std::move(one.handler));
}

const fixed_answer* resolver_state::find_override(const std::string& name,
                                                  std::uint16_t port) const {
    const auto found = std::ranges::find_if(overrides_, [&](const fixed_answer& one) {
        return one.host == name && (one.port == 0 || one.port == port);
    });
    return found == overrides_.end() ? nullptr : &*found;
}

void resolver_state::join_flight(const std::string& name, std::uint64_t ticket) {
    const auto [flight, is_new] = flights_.try_emplace(name);
    flight->second.push_back(ticket);
    if (!is_new) return;
    lookup_->start(name, [weak = weak_from_this(), name](const name_answer& answer) {
        if (const auto self = weak.lock()) self->on_answer(name, answer);
    });
}

void resolver_state::on_answer(const std::string& name, const name_answer& answer) {
    cache_.store(std::chrono::steady_clock::now(), name, answer);
    const auto flight = flights_.extract(name);
    if (flight.empty()) return;
    for (const std::uint64_t ticket : flight.mapped()) post_answer(ticket, answer);
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

    std::uint64_t resolve(const std::string& host, std::uint16_t port,
                          resolve_handler handler) override {
        return state_->resolve(host, port, std::move(handler));
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

std::unique_ptr<resolver> make_resolver(asio::any_io_executor executor, const dns_config& config) {
    auto lookup = config.resolver == resolver_kind::system ? make_system_lookup(executor)
                                                           : make_cares_lookup(executor, config);
    return make_caching_resolver(std::move(executor), config, std::move(lookup));
}

}  // namespace hearth::io
