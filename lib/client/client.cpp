// The client's handle, and the entry of every call: checked on the caller's thread, then handed to
// the shard that owns its origin.
#include "hearth/client.hpp"

#include <array>
#include <atomic>
#include <boost/asio/error.hpp>
#include <new>
#include <semaphore>
#include <utility>

#include "client/client_state.hpp"
#include "client/config_check.hpp"
#include "client/send_flow.hpp"
#include "client/shard_turn.hpp"
#include "client/target.hpp"
#include "proto/message.hpp"

namespace asio = boost::asio;
using boost::system::error_code;

namespace hearth::detail {
namespace {

/// What is wrong with a call before it may go to a shard; no code if nothing is.
error_code check_call(call& what, failure& why) {
    why.phase = phase::validation;
    auto parsed = share_target(what.what.url);
    if (!parsed) {
        why.detail = parsed.error().detail;
        return parsed.error().code;
    }
    what.where = std::move(*parsed);
    if (what.what.route) {
        why.detail = check_source(*what.what.route);
        if (!why.detail.empty()) return errc::invalid_config;
    }
    if (what.what.target.size() > max_url_bytes) {
        why.detail = "The request target is longer than 64 KiB.";
        return errc::invalid_target;
    }
    if (!what.what.target.empty()) {
        auto own = std::make_shared<target>(*what.where);
        own->path_and_query = what.what.target;
        what.where = std::move(own);
    }
    if (what.send && what.what.method == method::connect) {
        why.detail = "CONNECT ends in a stream of octets: use async_open.";
        return errc::invalid_method;
    }
    if (what.send && what.what.body.is_streamed()) {
        why.detail = "A streamed body is written through an exchange: use async_open.";
        return errc::invalid_body;
    }
    if (const auto* source = std::get_if<body::source_type>(&what.what.body.value())) {
        if (!*source) {
            why.detail = "The source of the request body is null.";
            return errc::invalid_body;
        }
    }
    if (const auto& wanted = what.what.response_priority) {
        if (wanted->urgency > 7) {
            why.detail = "The urgency of response_priority is above 7 (RFC 9218 4.1).";
            return errc::invalid_header;
        }
        if (!what.what.headers.contains("priority")) {
            what.what.headers.add("priority", "u=" + std::to_string(wanted->urgency) +
                                                  (wanted->incremental ? ", i" : ""));
        }
    }
    if (const auto refused = proto::check_request(what.what, what.where->path_and_query)) {
        why.detail = refused->detail;
        return refused->code;
    }
    return {};
}

/// The slot of a call's key. What this thread has found lately for most calls it finds again.
std::uint32_t slot_for_call(const client_state& state, const call& what) {
    struct known_slot {
        std::uint64_t client = 0;  // none has this number
        origin where;
        std::uint32_t slot = 0;
    };
    thread_local std::array<known_slot, 32> all;
    const origin& where = what.where->origin;
    if (!has_usual_key(what.what)) return slot_of(make_pool_key(where, what.what, state.values()));
    const std::size_t place = std::hash<std::string_view>{}(where.host) + where.port;
    known_slot& known = all[place % all.size()];
    if (known.client != state.number() || known.where != where) {
        known.client = 0;  // as long as it may be half done
        known.slot = slot_of(make_pool_key(where, what.what, state.values()));
        known.where = where;
        known.client = state.number();
    }
    return known.slot;
}

/// Lets the handler's cancellation slot reach the call in its shard.
std::shared_ptr<cancel_handle> connect_slot(asio::cancellation_slot slot, shard& owner) {
    if (!slot.is_connected()) return nullptr;
    auto handle = std::make_shared<cancel_handle>();
    handle->owner = owner.shared_from_this();
    slot.assign([handle](asio::cancellation_type type) {
        const auto strong = asio::cancellation_type::terminal | asio::cancellation_type::partial;
        const bool only_unsent = (type & strong) == asio::cancellation_type::none;
        handle->owner->submit_late(
            [handle, only_unsent] { handle->owner->cancel(handle, only_unsent); });
    });
    return handle;
}

}  // namespace

void start_call(client_state& state, call&& what) {
    what.started = std::chrono::steady_clock::now();
    const decode_config wanted{.enabled = state.defaults().decodes};
    ask_for_codings(what.what, wanted);
    failure why;
    if (const error_code error = check_call(what, why)) {
        if (what.where) why.origin = what.where->origin.to_string();
        shard& any = *state.shards().front();
        any.submit([&any, error, what = std::make_shared<call>(std::move(what)),
                    why = std::move(why)]() mutable {
            any.refuse(std::move(*what), error, std::move(why));
        });
        return;
    }
    if (state.shards().size() > 1) what.slot = slot_for_call(state, what);
    shard& owner = state.shard_for_call(what.slot);
    const auto slot = what.send   ? what.send->slot()
                      : what.open ? what.open->slot()
                                  : what.reserve->slot();
    auto handle =
        what.flow ? what.flow->attach(owner.shared_from_this()) : connect_slot(slot, owner);
    if (owner.try_turn([&] { owner.begin(std::move(what), handle); })) return;
    // On its way to another thread it is moved several times.
    auto boxed = std::make_unique<call>(std::move(what));
    owner.submit([&owner, handle = std::move(handle), boxed = std::move(boxed)] {
        owner.begin(std::move(*boxed), handle);
    });
}

}  // namespace hearth::detail

