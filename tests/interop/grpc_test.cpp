// gRPC with a real server (python3-grpcio), by the code of the example: messages, status in the
// trailers or with the head, deadlines that travel.
#include "examples/grpc_call.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <string>
#include <vector>

#include "interop/http2_servers.hpp"

namespace hearth::interop {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> grpc_command(const http2_server::given& with) {
    return {"/usr/bin/python3", std::string(HEARTH_EXAMPLES) + "/grpc_server.py",
            std::to_string(with.port), with.key, with.chain};
}

struct outcome {
    std::vector<std::string> messages;
    grpc_example::status ended;
};

// One call on a client of its own.
outcome call(const http2_server& server, const std::string& method, const std::string& message,
             std::chrono::milliseconds timeout = 30s) {
    boost::asio::io_context context;
    config values;
    values.tls.profile = trusted();
    client subject(values);
    outcome result;
    boost::asio::co_spawn(
        context,
        grpc_example::call(
            subject,
            grpc_example::make_call(server.tls(""), "/demo.Greeter/" + method, message, timeout),
            [&](std::string one) { result.messages.push_back(std::move(one)); }),
        [&](const std::exception_ptr& error, grpc_example::status ended) {
            EXPECT_FALSE(error);
            result.ended = std::move(ended);
        });
    context.run();
    return result;
}

TEST(GrpcTest, UnaryCallsAreAnswered) {
    const http2_server server(grpc_command);
    const outcome got = call(server, "Hello", "hearth");
    EXPECT_EQ(got.ended.code, grpc_example::ok) << got.ended.message;
    EXPECT_EQ(got.messages, std::vector<std::string>{"hello hearth"});
    const outcome large = call(server, "Hello", std::string(1'000'000, 'x'));
    ASSERT_EQ(large.messages.size(), 1U) << large.ended.message;
    EXPECT_EQ(large.messages[0].size(), 1'000'006U);
}

TEST(GrpcTest, StreamsComeMessageByMessage) {
    const http2_server server(grpc_command);
    const outcome got = call(server, "Count", "2000");
    EXPECT_EQ(got.ended.code, grpc_example::ok) << got.ended.message;
    ASSERT_EQ(got.messages.size(), 2000U);
    EXPECT_EQ(got.messages.back(), "1999");
}

TEST(GrpcTest, StatusComesWithoutMessagesToo) {
    const http2_server server(grpc_command);
    const outcome failed = call(server, "Fail", "no such thing");
    EXPECT_EQ(failed.ended.code, 5);
    EXPECT_EQ(failed.ended.message, "no such thing");
    EXPECT_TRUE(failed.messages.empty());
    EXPECT_EQ(call(server, "Nothing", "").ended.code, 12);
}

TEST(GrpcTest, DeadlinesEndTheCall) {
    const http2_server server(grpc_command);
    const outcome late = call(server, "Sleep", "30", 200ms);
    EXPECT_EQ(late.ended.code, grpc_example::deadline_exceeded) << late.ended.message;
}

}  // namespace
}  // namespace hearth::interop
