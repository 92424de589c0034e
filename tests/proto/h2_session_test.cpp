#include "proto/h2_session.hpp"

#include <gtest/gtest.h>

#include <new>
#include <string>

#include "support/h2_frames.hpp"

namespace hearth::proto {
namespace {

namespace h2 = hearth::testing::h2;

/// Writes down what it is told.
class recorder final : public h2_session_listener {
public:
    std::string log;
    bool is_short = false;  // of memory, where fields are told
    int shortages = 0;
    h2_session* session = nullptr;

private:
    void note(std::string_view what, std::int64_t number) {
        log.append(what).append(" ").append(std::to_string(number)).append("\n");
    }
    void on_block_begin(std::int32_t id) override { note("begin", id); }
    void on_field(std::int32_t /*id*/, std::string_view name, std::string_view value) override {
        if (is_short) throw std::bad_alloc();
        log.append(name).append("=").append(value).append("\n");
    }
    void on_block_end(std::int32_t id, bool ends) override { note(ends ? "last" : "block", id); }
    void on_data(std::int32_t /*id*/, std::span<const std::byte> octets) override {
        note("data", static_cast<std::int64_t>(octets.size()));
    }
    void on_data_end(std::int32_t id) override { note("data end", id); }
    void on_peer_reset(std::int32_t /*id*/, h2_error_code code) override {
        note("reset", static_cast<std::int64_t>(code));
    }
    void on_peer_settings() override { log += "settings\n"; }
    void on_pong(std::uint64_t payload) override {
        note("pong", static_cast<std::int64_t>(payload));
    }
    void on_goaway(std::int32_t last, h2_error_code /*code*/, std::string_view debug) override {
        note(std::string("goaway ").append(debug), last);
    }
    void on_stream_closed(std::int32_t id, h2_error_code /*code*/) override { note("closed", id); }
    body_part on_body_wanted(std::int32_t /*id*/, std::size_t /*limit*/) override {
        return {.is_waiting = true};
    }
    sent on_body_frame(std::int32_t /*id*/, std::span<const std::byte> /*header*/,
                       std::size_t /*size*/) override {
        return sent::failed;
    }
    void on_head_sent(std::int32_t id) override { note("head sent", id); }
    void on_end_sent(std::int32_t id) override { note("end sent", id); }
    void on_head_not_sent(std::int32_t id, int /*reason*/) override { note("not sent", id); }
    void on_own_goaway(h2_error_code code, std::string_view /*debug*/) override {
        note("own goaway", static_cast<std::int64_t>(code));
    }
    void on_shortage() noexcept override {
        ++shortages;
        session->note_shortage();
    }
};

std::size_t send_all(h2_session& session) {
    std::size_t total = 0;
    const std::byte* octets = nullptr;
    for (int i = 0; i < 1000; ++i) {
        const std::ptrdiff_t size = session.send(octets);
        if (size <= 0) break;
        total += static_cast<std::size_t>(size);
    }
    return total;
}

std::int32_t submit_get(h2_session& session) {
    std::string name = ":method";
    std::string value = "GET";
    const nghttp2_nv field{reinterpret_cast<std::uint8_t*>(name.data()),
                           reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(),
                           0};
    return session.request({&field, 1}, false);
}

int give(h2_session& session, const std::string& octets) {
    return session.receive(std::as_bytes(std::span(octets)));
}

TEST(H2SessionTest, TellsWhatFramesSay) {
    recorder told;
    h2_session session({}, told);
    EXPECT_TRUE(session.wants_send());
    EXPECT_EQ(submit_get(session), 1);
    EXPECT_GT(send_all(session), 0U);
    EXPECT_EQ(give(session, h2::settings({{3, 7}}) + h2::headers(1, {{"a", "b"}}) +
                                h2::data(1, "xyz", h2::end_stream) + h2::ping(9, h2::ack) +
                                h2::goaway(1, 0, "bye")),
              0);
    EXPECT_EQ(told.log,
              "head sent 1\nend sent 1\nsettings\nbegin 1\na=b\nblock 1\ndata 3\n"
              "data end 1\nclosed 1\npong 9\ngoaway bye 1\n");
    EXPECT_EQ(session.peer_setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), 7U);
    EXPECT_FALSE(session.may_request());
    EXPECT_TRUE(session.has_ids_left());
}

TEST(H2SessionTest, TellsOfErrorsWhenTheGoawayLeaves) {
    recorder told;
    h2_session session({}, told);
    send_all(session);
    EXPECT_EQ(give(session, h2::settings() + h2::window_update(0, 0)), 0);
    EXPECT_FALSE(session.may_request());
    EXPECT_EQ(told.log, "settings\n");
    send_all(session);
    EXPECT_EQ(told.log, "settings\nown goaway 1\n");
}

TEST(H2SessionTest, GivesTheStreamWindowBackAsItIsConsumed) {
    recorder told;
    h2_session session({}, told);
    EXPECT_EQ(submit_get(session), 1);
    send_all(session);
    EXPECT_EQ(give(session, h2::settings() + h2::settings_ack() + h2::headers(1, {{"a", "b"}})), 0);
    const std::int32_t window = session.window_left(1);
    EXPECT_EQ(window, static_cast<std::int32_t>(h2_settings{}.initial_stream_window));
    EXPECT_EQ(give(session, h2::data(1, std::string(1000, 'x'))), 0);
    EXPECT_EQ(session.window_left(1), window - 1000);
    session.set_window(1, static_cast<std::uint32_t>(window) + 5000);
    EXPECT_EQ(session.window_left(1), window + 4000);
}

TEST(H2SessionTest, NoExceptionCrossesNghttp2) {
    recorder told;
    h2_session session({}, told);
    EXPECT_EQ(submit_get(session), 1);
    send_all(session);
    told.session = &session;
    told.is_short = true;
    EXPECT_THROW((void)give(session, h2::settings() + h2::headers(1, {{"a", "b"}})),
                 std::bad_alloc);
    EXPECT_EQ(told.shortages, 1);
}

}  // namespace
}  // namespace hearth::proto