HEARTH_BEGIN_NAMESPACE

namespace detail {
namespace {

/// Waits for one completion; the handler runs on a thread of the client.
template <class... Args>
class waiting_room {
public:
    [[nodiscard]] auto handler() {
        return make_handler<Args...>([this](Args... args) {
            result.emplace(std::move(args)...);
            done_.release();
        });
    }
    void wait() { done_.acquire(); }
    std::optional<std::tuple<Args...>> result;

private:
    std::binary_semaphore done_{0};
};

[[noreturn]] void throw_would_deadlock() {
    failure why;
    why.phase = phase::validation;
    why.detail = "A blocking call was made on a thread that runs the client itself.";
    throw send_error(errc::would_deadlock, std::move(why));
}

}  // namespace

void start_send(const std::shared_ptr<client_state>& state, request&& what, send_handler handler) {
    state->require_own_process();
    if (send_flow::is_needed(what, state->defaults())) {
        send_flow::start(state, std::move(what), std::move(handler));
        return;
    }
    start_call(*state, {.what = std::move(what),
                        .where = {},
                        .started = {},
                        .send = std::move(handler),
                        .open = {}});
}

void start_open(const std::shared_ptr<client_state>& state, request&& what, open_handler handler) {
    state->require_own_process();
    call next;
    next.what = std::move(what);
    next.open = std::move(handler);
    start_call(*state, std::move(next));
}

void start_reserve(const std::shared_ptr<client_state>& state, request like,
                   reserve_handler handler) {
    state->require_own_process();
    call next;
    next.what.url = std::move(like.url);
    next.what.tls = std::move(like.tls);
    next.what.route = std::move(like.route);
    next.what.deadline = like.deadline;
    next.what.priority_class = like.priority_class;
    next.what.protocol = protocol_policy::http1_only;
    next.reserve = std::move(handler);
    start_call(*state, std::move(next));
}

namespace {

/// Each of them has its part of the connections.
void warm_several(const std::vector<shard*>& owners, const origin& where, std::uint32_t count,
                  warm_handler handler) {
    struct gathering {
        std::mutex mutex;
        std::size_t left = 0;
        error_code error;  // the first
        std::uint32_t ready = 0;
        warm_handler handler;
    };
    auto all = std::make_shared<gathering>();
    all->left = owners.size();
    all->handler = std::move(handler);
    for (std::uint32_t i = 0; i < owners.size(); ++i) {
        const core::origin_part part{i, static_cast<std::uint32_t>(owners.size())};
        const auto note = [all, owner = owners[i]->shared_from_this()](error_code error,
                                                                       std::uint32_t ready) {
            const std::lock_guard lock(all->mutex);
            if (!all->error) all->error = error;
            all->ready += ready;
            if (--all->left != 0) return;
            owner->submit_late(
                [owner, all] { owner->tell(std::move(all->handler), all->error, all->ready); });
        };
        shard& owner = *owners[i];
        owner.submit([&owner, where, share = part.of(count),
                      handler = make_handler<error_code, std::uint32_t>(note)]() mutable {
            owner.warm(where, share, std::move(handler));
        });
    }
}

}  // namespace

void start_warm(const std::shared_ptr<client_state>& state, origin where, std::uint32_t count,
                warm_handler handler) {
    state->require_own_process();
    const std::uint32_t slot = slot_of(make_pool_key(where, request{}, state->values()));
    const std::vector<shard*> owners = state->shards_of(slot);
    if (owners.size() > 1) return warm_several(owners, where, count, std::move(handler));
    shard& owner = *owners.front();
    owner.submit([&owner, where = std::move(where), count, handler = std::move(handler)]() mutable {
        owner.warm(where, count, std::move(handler));
    });
}

void start_drain(const std::shared_ptr<client_state>& state, done_handler handler) {
    state->require_own_process();
    auto all = std::make_shared<drain_call>();
    all->left = state->shards().size();
    all->handler = std::move(handler);
    for (const auto& s : state->shards()) {
        s->submit([s = s.get(), all] { s->drain(all); });
    }
}

void start_stats(const std::shared_ptr<client_state>& state, stats_handler handler) {
    state->require_own_process();
    struct gathering {
        std::mutex mutex;
        std::size_t left = 0;
        stats_sum total;
        stats_handler handler;
    };
    auto all = std::make_shared<gathering>();
    all->left = state->shards().size();
    all->handler = std::move(handler);
    state->add_to(all->total.sum);
    for (const auto& s : state->shards()) {
        s->submit([s = s.get(), all] {
            const std::lock_guard lock(all->mutex);
            try {
                all->total.add(s->snapshot());
            } catch (const std::bad_alloc&) {
                all->total.sum.is_partial = true;
            }
            if (--all->left != 0) return;
            all->total.sum.internal_errors = base::invariants_broken();
            s->tell(std::move(all->handler), std::move(all->total.sum));
        });
    }
}

void start_update(const std::shared_ptr<client_state>& state, config values,
                  update_handler handler) {
    state->require_own_process();
    struct gathering {
        std::atomic<std::size_t> left;
        update_handler handler;
    };
    auto all = std::make_shared<gathering>();
    all->left = state->shards().size();
    all->handler = std::move(handler);
    std::string wrong = state->update(std::move(values), [all](shard& s) {
        if (--all->left == 0) s.tell(std::move(all->handler), error_code{}, std::string{});
    });
    if (wrong.empty()) return;
    shard& any = *state->shards().front();
    any.submit_late([&any, all, wrong = std::move(wrong)]() mutable {
        any.tell(std::move(all->handler), make_error_code(errc::invalid_config), std::move(wrong));
    });
}

// Reserved connections.

void start_send_on(const reservation_ptr& where, request what, send_handler handler) {
    call next;
    next.what = std::move(what);
    next.what.protocol = protocol_policy::http1_only;
    next.send = std::move(handler);
    next.started = std::chrono::steady_clock::now();
    failure why;
    const error_code error = check_call(next, why);
    auto handle = error ? nullptr : connect_slot(next.send->slot(), *where->owner());
    where->owner()->submit_late([where, error, why = std::move(why), handle = std::move(handle),
                                 next = std::move(next)]() mutable {
        shard& owner = *where->owner();
        if (error) {
            owner.refuse(std::move(next), error, std::move(why));
        } else {
            owner.send_on(*where, std::move(next), handle);
        }
    });
}

void end_reservation(const reservation_ptr& where, bool is_reusable) {
    where->is_usable = false;
    where->owner()->submit_late(
        [where, is_reusable] { where->owner()->end_reservation(*where, is_reusable); },
        where->end_post);
}

asio::any_io_executor executor_of(const reservation_ptr& where) {
    return where->owner()->executor();
}

// Handles of streamed exchanges.

void start_write(const control_ptr& control, asio::const_buffer bytes, size_handler handler) {
    control->owner()->require_own_process();
    control->owner()->submit_late([control, bytes, handler = std::move(handler)]() mutable {
        control->owner()->write(*control, bytes, std::move(handler));
    });
}

void start_finish(const control_ptr& control, headers trailers, done_handler handler) {
    control->owner()->require_own_process();
    control->owner()->submit_late(
        [control, trailers = std::move(trailers), handler = std::move(handler)]() mutable {
            control->owner()->finish(*control, std::move(trailers), std::move(handler));
        });
}

void start_read_head(const control_ptr& control, head_handler handler) {
    control->owner()->require_own_process();
    control->owner()->submit_late([control, handler = std::move(handler)]() mutable {
        control->owner()->read_head(*control, std::move(handler));
    });
}

void start_read(const control_ptr& control, asio::mutable_buffer bytes, size_handler handler) {
    control->owner()->require_own_process();
    control->owner()->submit_late([control, bytes, handler = std::move(handler)]() mutable {
        control->owner()->read(*control, bytes, std::move(handler));
    });
}

void start_read_to(const control_ptr& control, file_range to, size_handler handler) {
    control->owner()->require_own_process();
    control->owner()->submit_late([control, to, handler = std::move(handler)]() mutable {
        control->owner()->read_to(*control, to, std::move(handler));
    });
}

void cancel_exchange(const control_ptr& control) {
    if (control->is_cancelled.exchange(true)) return;
    try {
        control->owner()->submit_late([control] { control->owner()->drop(*control); },
                                      control->cancel_post);
    } catch (const std::bad_alloc&) {
        control->is_cancelled = false;
        throw;
    }
}

namespace {

/// For destructors: an exchange that cannot be cancelled has time limits of its own.
void cancel_quietly(const control_ptr& control) noexcept {
    if (!control) return;
    try {
        cancel_exchange(control);
    } catch (const std::bad_alloc&) {  // of an executor of the caller's
    }
}

}  // namespace

asio::any_io_executor executor_of(const control_ptr& control) {
    return control->owner()->executor();
}

}  // namespace detail

