// A user's program: one call through the pool to an embedded TLS origin, with installed headers and
// libraries only. Exits 0 if the answer is right and Asio's error codes are the same on both sides.
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <hearth/hearth.hpp>
#include <hearth/testing/testing.hpp>
#include <iostream>
#include <string_view>

namespace {

bool same_version() { return std::string_view(hearth::version()) == HEARTH_VERSION_STRING; }

hearth::config trusting(const hearth::testing::origin& origin) {
    hearth::config settings;
    settings.tls.profile = hearth::tls_profile::make({.ca_pem = origin.ca_pem()});
    return settings;
}

bool blocking_call(const hearth::testing::origin& origin) {
    hearth::client client{trusting(origin)};
    const hearth::response answer = client.send({hearth::method::get, origin.url("/bytes/1000")});
    return answer.status == 200 && answer.body.size() == 1000 && answer.connection.tls;
}

/// The library's codes must compare equal to the program's: both sides compile Asio.
bool cancelled_call(const hearth::testing::origin& origin) {
    boost::asio::io_context context;
    boost::system::error_code result;
    {
        hearth::client client{context.get_executor(), trusting(origin)};
        client.async_send(
            {hearth::method::get, origin.url("/stall")},
            [&](boost::system::error_code error, const hearth::response&) { result = error; });
        context.poll();
    }
    context.run();
    return result == hearth::errc::client_closed;
}

}  // namespace

int main() {
    const hearth::testing::origin origin;
    const bool passed = same_version() && blocking_call(origin) && cancelled_call(origin);
    std::cout << (passed ? "consumer: passed\n" : "consumer: FAILED\n");
    return passed ? 0 : 1;
}
