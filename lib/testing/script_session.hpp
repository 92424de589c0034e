// Plays one script of a `raw_origin` on one connection.
//
// The steps are done in order; a step that expects something waits for input, one that waits or
// drips for its timer. Input is recorded as it comes, and kept for the expecting steps until one
// takes it.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "hearth/testing/raw_origin.hpp"
#include "testing/connection.hpp"
#include "testing/http1_parser.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

/// What arrived, by connection, of those that began last. Any thread.
class recorder {
public:
    void add(std::uint64_t connection, std::string_view bytes);
    [[nodiscard]] std::string of(std::uint64_t connection) const;

private:
    mutable std::mutex mutex_;
    std::map<std::uint64_t, std::string> received_;
};

class script_session final : public protocol {
public:
    script_session(connection& owner, script steps, recorder& record);

    void on_open() override;
    void on_bytes(std::string_view bytes) override;
    void on_room() override {}
    void on_end() override;
    void on_closed() override;
    void on_drain() override {}

private:
    void run();
    /// True when the current step is done.
    bool perform(const script_step& current);
    bool take_request();
    bool take_octets(std::size_t size);
    bool take_frame(unsigned type);
    bool drip(const script_step& current);
    bool wait(std::chrono::nanoseconds duration);

    connection& connection_;
    script steps_;
    recorder& record_;
    std::size_t next_step_ = 0;
    std::string input_;  // not yet taken by a step that expects
    body_reader body_;
    std::optional<asio::steady_timer> timer_;
    std::size_t dripped_bytes_ = 0;
    bool is_in_body_ = false;
    bool is_waiting_ = false;
    bool has_waited_ = false;  // for the current step
    bool has_peer_ended_ = false;
    bool is_running_ = false;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