// stream and exchange.

stream& stream::operator=(stream&& other) noexcept {
    if (this != &other) {
        close();
        control_ = std::move(other.control_);
    }
    return *this;
}

stream::~stream() { close(); }

void stream::close() {
    detail::cancel_quietly(control_);
    control_.reset();
}

exchange& exchange::operator=(exchange&& other) noexcept {
    if (this != &other) {
        close();
        control_ = std::move(other.control_);
    }
    return *this;
}

exchange::~exchange() { close(); }

void exchange::cancel() {
    if (control_) detail::cancel_exchange(control_);
}

void exchange::close() {
    detail::cancel_quietly(control_);
    control_.reset();
}

stream exchange::release_stream() { return stream(std::move(control_)); }

const headers& exchange::trailers() const { return control_->trailers; }

const timings& exchange::timings() const { return control_->timings; }

const transfer& exchange::transfer() const { return control_->transfer; }

const failure& exchange::failure() const { return control_->failure; }

// reserved_connection.

reserved_connection& reserved_connection::operator=(reserved_connection&& other) noexcept {
    if (this != &other) {
        release_quietly();
        where_ = std::move(other.where_);
    }
    return *this;
}

reserved_connection::~reserved_connection() { release_quietly(); }

void reserved_connection::release_quietly() noexcept {
    try {
        release();
    } catch (const std::bad_alloc&) {  // of an executor of the caller's: its peer may close it
        where_.reset();
    }
}

