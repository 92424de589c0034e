#include "hostile/h2_catalogue.hpp"

#include <poll.h>

#include "support/awaited.hpp"

namespace hearth::hostile {
namespace {

constexpr std::size_t preface_octets = 24;
constexpr std::size_t frame_head_octets = 9;
// What no client may take of a flood.
constexpr std::size_t flood_octets = std::size_t{64} << 20U;

std::size_t frame_size(const std::string& input) {
    const auto at = [&](std::size_t i) {
        return std::size_t{static_cast<unsigned char>(input[i])};
    };
    return frame_head_octets + (at(0) << 16U | at(1) << 8U | at(2));
}

std::string reset_and(h2_code code) { return "reset 1 " + std::to_string(code); }

void expect(const response& got, boost::system::error_code error, const outcome& expected) {
    EXPECT_EQ(error, expected.error) << error.message() << "; " << got.failure.detail;
    EXPECT_EQ(got.failure.phase, expected.phase) << got.failure.detail;
    EXPECT_EQ(got.status, expected.status);
    EXPECT_EQ(got.attempts, expected.attempts);
    if (expected.body) {
        EXPECT_EQ(got.body, *expected.body);
    }
}

void run(const h2_case& one, bool is_tls) {
    h2_origin origin(is_tls, [&](h2_side& side, std::uint64_t index) {
        if (!side.open(index == 0 ? one.greeting : h2_greeting())) return;
        if (index == 0) {
            const std::uint32_t stream = one.at_head ? side.await_head() : side.await_request();
            if (stream != 0) one.play(side, stream);
        }
        if (index != 0 || !one.ends) side.be_polite();
    });
    {
        config values = h2_config(is_tls);
        if (one.adjust) one.adjust(values);
        client subject(values);
        request what = one.what;
        what.url = origin.url();
        if (one.patience) what.deadline = in(*one.patience);
        const support::awaited_response done = support::begin_send(subject, std::move(what));
        expect(done.value(), done.error(), one.expected);
        EXPECT_LE(subject.stats().bytes_received, one.max_received_bytes);
        if (!one.keeps_connection) {  // what breaks it may come behind the answer
            EXPECT_TRUE(support::eventually([&] {
                const origin_stats total = subject.stats().total();
                return total.idle == 0 || total.opened > 1;  // its replacement may be here
            }));
        }
        boost::system::error_code error;
        const response after = subject.send(get(origin.url()), error);
        EXPECT_FALSE(error) << error.message() << "; " << after.failure.detail;
        EXPECT_EQ(after.body, polite_body);
        EXPECT_EQ(origin.accepted(), one.keeps_connection ? 1U : 2U);
        EXPECT_EQ(done.count(), 1U);
        const stats seen = subject.stats();
        const origin_stats total = seen.total();
        EXPECT_EQ(seen.calls, seen.completed);
        EXPECT_EQ(seen.internal_errors, 0U);
        EXPECT_EQ(total.opened, total.closed + total.open + total.dialing + total.handshaking);
    }
    origin.end();
    EXPECT_EQ(origin.told(0), one.told);
    EXPECT_EQ(origin.requests(), one.expected.attempts + 1U);
}

}  // namespace

bool h2_side::open(std::string_view greeting) {
    if (is_tls_ && !wire_.handshake()) return false;
    while (input_.size() < preface_octets) {
        if (!more()) return false;
    }
    input_.erase(0, preface_octets);
    return say(greeting);
}

bool h2_side::open_first(std::string_view greeting) {
    return (!is_tls_ || wire_.handshake()) && say(greeting);
}

bool h2_side::more() {
    std::string octets;
    if (!wire_.read(octets)) return false;
    input_ += octets;
    return true;
}

std::optional<h2::seen_frame> h2_side::next() {
    for (;;) {
        if (auto frame = take()) return frame;
        if (!more()) return std::nullopt;
    }
}

std::optional<h2::seen_frame> h2_side::take() {
    if (input_.size() < frame_head_octets || input_.size() < frame_size(input_)) {
        return std::nullopt;
    }
    const std::size_t size = frame_size(input_);
    heard_.push_back(h2::frames_of(input_.substr(0, size)).front());
    input_.erase(0, size);
    return heard_.back();
}

std::uint32_t h2_side::await_request() {
    while (const auto frame = next()) {
        const bool can_end = frame->type == h2::headers_frame || frame->type == h2::data_frame;
        if (can_end && frame->has(h2::end_stream)) return frame->stream;
    }
    return 0;
}

std::uint32_t h2_side::await_head() {
    while (const auto frame = next()) {
        if (frame->type == h2::headers_frame) return frame->stream;
    }
    return 0;
}

bool h2_side::await(h2::type type, std::uint32_t stream) {
    while (const auto frame = next()) {
        if (frame->type == type && frame->stream == stream) return true;
    }
    return false;
}

void h2_side::flood(const std::string& frames) {
    std::string block;
    while (block.size() < 64 * 1024) block += frames;
    for (std::size_t sent = 0; sent < flood_octets && say(block);) sent += block.size();
}

void h2_side::drip(const std::string& frames, std::uint32_t stream) {
    constexpr int many = 3000;
    for (int i = 0; i < many && say(frames); ++i) {
        ::poll(nullptr, 0, 20);
        if (wire_.await_octets({}) && !more()) return;
        while (const auto frame = take()) {
            if (frame->type == h2::rst_stream_frame && frame->stream == stream) return;
        }
    }
}

void h2_side::be_polite() {
    while (const std::uint32_t stream = await_request()) {
        if (!say(polite_answer(stream))) break;
    }
    while (next()) {
    }
}

h2_origin::h2_origin(bool is_tls, play what)
    : context_(support::origin_identity(), {.alpn = {"h2"}}), is_tls_(is_tls) {
    const auto on_connection = [this, what = std::move(what)](peer_connection& wire,
                                                              std::uint64_t index) {
        h2_side side(wire, is_tls_);
        what(side, index);
        played(index, side.heard());
    };
    is_tls ? peer_.emplace(context_, on_connection) : peer_.emplace(on_connection);
    port_ = peer_->port();
}

std::string h2_origin::url() const {
    return (is_tls_ ? "https://origin.example:" : "http://origin.example:") +
           std::to_string(port_) + "/";
}

void h2_origin::played(std::uint64_t index, const std::vector<h2::seen_frame>& heard) {
    const std::lock_guard lock(mutex_);
    if (heard_.size() <= index) heard_.resize(index + 1);
    heard_[index] = heard;
}

std::string h2_origin::told(std::uint64_t index) const {
    const std::lock_guard lock(mutex_);
    if (index >= heard_.size()) return "nothing: it was never played";
    std::string text;
    for (const h2::seen_frame& each : heard_[index]) {
        std::string one;
        if (each.type == h2::rst_stream_frame) {
            one =
                "reset " + std::to_string(each.stream) + " " + std::to_string(each.number_at(0, 4));
        } else if (each.type == h2::goaway_frame && each.number_at(4, 4) != no_error) {
            one = "goaway " + std::to_string(each.number_at(4, 4));
        }
        if (!one.empty()) text += (text.empty() ? "" : ", ") + one;
    }
    return text;
}

std::uint64_t h2_origin::requests() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    for (const auto& connection : heard_) {
        for (const h2::seen_frame& each : connection) {
            if (each.type == h2::headers_frame) ++count;
        }
    }
    return count;
}

