// name_lookup: asks a name service, once per call. What the resolver needs from c-ares, getaddrinfo
// or a hook of the caller's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "hearth/config.hpp"
#include "io/resolver.hpp"

namespace hearth::io {

/// Lookups that may be under way at once; more fail with `name_failed`.
inline constexpr std::size_t max_pending_lookups = 1024;
/// Addresses of one name that are used; a hostile zone can hold thousands.
inline constexpr std::size_t max_addresses = 64;

struct name_answer {
    boost::system::error_code
        error;                    ///< `name_not_found`, `name_failed`, `descriptor_limit`, or none.
    std::string detail;           ///< A sentence when there is an error.
    address_list addresses;       ///< In the order to try; not empty without an error.
    std::chrono::seconds ttl{0};  ///< What the service said; 0 where it does not say.
};
using name_handler = std::function<void(name_answer)>;

class name_lookup {
public:
    virtual ~name_lookup() = default;
    /// Calls the handler once, later, on the executor; never after the lookup was destroyed.
    virtual void start(const std::string& name, name_handler handler) = 0;
};

[[nodiscard]] std::unique_ptr<name_lookup> make_cares_lookup(boost::asio::any_io_executor executor,
                                                             const dns_config& config);
class system_pool;
[[nodiscard]] std::unique_ptr<name_lookup> make_system_lookup(boost::asio::any_io_executor executor,
                                                              std::shared_ptr<system_pool> pool);
/// The hook is told to stop after `patience`.
[[nodiscard]] std::unique_ptr<name_lookup> make_custom_lookup(
    const boost::asio::any_io_executor& executor, name_hook hook,
    std::chrono::milliseconds patience);

/// Drops duplicates, alternates the families, the first one's first (RFC 8305 4), and keeps the
/// order within each; at most `max_addresses`.
[[nodiscard]] address_list interleave_families(const address_list& addresses);

/// A failed answer whose detail is "'name': reason."
[[nodiscard]] name_answer make_failed_answer(errc code, const std::string& name,
                                             const std::string& reason);

/// The answer when there is no descriptor to ask with.
[[nodiscard]] name_answer make_starved_answer(const std::string& name);

/// The resolver over any lookup; `make_resolver` chooses one by config.
[[nodiscard]] std::unique_ptr<resolver> make_caching_resolver(boost::asio::any_io_executor executor,
                                                              const dns_config& config,
                                                              std::unique_ptr<name_lookup> lookup);

}  // namespace hearth::io
