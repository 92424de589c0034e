// Servers that are here for their HTTP/2: h2o, nghttpd and node's, beside those of servers.hpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "interop/servers.hpp"

namespace hearth::interop {

/// One server that speaks HTTP/2 on its TLS port. `/hello` answers five octets, `/large` a million.
struct http2_server : served {
    /// The program is given the port, key, certificate chain and a directory of its own in which
    /// "www" holds the two files.
    struct given {
        std::uint16_t port;
        std::string key;
        std::string chain;
        std::filesystem::path directory;
    };
    using command_maker = std::vector<std::string> (*)(const given&);

    explicit http2_server(command_maker command);

private:
    support::scratch_directory directory_;
    std::optional<support::server_process> process_;
};

[[nodiscard]] std::vector<std::string> h2o_command(const http2_server::given& with);
[[nodiscard]] std::vector<std::string> nghttpd_command(const http2_server::given& with);
[[nodiscard]] std::vector<std::string> node_command(const http2_server::given& with);
[[nodiscard]] std::vector<std::string> apache_command(const http2_server::given& with);
[[nodiscard]] std::vector<std::string> nginx_command(const http2_server::given& with);

}  // namespace hearth::interop