config h2_config(bool is_tls) {
    config values;
    values.io.threads = 1;
    values.protocol = protocol_policy::http2_only;
    values.pool.dial_patience = std::chrono::milliseconds(0);
    if (is_tls) values.tls.profile = tls_profile::make(support::trusting_options());
    values.dns.overrides.push_back({.host = "origin.example", .addresses = {"127.0.0.1"}});
    return values;
}

void run(const h2_case& one) {
    for (const bool is_tls : {false, true}) {
        SCOPED_TRACE(is_tls ? "under TLS" : "in plaintext");
        run(one, is_tls);
    }
}

TEST_P(HostileHttp2Test, Holds) { run(GetParam()); }

h2_case says(std::string name, frames_for frames, outcome expected, bool keeps_connection) {
    h2_case one;
    one.name = std::move(name);
    one.play = [frames = std::move(frames)](h2_side& to, std::uint32_t stream) {
        (void)to.say(frames(stream));
    };
    one.expected = std::move(expected);
    one.keeps_connection = keeps_connection;
    return one;
}

h2_case breaks_connection(std::string name, h2_code code, frames_for frames, outcome expected) {
    h2_case one = says(std::move(name), std::move(frames), std::move(expected), false);
    one.told = "goaway " + std::to_string(code);
    return one;
}

h2_case breaks_stream(std::string name, frames_for frames, outcome expected, h2_code code) {
    h2_case one = says(std::move(name), std::move(frames), std::move(expected), true);
    one.told = reset_and(code);
    return one;
}

h2_case floods(std::string name, frames_for first, frames_for again, outcome expected) {
    h2_case one = breaks_connection(std::move(name), enhance_your_calm, {}, std::move(expected));
    one.play = [first = std::move(first), again = std::move(again)](h2_side& to,
                                                                    std::uint32_t stream) {
        if (first) (void)to.say(first(stream));
        to.flood(again(stream));
    };
    return one;
}

}  // namespace hearth::hostile
