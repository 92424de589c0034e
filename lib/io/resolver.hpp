// resolver: names to addresses, asynchronously, for one shard.
//
// All functions and handlers run on the shard's executor. Single flight per name; answers are
// cached by their TTL within floor and ceiling; "no such name" for a fixed time. What has outlived
// that is used while it is asked for anew or cannot be had, as the config says. IP literals and
// overrides are answered without a query. A handler is called exactly once, also when cancelled or
// when the resolver is destroyed (operation_aborted), never from inside `resolve`; what needs no
// query can be had at once by `known`.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "hearth/config.hpp"
#include "hearth/error.hpp"

namespace hearth::io {

using address_list = std::vector<boost::asio::ip::address>;

/// `errc::name_not_found`, `errc::name_failed` (detail says what the server answered),
/// `errc::descriptor_limit` (nobody could be asked), or operation_aborted. On success the list is
/// not empty and in the order to try (RFC 8305 4: sorted as RFC 6724 says, families interleaved;
/// overrides and what a hook says keep their order).
using resolve_handler =
    std::function<void(boost::system::error_code, std::string detail, address_list)>;

class resolver {
public:
    virtual ~resolver() = default;
    /// The addresses that `resolve` would give without asking anybody, now or for later: of a
    /// literal, of an override that has some, or of an answer whose time is not over.
    [[nodiscard]] virtual std::optional<address_list> known(const std::string& host,
                                                            std::uint16_t port) = 0;
    /// Returns a ticket for `cancel`.
    virtual std::uint64_t resolve(const std::string& host, std::uint16_t port,
                                  resolve_handler handler) = 0;
    /// The same, but answered by nothing that has outlived its time.
    virtual std::uint64_t refresh(const std::string& host, std::uint16_t port,
                                  resolve_handler handler) = 0;
    virtual void cancel(std::uint64_t ticket) = 0;
    /// When an answer about a host should be asked for anew; nothing if it never changes (a literal
    /// or an override).
    [[nodiscard]] virtual std::optional<base::time_point> expiry(const std::string& host,
                                                                 std::uint16_t port) const = 0;
};

class system_pool;
/// What a resolver needs beside its config.
struct resolver_needs {
    std::shared_ptr<system_pool> pool;              ///< For `system`; null: one of its own.
    std::chrono::milliseconds hook_patience{5000};  ///< For `custom`.
};

[[nodiscard]] std::unique_ptr<resolver> make_resolver(boost::asio::any_io_executor executor,
                                                      const dns_config& config,
                                                      resolver_needs needs = {});

}  // namespace hearth::io
