// Plays one script on one connection.
#include "testing/script_session.hpp"

#include <algorithm>
#include <utility>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

// What is recorded per connection, and what is kept for steps that expect.
constexpr std::size_t max_recorded_bytes = std::size_t{1} << 20U;
constexpr std::size_t max_recorded_connections = 4096;

}  // namespace

void recorder::add(std::uint64_t connection, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    std::string& text = received_[connection];
    text.append(bytes.substr(0, max_recorded_bytes - text.size()));
    if (received_.size() > max_recorded_connections) received_.erase(received_.begin());
}

std::string recorder::of(std::uint64_t connection) const {
    const std::lock_guard lock(mutex_);
    const auto at = received_.find(connection);
    return at == received_.end() ? std::string() : at->second;
}

script_session::script_session(connection& owner, script steps, recorder& record)
    : connection_(owner), steps_(std::move(steps)), record_(record) {}

void script_session::on_open() { run(); }

void script_session::on_bytes(std::string_view bytes) {
    record_.add(connection_.index(), bytes);
    // Once the script has ended nobody takes the input any more.
    if (next_step_ < steps_.size()) input_.append(bytes);
    run();
}

void script_session::on_end() {
    has_peer_ended_ = true;
    run();
}

void script_session::on_closed() { timer_.reset(); }

void script_session::run() {
    if (is_running_) return;
    const auto owner = connection_.shared_from_this();
    is_running_ = true;
    while (connection_.is_open() && !is_waiting_ && next_step_ < steps_.size() &&
           perform(steps_[next_step_])) {
        ++next_step_;
        has_waited_ = false;
        dripped_bytes_ = 0;
    }
    is_running_ = false;
    connection_.flush();
    // A step that is left expects what cannot come any more.
    if (has_peer_ended_ && !is_waiting_) connection_.close_when_sent(close_kind::clean);
}

bool script_session::perform(const script_step& current) {
    switch (current.what) {
        case script_step::kind::expect_request: return take_request();
        case script_step::kind::expect_octets: return take_octets(current.size);
        case script_step::kind::expect_frame: return take_frame(current.frame_type);
        case script_step::kind::expect_end: return has_peer_ended_;
        case script_step::kind::send: connection_.send(current.bytes); return true;
        case script_step::kind::drip: return drip(current);
        case script_step::kind::wait: return has_waited_ || wait(current.pause);
        case script_step::kind::new_ticket:
            connection_.flush();
            connection_.wire().send_ticket();
            return true;
        case script_step::kind::key_update:
            connection_.flush();
            connection_.wire().send_key_update();
            return true;
        case script_step::kind::close: connection_.close_when_sent(current.end); return true;
    }
    return true;
}

bool script_session::take_request() {
    if (!is_in_body_) {
        const std::size_t size = find_head_end(input_);
        if (size == 0) return false;
        request_head head;
        if (!parse_head(std::string_view(input_).substr(0, size), head).empty()) {
            connection_.counts().requests_bad.add();
            connection_.close_now(close_kind::reset);
            return false;
        }
        input_.erase(0, size);
        body_.start(head.body, head.body_bytes);
        is_in_body_ = true;
    }
    std::string_view rest = input_;
    std::string_view piece;
    auto result = body_.next(rest, piece);
    while (result == body_reader::result::piece) result = body_.next(rest, piece);
    input_.erase(0, input_.size() - rest.size());
    if (result == body_reader::result::bad) {
        connection_.counts().requests_bad.add();
        connection_.close_now(close_kind::reset);
        return false;
    }
    if (result == body_reader::result::more) return false;
    is_in_body_ = false;
    connection_.counts().requests.add();
    return true;
}

bool script_session::take_octets(std::size_t size) {
    if (input_.size() < size) return false;
    input_.erase(0, size);
    return true;
}

bool script_session::take_frame(unsigned type) {
    constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    constexpr std::size_t head_size = 9;
    if (input_.starts_with(preface)) input_.erase(0, preface.size());
    for (;;) {
        if (input_.size() < head_size) return false;
        const auto octet = [this](std::size_t i) {
            return std::size_t{static_cast<unsigned char>(input_[i])};
        };
        const std::size_t size = head_size + ((octet(0) << 16U) | (octet(1) << 8U) | octet(2));
        if (input_.size() < size) return false;
        const bool is_wanted = octet(3) == type;
        input_.erase(0, size);
        if (is_wanted) return true;
    }
}

bool script_session::drip(const script_step& current) {
    const std::size_t size = std::max<std::size_t>(current.size, 1);
    if (dripped_bytes_ < current.bytes.size()) {
        connection_.send(std::string_view(current.bytes).substr(dripped_bytes_, size));
        dripped_bytes_ += size;
    }
    return dripped_bytes_ >= current.bytes.size() || wait(current.pause);
}

// Comes back to the current step after that time; false, so that it can be returned by the step.
bool script_session::wait(std::chrono::nanoseconds duration) {
    if (!timer_) timer_.emplace(connection_.home().context());
    is_waiting_ = true;
    timer_->expires_after(duration);
    timer_->async_wait(
        [this, owner = connection_.shared_from_this()](boost::system::error_code error) {
            if (error || !connection_.is_open()) return;
            is_waiting_ = false;
            has_waited_ = true;
            run();
        });
    return false;
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
