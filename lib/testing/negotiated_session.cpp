// What is spoken on a connection.
#include "testing/negotiated_session.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "testing/http1_session.hpp"
#include "testing/http2_session.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// How HTTP/2 begins (RFC 9113 3.4).
constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A plaintext connection until its first octets tell; then only passes everything on.
class preface_session final : public protocol {
public:
    preface_session(connection& owner, const session_context& context)
        : connection_(owner), context_(context) {}

    void on_open() override {}
    void on_bytes(std::string_view bytes) override {
        if (chosen_) return chosen_->on_bytes(bytes);
        first_octets_.append(bytes);
        const std::size_t size = std::min(first_octets_.size(), preface.size());
        const bool is_http2 = preface.substr(0, size) == first_octets_.substr(0, size);
        if (is_http2 && size < preface.size()) return;
        if (is_http2) {
            chosen_ = std::make_unique<http2_session>(connection_, context_);
        } else {
            chosen_ = std::make_unique<http1_session>(connection_, context_);
        }
        chosen_->on_open();
        if (connection_.is_open()) chosen_->on_bytes(std::exchange(first_octets_, {}));
    }
    void on_room() override {
        if (chosen_) chosen_->on_room();
    }
    void on_end() override {
        if (chosen_) return chosen_->on_end();
        connection_.close_now(close_kind::clean);
    }
    void on_drain() override {
        if (chosen_) return chosen_->on_drain();
        connection_.close_when_sent(close_kind::clean);
    }
    void on_closed() override {
        if (chosen_) chosen_->on_closed();
    }

private:
    connection& connection_;
    const session_context& context_;
    std::string first_octets_;
    std::unique_ptr<protocol> chosen_;
};

}  // namespace

std::unique_ptr<protocol> make_session(connection& owner, const session_context& context) {
    const auto& protocols = context.options.listen.alpn;
    const bool may_be_http2 = std::ranges::find(protocols, "h2") != protocols.end();
    if (!owner.wire().is_tls() && may_be_http2) {
        return std::make_unique<preface_session>(owner, context);
    }
    if (owner.wire().alpn() == "h2") return std::make_unique<http2_session>(owner, context);
    return std::make_unique<http1_session>(owner, context);
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
