// pool_key: everything that decides whether two requests may share a connection. Interned to an
// origin_id once; compared and hashed as a whole.
#pragma once

#include <boost/container_hash/hash.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "client/origin_table.hpp"
#include "hearth/config.hpp"
#include "hearth/origin.hpp"
#include "hearth/request.hpp"
#include "hearth/tls.hpp"

namespace hearth::detail {

struct pool_key {
    hearth::origin origin;
    /// The request's own. Null on plaintext, and where the client's is used, whichever that is now.
    std::shared_ptr<const tls_profile> profile;
    hearth::route route;
    protocol_policy protocol = protocol_policy::http1_only;

    bool operator==(const pool_key&) const = default;
};

struct pool_key_hash {
    std::size_t operator()(const pool_key& key) const {
        std::size_t seed = key.origin.tls ? 1 : 0;
        boost::hash_combine(seed, key.origin.host);
        boost::hash_combine(seed, key.origin.port);
        boost::hash_combine(seed, key.profile.get());
        boost::hash_combine(seed, key.route.connect_host);
        boost::hash_combine(seed, key.route.connect_port);
        boost::hash_combine(seed, key.route.unix_path);
        boost::hash_combine(seed, key.route.local_address);
        boost::hash_combine(seed, key.route.interface_name);
        boost::hash_combine(seed, key.route.dialer.get());
        boost::hash_combine(seed, static_cast<unsigned>(key.protocol));
        if (key.route.proxy) {
            boost::hash_combine(seed, static_cast<int>(key.route.proxy->kind));
            boost::hash_combine(seed, key.route.proxy->host);
            boost::hash_combine(seed, key.route.proxy->port);
            boost::hash_combine(seed, key.route.proxy->user);
            boost::hash_combine(seed, key.route.proxy->password);
            boost::hash_combine(seed, key.route.proxy->tls.get());
        }
        return seed;
    }
};

/// Of the key, in the table of origins.
[[nodiscard]] inline std::uint32_t slot_of(const pool_key& key) {
    return static_cast<std::uint32_t>(origin_table::slot_of(pool_key_hash{}(key)));
}

/// Where TCP goes: to the proxy if there is one.
[[nodiscard]] const std::string& first_host(const pool_key& key);
[[nodiscard]] std::uint16_t first_port(const pool_key& key);

/// Of most requests to one client the origin alone decides what their key is.
[[nodiscard]] inline bool has_usual_key(const request& what) {
    return !what.tls && !what.route && !what.protocol && what.method != method::connect &&
           !what.headers.contains("upgrade");
}

/// The key of a request: its own profile, its own route, else the config's.
[[nodiscard]] pool_key make_pool_key(const origin& where, const request& what,
                                     const config& values);

}  // namespace hearth::detail
