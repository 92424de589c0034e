// `exchange`: one request and the steps of its answer, whatever protocol carries them.
//
// A handler adds steps; `run` does them in order and stops where it must wait: for a timer, for
// room to send, or for the origin's own slowness (`behaviour`), which holds the first step that
// sends. The protocol feeds the request's body in and is told what to send through `response_sink`.
// After `detach` (answered, or the connection is gone) an exchange is an empty shell that a user
// may still hold. Everything but `submit` and `is_gone` runs on the worker's thread.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hearth/testing/handler.hpp"
#include "hearth/testing/origin.hpp"
#include "testing/behaviour.hpp"
#include "testing/http1_parser.hpp"
#include "testing/worker.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

struct wait_step {
    std::chrono::nanoseconds duration;
};
struct answer_step {
    reply whole;
};
struct interim_step {
    int status;
    std::vector<header_field> headers;
};
struct begin_step {
    reply head;
};
struct body_step {
    std::string piece;
};
struct source_step {
    body_source source;
    std::chrono::nanoseconds pause;  // after each piece
};
struct finish_step {
    std::vector<header_field> trailers;
};
struct raw_step {
    std::string bytes;
};
struct cut_step {
    std::uint64_t octets;
    close_kind kind;
};
struct close_step {
    close_kind kind;
};
struct reset_step {
    std::uint32_t error_code;
};
struct tunnel_step {};  // from here on every octet comes back
using step = std::variant<wait_step, answer_step, interim_step, begin_step, body_step, source_step,
                          finish_step, raw_step, cut_step, close_step, reset_step, tunnel_step>;

/// The head of an HTTP/2 request: its pseudo-fields (RFC 9113 8.3.1) and its fields.
struct request_fields {
    std::string method;
    std::string target;     // :path
    std::string authority;  // :authority
    std::string protocol;   // :protocol (RFC 8441)
    std::vector<header_field> fields;
};

/// How the answer of an exchange is sent. Any of these may end the exchange (`detach`).
class response_sink {
public:
    response_sink() = default;
    response_sink(const response_sink&) = delete;
    response_sink& operator=(const response_sink&) = delete;
    virtual ~response_sink() = default;
    /// Keeps the sink alive while the result is held.
    [[nodiscard]] virtual std::shared_ptr<void> hold() = 0;
    virtual void send_interim(int status, const std::vector<header_field>& headers) = 0;
    /// `is_whole`: `head.body` is the whole body, so its size is the length.
    virtual void send_head(const reply& head, bool is_whole) = 0;
    virtual void send_body(std::string_view piece) = 0;
    virtual void send_end(const std::vector<header_field>& trailers) = 0;
    virtual void send_raw(std::string_view bytes) = 0;
    virtual void cut_at(std::uint64_t octets, close_kind kind) = 0;
    virtual void end_connection(close_kind kind) = 0;
    /// Ends the exchange alone where the protocol can (HTTP/2), else the connection.
    virtual void reset(std::uint32_t error_code) = 0;
    virtual void start_tunnel() = 0;
    /// The body of the request is wanted: lets a client go on that waits for 100.
    virtual void invite_body() = 0;
    /// False when so much is queued that the exchange should wait; it is then resumed by `run`.
    [[nodiscard]] virtual bool has_room() = 0;
    virtual void flush() = 0;
};

class exchange : public std::enable_shared_from_this<exchange> {
public:
    exchange(response_sink& sink, worker& home, const behaviour& knobs);
    ~exchange();

    // For the protocol.
    /// Takes one whole head; returns an empty reason or what is bad about it.
    std::string_view parse(std::string_view head_text);
    /// Takes what an HTTP/2 request brought, in place of `parse`.
    void adopt(request_fields whole);
    void describe(std::uint64_t connection, std::uint64_t index, bool is_resumed);
    [[nodiscard]] const request_head& head() const { return head_; }
    void on_body(std::string_view piece);
    void on_body_end(const std::vector<header_field>& trailers);
    [[nodiscard]] bool is_answered() const { return is_answered_; }
    /// The end: pending timers and steps are dropped, and the hook of `on_gone` is called unless
    /// the answer was sent.
    void detach();

    // For handlers.
    [[nodiscard]] const request_view& request() const { return request_; }
    /// Keeps the body; then calls `done`. More than `limit_bytes` is answered with 413.
    void collect_body(std::size_t limit_bytes, std::function<void()> done);
    /// Gives each piece of the body to `on_piece`, then calls `done`.
    void read_body(std::function<void(std::string_view)> on_piece, std::function<void()> done);
    /// Lets a client go on that waits for 100; the two above do it by themselves.
    void invite_body();
    /// The client is not invited by `read_body`; `invite_body` will be called.
    void delay_invitation() { invites_late_ = true; }
    void add(step next) { steps_.push_back(std::move(next)); }
    void run();
    void answer(reply whole);
    /// Runs `work`; the steps it adds are done together when it returns.
    void gather(const std::function<void()>& work);
    /// The answer when a handler has failed: `whole`, or a reset when half an answer was sent.
    void fail(reply whole);
    /// Calls `work` after that time unless the exchange has ended.
    void after(std::chrono::nanoseconds duration, std::function<void()> work);
    void set_on_gone(std::function<void()> hook) { on_gone_ = std::move(hook); }
    void never_answer() { is_silent_ = true; }
    /// Nobody will add steps any more.
    void abandon();

    // Any thread.
    /// Runs `work` on the worker's thread: at once if this is it.
    void submit(std::function<void()> work);
    /// The same, but never at once: in the order of these calls.
    void submit_later(std::function<void()> work) { mailbox_->post(std::move(work)); }
    [[nodiscard]] bool is_gone() const { return is_gone_.load(std::memory_order_acquire); }

private:
    void run_steps();
    [[nodiscard]] bool may_send();
    void wait_until(behaviour::clock::time_point time);
    bool perform(step& current);
    bool perform(const wait_step& current);
    bool perform(const answer_step& current);
    bool perform(const interim_step& current);
    bool perform(const begin_step& current);
    bool perform(const body_step& current);
    bool perform(const source_step& current);
    bool perform(const finish_step& current);
    bool perform(const raw_step& current);
    bool perform(const cut_step& current);
    bool perform(const close_step& current);
    bool perform(const reset_step& current);
    bool perform(const tunnel_step& current);

    response_sink* sink_;  // null once detached
    worker* worker_;
    std::shared_ptr<mailbox> mailbox_;
    const behaviour& knobs_;
    std::string head_text_;
    request_fields fields_;
    request_head head_;
    request_view request_;
    std::string body_;
    std::vector<header_field> trailers_;
    std::size_t body_limit_bytes_ = 0;
    std::function<void(std::string_view)> on_piece_;
    std::function<void()> on_body_done_;
    std::function<void()> on_gone_;
    std::vector<step> steps_;
    std::size_t next_step_ = 0;
    std::optional<asio::steady_timer> timer_;
    behaviour::clock::time_point not_before_{};
    std::atomic<bool> is_gone_{false};
    bool is_running_ = false;
    bool is_waiting_ = false;   // for the timer
    bool is_released_ = false;  // the knobs let it send
    bool has_sent_ = false;
    bool is_answered_ = false;
    bool is_abandoned_ = false;
    bool is_silent_ = false;
    bool collects_ = false;
    bool invites_late_ = false;
};

/// What the sessions of one origin share. Constant, or safe from any thread.
struct session_context {
    origin_options options;
    behaviour knobs;
    /// Finds who answers a request and lets it begin.
    std::function<void(const std::shared_ptr<exchange>&)> serve;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
