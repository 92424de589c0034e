// One request and the steps of its answer.
#include "testing/exchange.hpp"

#include <algorithm>
#include <exception>
#include <type_traits>
#include <utility>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

exchange::exchange(response_sink& sink, worker& home, const behaviour& knobs)
    : sink_(&sink), worker_(&home), mailbox_(home.mail()), knobs_(knobs) {
    if (knobs.is_active()) not_before_ = knobs.earliest_answer(behaviour::clock::now());
}

exchange::~exchange() = default;

std::string_view exchange::parse(std::string_view head_text) {
    head_text_ = head_text;
    return parse_head(head_text_, head_);
}

void exchange::adopt(request_fields whole) {
    fields_ = std::move(whole);  // the views below are of the members, which stay where they are
    head_.method = fields_.method;
    head_.target = fields_.target.empty() ? fields_.authority : fields_.target;
    if (!fields_.authority.empty()) head_.fields.push_back({"host", fields_.authority});
    for (const header_field& field : fields_.fields) {
        head_.fields.push_back({field.name, field.value});
        head_.expects_continue =
            head_.expects_continue ||
            (field.name == "expect" && equals_ignoring_case(field.value, "100-continue"));
    }
    request_.version_major = 2;
    head_.version_minor = 0;
    request_.protocol = fields_.protocol;
}

void exchange::describe(std::uint64_t connection, std::uint64_t index, bool is_resumed) {
    const std::size_t question = std::min(head_.target.find('?'), head_.target.size());
    request_.method = head_.method;
    request_.target = head_.target;
    request_.path = head_.target.substr(0, question);
    request_.query = head_.target.substr(std::min(question + 1, head_.target.size()));
    request_.headers = head_.fields;
    request_.version_minor = head_.version_minor;
    request_.connection = connection;
    request_.index = index;
    request_.is_resumed = is_resumed;
}

void exchange::on_body(std::string_view piece) {
    if (on_piece_) return on_piece_(piece);
    if (!collects_) return;
    if (piece.size() <= body_limit_bytes_ - body_.size()) {
        body_.append(piece);
        return;
    }
    collects_ = false;
    on_body_done_ = nullptr;
    answer({.status = 413, .body = "The body is too large.\n", .close = true});
}

void exchange::on_body_end(const std::vector<header_field>& trailers) {
    const auto self = shared_from_this();
    trailers_ = trailers;
    request_.body = body_;
    request_.trailers = trailers_;
    const std::function<void()> done = std::exchange(on_body_done_, nullptr);
    if (done) done();
}

void exchange::collect_body(std::size_t limit_bytes, std::function<void()> done) {
    body_limit_bytes_ = limit_bytes;
    collects_ = true;
    read_body(nullptr, std::move(done));
}

void exchange::read_body(std::function<void(std::string_view)> on_piece,
                         std::function<void()> done) {
    on_piece_ = std::move(on_piece);
    on_body_done_ = std::move(done);
    if (!invites_late_) invite_body();
}

void exchange::invite_body() {
    if (sink_ != nullptr) sink_->invite_body();
}

void exchange::answer(reply whole) {
    add(answer_step{std::move(whole)});
    run();
}

void exchange::gather(const std::function<void()>& work) {
    const auto self = shared_from_this();
    is_running_ = true;
    work();
    is_running_ = false;
    run();
}

void exchange::fail(reply whole) {
    steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(next_step_), steps_.end());
    if (has_sent_) {
        add(close_step{close_kind::reset});
    } else {
        add(answer_step{std::move(whole)});
    }
    run();
}

void exchange::run() {
    if (is_running_ || sink_ == nullptr) return;
    const auto self = shared_from_this();
    response_sink& sink = *sink_;
    const auto sink_held = sink.hold();
    is_running_ = true;
    run_steps();
    is_running_ = false;
    if (sink_ == nullptr) return sink.flush();
    const bool is_idle = next_step_ == steps_.size() && !is_waiting_;
    if (is_idle && is_abandoned_ && !is_answered_ && !is_silent_) {
        is_silent_ = true;  // once
        return fail({.status = 500, .body = "The handler gave no answer.\n"});
    }
    sink.flush();
}

void exchange::run_steps() {
    while (sink_ != nullptr && !is_waiting_ && next_step_ < steps_.size()) {
        step current = std::move(steps_[next_step_]);
        const bool is_done = perform(current);
        if (sink_ == nullptr) return;
        if (!is_done) {
            steps_[next_step_] = std::move(current);
            return;
        }
        if (++next_step_ == steps_.size()) {
            steps_.clear();
            next_step_ = 0;
        }
    }
}

