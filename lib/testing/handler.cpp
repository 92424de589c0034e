// The handles users answer with: each call adds a step to the exchange, on its own thread.
#include "hearth/testing/handler.hpp"

#include <utility>

#include "testing/exchange.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {

std::optional<std::string_view> request_view::header(std::string_view name) const {
    for (const header_view& field : headers) {
        if (internal::equals_ignoring_case(field.name, name)) return field.value;
    }
    return std::nullopt;
}

// Shared by the copies of a responder: its end tells the exchange that nobody answers any more.
struct responder::ticket {
    explicit ticket(std::shared_ptr<internal::exchange> shared) : owner(std::move(shared)) {}
    ticket(const ticket&) = delete;
    ticket& operator=(const ticket&) = delete;
    ~ticket() {
        // Always behind what other threads have asked for before, even on the worker's thread.
        owner->submit_later([exchange = owner] { exchange->abandon(); });
    }

    void add(internal::step next) const {
        owner->submit([exchange = owner, moved = std::move(next)]() mutable {
            exchange->add(std::move(moved));
            exchange->run();
        });
    }

    std::shared_ptr<internal::exchange> owner;
};

responder::responder(std::shared_ptr<internal::exchange> exchange)
    : ticket_(std::make_shared<ticket>(std::move(exchange))) {}
responder::~responder() = default;
responder::responder(const responder&) = default;
responder::responder(responder&&) noexcept = default;
responder& responder::operator=(const responder&) = default;
responder& responder::operator=(responder&&) noexcept = default;

responder& responder::delay(std::chrono::nanoseconds duration) {
    ticket_->add(internal::wait_step{duration});
    return *this;
}

responder& responder::answer(reply whole) {
    ticket_->add(internal::answer_step{std::move(whole)});
    return *this;
}

responder& responder::interim(int status, std::vector<header_field> headers) {
    ticket_->add(internal::interim_step{status, std::move(headers)});
    return *this;
}

responder& responder::begin(reply head) {
    ticket_->add(internal::begin_step{std::move(head)});
    return *this;
}

responder& responder::write(std::string piece) {
    ticket_->add(internal::body_step{std::move(piece)});
    return *this;
}

responder& responder::stream(body_source source, std::chrono::nanoseconds pause) {
    ticket_->add(internal::source_step{std::move(source), pause});
    return *this;
}

responder& responder::finish(std::vector<header_field> trailers) {
    ticket_->add(internal::finish_step{std::move(trailers)});
    return *this;
}

responder& responder::send_raw(std::string bytes) {
    ticket_->add(internal::raw_step{std::move(bytes)});
    return *this;
}

responder& responder::cut_at(std::uint64_t octets, close_kind kind) {
    ticket_->add(internal::cut_step{octets, kind});
    return *this;
}

responder& responder::reset(std::uint32_t error_code) {
    ticket_->add(internal::reset_step{error_code});
    return *this;
}

responder& responder::close(close_kind kind) {
    ticket_->add(internal::close_step{kind});
    return *this;
}

responder& responder::never_answer() {
    ticket_->owner->submit([exchange = ticket_->owner] { exchange->never_answer(); });
    return *this;
}

responder& responder::on_gone(std::function<void()> hook) {
    ticket_->owner->submit([exchange = ticket_->owner, moved = std::move(hook)]() mutable {
        exchange->set_on_gone(std::move(moved));
    });
    return *this;
}

bool responder::is_gone() const noexcept { return ticket_->owner->is_gone(); }

}  // namespace testing
HEARTH_END_NAMESPACE
