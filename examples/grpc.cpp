// A unary and a server-streaming gRPC call: `grpc ORIGIN CA_FILE`, with grpc_server.py at ORIGIN.
// `bash examples/grpc.sh` starts both.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <hearth/hearth.hpp>
#include <string>

#include "grpc_call.hpp"

namespace {

using namespace std::chrono_literals;

void print(const char* what, const grpc_example::status& ended) {
    std::printf("%s: status %d %s\n", what, ended.code, ended.message.c_str());
}

boost::asio::awaitable<int> run(hearth::client& client, std::string origin) {
    const auto show = [](const std::string& message) { std::printf("  %s\n", message.c_str()); };
    const auto unary = co_await grpc_example::call(
        client, grpc_example::make_call(origin, "/demo.Greeter/Hello", "hearth", 2s), show);
    print("Hello", unary);
    const auto streamed = co_await grpc_example::call(
        client, grpc_example::make_call(origin, "/demo.Greeter/Count", "5", 2s), show);
    print("Count", streamed);
    const auto late = co_await grpc_example::call(
        client, grpc_example::make_call(origin, "/demo.Greeter/Sleep", "10", 100ms), show);
    print("Sleep, which takes longer than it may", late);
    const bool is_fine = unary.code == grpc_example::ok && streamed.code == grpc_example::ok &&
                         late.code == grpc_example::deadline_exceeded;
    co_return is_fine ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: grpc ORIGIN CA_FILE\n");
        return 2;
    }
    boost::asio::io_context context;
    hearth::config settings;
    settings.tls.profile = hearth::tls_profile::make({.ca_file = argv[2]});
    hearth::client client(settings);
    int result = 1;
    boost::asio::co_spawn(context, run(client, argv[1]),
                          [&](const std::exception_ptr&, int code) { result = code; });
    context.run();
    return result;
}