// The origin's own slowness: holds the first step that sends.
bool exchange::may_send() {
    if (is_released_) return true;
    if (knobs_.is_active()) {
        const auto now = behaviour::clock::now();
        const auto release = std::max(not_before_, knobs_.release_time(now));
        if (release > now) {
            wait_until(release);
            return false;
        }
    }
    is_released_ = true;
    return true;
}

void exchange::wait_until(behaviour::clock::time_point time) {
    if (!timer_) timer_.emplace(worker_->context());
    is_waiting_ = true;
    timer_->expires_at(time);
    timer_->async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (error || self->sink_ == nullptr) return;
        self->is_waiting_ = false;
        self->run();
    });
}

void exchange::after(std::chrono::nanoseconds duration, std::function<void()> work) {
    if (sink_ == nullptr) return;
    if (!timer_) timer_.emplace(worker_->context());
    is_waiting_ = true;
    timer_->expires_after(duration);
    timer_->async_wait(
        [self = shared_from_this(), work = std::move(work)](boost::system::error_code error) {
            if (error || self->sink_ == nullptr) return;
            self->is_waiting_ = false;
            work();
            self->run();
        });
}

bool exchange::perform(step& current) {
    return std::visit(
        [this](const auto& kind) {
            using kind_type = std::decay_t<decltype(kind)>;
            constexpr bool sends =
                !std::is_same_v<kind_type, wait_step> && !std::is_same_v<kind_type, cut_step>;
            if (sends && !may_send()) return false;
            return perform(kind);
        },
        current);
}

// A wait is done as soon as the timer runs: `is_waiting_` stops the steps after it.
bool exchange::perform(const wait_step& current) {
    wait_until(behaviour::clock::now() + current.duration);
    return true;
}

bool exchange::perform(const answer_step& current) {
    has_sent_ = true;
    sink_->send_head(current.whole, true);
    if (sink_ != nullptr) sink_->send_body(current.whole.body);
    is_answered_ = true;
    if (sink_ != nullptr) sink_->send_end(current.whole.trailers);
    return true;
}

bool exchange::perform(const interim_step& current) {
    sink_->send_interim(current.status, current.headers);
    return true;
}

bool exchange::perform(const begin_step& current) {
    has_sent_ = true;
    sink_->send_head(current.head, false);
    if (sink_ != nullptr && !current.head.body.empty()) sink_->send_body(current.head.body);
    return true;
}

bool exchange::perform(const body_step& current) {
    if (!sink_->has_room()) return false;
    sink_->send_body(current.piece);
    return true;
}

bool exchange::perform(const source_step& current) {
    while (sink_ != nullptr && sink_->has_room()) {
        std::string piece;
        try {
            piece = current.source();
        } catch (const std::exception&) {
            sink_->end_connection(close_kind::reset);  // the only honest end of half a body
            return true;
        }
        if (piece.empty() || sink_ == nullptr) return true;
        sink_->send_body(piece);
        if (current.pause.count() == 0 || sink_ == nullptr) continue;
        wait_until(behaviour::clock::now() + current.pause);
        return false;
    }
    return false;
}

bool exchange::perform(const finish_step& current) {
    is_answered_ = true;
    sink_->send_end(current.trailers);
    return true;
}

bool exchange::perform(const raw_step& current) {
    if (!sink_->has_room()) return false;
    has_sent_ = true;
    sink_->send_raw(current.bytes);
    return true;
}

bool exchange::perform(const cut_step& current) {
    sink_->cut_at(current.octets, current.kind);
    return true;
}

bool exchange::perform(const close_step& current) {
    sink_->end_connection(current.kind);
    return true;
}

bool exchange::perform(const reset_step& current) {
    sink_->reset(current.error_code);
    return true;
}

bool exchange::perform(const tunnel_step& /*current*/) {
    sink_->start_tunnel();
    return true;
}

void exchange::abandon() {
    is_abandoned_ = true;
    run();
}

void exchange::detach() {
    if (sink_ == nullptr) return;
    const auto self = shared_from_this();
    sink_ = nullptr;
    is_gone_.store(true, std::memory_order_release);
    timer_.reset();
    if (!is_running_) steps_.clear();  // else the one who runs them stops
    on_piece_ = nullptr;
    on_body_done_ = nullptr;
    const std::function<void()> hook = std::exchange(on_gone_, nullptr);
    if (hook && !is_answered_) hook();
}

void exchange::submit(std::function<void()> work) {
    if (mailbox_->runs_here()) return work();
    mailbox_->post(std::move(work));
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
