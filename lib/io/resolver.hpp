// resolver: names to addresses, asynchronously, for one shard.
//
// All functions and handlers run on the shard's executor. Single flight per name; answers are
// cached by their TTL within floor and ceiling; "no such name" for a fixed time. IP literals and
// overrides are answered without a query (still through the handler, posted). A handler is called
// exactly once, also when cancelled or when the resolver is destroyed (operation_aborted), never
// from inside `resolve`.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
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
/// not empty and in the order to try (RFC 8305 4: families interleaved, IPv6 first, except
/// overrides, which keep their order).
using resolve_handler =
    std::function<void(boost::system::error_code, std::string detail, address_list)>;

class resolver {
public:
    virtual ~resolver() = default;
    /// Returns a ticket for `cancel`.
    virtual std::uint64_t resolve(const std::string& host, std::uint16_t port,
                                  resolve_handler handler) = 0;
    virtual void cancel(std::uint64_t ticket) = 0;
    /// When an answer about a host should be asked for anew; nothing if it never changes (a literal
    /// or an override).
    [[nodiscard]] virtual std::optional<base::time_point> expiry(const std::string& host,
                                                                 std::uint16_t port) const = 0;
};

[[nodiscard]] std::unique_ptr<resolver> make_resolver(boost::asio::any_io_executor executor,
                                                      const dns_config& config);

}  // namespace hearth::io
