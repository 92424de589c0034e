// A name server for tests, on a thread of its own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <string>
#include <thread>

#include "support/dns_server.hpp"

namespace hearth::hostile {

/// A name server that knows "some.test".
class name_server {
public:
    name_server() {
        server_.script("some.test", support::dns_server::type_a, {.addresses = {"127.0.0.1"}});
        server_.script("some.test", support::dns_server::type_aaaa, {});
        thread_ = std::thread([this] { context_.run(); });
    }
    ~name_server() {
        context_.stop();
        thread_.join();
    }
    name_server(const name_server&) = delete;
    name_server& operator=(const name_server&) = delete;

    [[nodiscard]] std::string address() const { return server_.address(); }

private:
    boost::asio::io_context context_;
    support::dns_server server_{context_};
    std::thread thread_;
};

}  // namespace hearth::hostile
