// A name server on a free UDP port of the loopback, scripted by the test and run by its io_context.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hearth::support {

class dns_server {
public:
    static constexpr std::uint16_t type_a = 1;
    static constexpr std::uint16_t type_aaaa = 28;

    struct reply {
        unsigned code = 0;  ///< RCODE: 0 none, 2 server failure, 3 no such name.
        std::vector<std::string> addresses = {};
        std::uint32_t ttl = 60;
        bool is_silent = false;  ///< The query is never answered.
        /// CNAME records before the addresses, each from a name to another.
        std::vector<std::pair<std::string, std::string>> aliases = {};
        std::string owner{};     ///< Of the addresses; empty: the name that was asked for.
        std::string question{};  ///< What is said to have been asked for; empty: the truth.
    };

    explicit dns_server(boost::asio::io_context& context);
    ~dns_server();
    dns_server(const dns_server&) = delete;
    dns_server& operator=(const dns_server&) = delete;

    /// "127.0.0.1:port".
    [[nodiscard]] std::string address() const;
    /// What a name's queries of a type get; other names do not exist.
    void script(const std::string& name, std::uint16_t type, reply what);
    /// Queries received so far for a name, both types.
    [[nodiscard]] unsigned queries(const std::string& name) const;
    /// Called after each query was received (and answered).
    void on_query(std::function<void()> callback) { on_query_ = std::move(callback); }

private:
    void receive();
    void handle(std::size_t size);

    boost::asio::ip::udp::socket socket_;
    boost::asio::ip::udp::endpoint peer_;
    std::array<unsigned char, 512> buffer_{};
    std::map<std::pair<std::string, std::uint16_t>, reply> replies_;
    std::map<std::string, unsigned> queries_;
    std::function<void()> on_query_;
};

}  // namespace hearth::support
