// An HTTP/2 origin with prior knowledge on a free port of the loopback: an nghttp2 session per
// connection, that does with each request what the test's plan says. For tests of the client that
// need a peer which reacts, where a script of frames would have to guess what comes when.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace hearth::support {

class h2_origin {
public:
    /// What a request gets.
    struct answer {
        enum class kind : std::uint8_t {
            respond,
            trickle,  ///< As respond, an octet of body every 5 ms.
            stay_silent,
            reset,
            cut,  ///< Ends the connection.
        };
        kind what = kind::respond;
        int status = 200;
        std::string body = "ok";
        std::uint32_t code = 2;  ///< reset: of the RST_STREAM; 2 is INTERNAL_ERROR.
        std::chrono::milliseconds delay{0};
    };
    /// One request, when its head is here.
    struct seen {
        std::uint64_t connection = 0;  ///< In the order they were accepted.
        std::uint64_t request = 0;     ///< In the order they came, over all connections.
        std::string path;
    };
    /// Called on the origin's thread.
    using plan = std::function<answer(const seen&)>;

    /// `max_streams` is told in SETTINGS.
    explicit h2_origin(plan what, std::uint32_t max_streams = 100);
    ~h2_origin();
    h2_origin(const h2_origin&) = delete;
    h2_origin& operator=(const h2_origin&) = delete;

    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] std::string url(const std::string& path = "/") const;
    [[nodiscard]] std::uint64_t requests() const;
    /// Streams that clients have reset, with CANCEL.
    [[nodiscard]] std::uint64_t cancelled() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace hearth::support