bool reserved_connection::is_open() const noexcept { return where_ && where_->is_usable; }

const connection_info& reserved_connection::info() const { return where_->info; }

void reserved_connection::release() {
    if (where_) detail::end_reservation(where_, true);
    where_.reset();
}

void reserved_connection::close() {
    if (where_) detail::end_reservation(where_, false);
    where_.reset();
}

// client.

client::client(config settings)
    : state_(std::make_shared<detail::client_state>(std::move(settings))) {}

client::client(executor_type executor, config settings)
    : client(std::vector<executor_type>{std::move(executor)}, std::move(settings)) {}

client::client(std::vector<executor_type> executors, config settings)
    : state_(std::make_shared<detail::client_state>(std::move(executors), std::move(settings))) {}

client::client(client&&) noexcept = default;

client& client::operator=(client&& other) noexcept {
    if (this != &other) {
        detail::client_state::end(std::exchange(state_, std::move(other.state_)));
    }
    return *this;
}

client::~client() { detail::client_state::end(std::move(state_)); }

client::executor_type client::get_executor() const { return state_->shards().front()->executor(); }

response client::send(request what, error_code& error) {
    error = {};
    if (state_->shards().front()->is_inherited()) error = errc::wrong_process;
    if (!error && state_->runs_here()) error = errc::would_deadlock;
    if (error) {
        response refused;
        refused.failure.phase = phase::validation;
        refused.failure.detail = error.message();
        return refused;
    }
    detail::waiting_room<error_code, response> room;
    detail::start_send(state_, std::move(what), room.handler());
    room.wait();
    error = std::get<0>(*room.result);
    return std::move(std::get<1>(*room.result));
}

response client::send(request what) {
    error_code error;
    response result = send(std::move(what), error);
    if (error) throw send_error(error, std::move(result.failure));
    return result;
}

std::uint32_t client::warm(const origin& where, std::uint32_t count) {
    if (state_->runs_here()) detail::throw_would_deadlock();
    detail::waiting_room<error_code, std::uint32_t> room;
    detail::start_warm(state_, where, count, room.handler());
    room.wait();
    if (const error_code error = std::get<0>(*room.result)) {
        hearth::failure why;
        why.origin = where.to_string();
        why.dial_error = error;
        throw send_error(error, std::move(why));
    }
    return std::get<1>(*room.result);
}

void client::drain() {
    if (state_->runs_here()) detail::throw_would_deadlock();
    detail::waiting_room<error_code> room;
    detail::start_drain(state_, room.handler());
    room.wait();
}

stats client::stats() const {
    if (state_->runs_here()) detail::throw_would_deadlock();
    detail::waiting_room<hearth::stats> room;
    detail::start_stats(state_, room.handler());
    room.wait();
    return std::move(std::get<0>(*room.result));
}

void client::update(config values) {
    state_->require_own_process();
    hearth::failure why;
    why.phase = phase::validation;
    why.detail = state_->update(std::move(values));
    if (!why.detail.empty()) throw send_error(errc::invalid_config, std::move(why));
}

config client::current_config() const { return *state_->current(); }

void client::report_load(double load) noexcept { state_->report_load(load); }

HEARTH_END_NAMESPACE
