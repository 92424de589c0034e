// The order of handshake slices, see handshake_scheduler.hpp.
#include "core/handshake_scheduler.hpp"

#include <algorithm>
#include <limits>

namespace hearth::core {
namespace {

// Moves an eighth of the way to each new cost: settles within some ten slices, and one slice that
// was descheduled midway does not rule the estimate.
void learn(duration& estimate, duration cost) {
    estimate = estimate == duration::zero() ? cost : estimate + (cost - estimate) / 8;
}

handshake_config without_limits(handshake_config config) {
    constexpr auto none = std::numeric_limits<std::uint32_t>::max();
    config.max_concurrent = none;
    config.slices_per_turn = none;
    return config;
}

}  // namespace

handshake_scheduler::handshake_scheduler(const handshake_config& config, bool ordered,
                                         handshake_permits* permits)
    : config_(ordered ? config : without_limits(config)),
      is_ordered_(ordered),
      permits_(ordered ? permits : nullptr),
      allowed_(config_.max_concurrent) {}

handshake_scheduler::~handshake_scheduler() {
    for (; permits_ != nullptr && past_hello_ != 0; --past_hello_) permits_->give();
}

void handshake_scheduler::set_limits(const handshake_config& config) {
    if (!is_ordered_) return;
    const std::uint32_t threads = config_.threads;
    config_ = config;
    config_.threads = threads;  // they are made once
    allowed_ = std::max(config.max_concurrent, past_hello_);
}

void handshake_scheduler::add(connection_id connection, std::uint64_t age) {
    if (connection.index >= entries_.size()) entries_.resize(connection.index + 1);
    entry& e = entries_[connection.index];
    HEARTH_ASSERT(e.at == place::absent);
    e = {};
    e.generation = connection.generation;
    e.at = place::parked;
    e.age = age;
    ++size_;
}

bool handshake_scheduler::set_need(connection_id connection, handshake_need need) {
    entry* e = find(connection);
    if (e == nullptr || e->at == place::finished) return false;
    if (e->at == place::running) {
        e->pending = need;
        return true;
    }
    // A hello was said already: what is here can only be the peer's answer.
    if (e->is_past_hello && need == handshake_need::hello) return false;
    park(*e);
    if (need == handshake_need::none) return true;
    // Before its hello nothing can have been answered: whatever is wanted, the hello is next.
    enqueue(connection, *e, e->is_past_hello ? handshake_need::flight : handshake_need::hello);
    return true;
}

bool handshake_scheduler::on_slice_done(connection_id connection, duration cost,
                                        slice_outcome outcome) {
    entry* e = find(connection);
    if (e == nullptr || e->at != place::running) return false;
    learn(e->need == handshake_need::hello ? hello_cost_ : flight_cost_, cost);
    const bool has_more = outcome == slice_outcome::more || e->pending == handshake_need::flight;
    e->pending = handshake_need::none;
    e->at = place::parked;
    --running_;
    if (outcome == slice_outcome::done || outcome == slice_outcome::failed) {
        e->at = place::finished;
        leave_hello(*e);
    } else if (has_more) {
        enqueue(connection, *e, handshake_need::flight);
    }
    return true;
}

void handshake_scheduler::remove(connection_id connection) {
    entry* e = find(connection);
    if (e == nullptr) return;
    if (e->at == place::running) --running_;
    park(*e);
    leave_hello(*e);
    e->at = place::absent;
    --size_;
}

connection_id handshake_scheduler::next() {
    if (slices_left_ == 0 || !wants_turn()) return {};
    const bool is_flight = !flights_.empty();
    if (!is_flight && !take_permit()) return {};
    --slices_left_;
    const connection_id connection = is_flight ? flights_.pop() : hellos_.pop();
    entry& e = entries_[connection.index];
    e.handle = 0;
    e.at = place::running;
    ++running_;
    if (!e.is_past_hello) {
        e.is_past_hello = true;
        ++past_hello_;
        most_past_hello_ = std::max(most_past_hello_, past_hello_);
    }
    return connection;
}

bool handshake_scheduler::wants_turn() const {
    return has_thread() && (!flights_.empty() || may_say_hello());
}

bool handshake_scheduler::take_permit() {
    if (permits_ == nullptr) return true;
    is_refused_ = !permits_->take();
    return !is_refused_;
}

handshake_scheduler::entry* handshake_scheduler::find(connection_id connection) {
    if (connection.index >= entries_.size()) return nullptr;
    entry& e = entries_[connection.index];
    return e.at != place::absent && e.generation == connection.generation ? &e : nullptr;
}

void handshake_scheduler::enqueue(connection_id connection, entry& e, handshake_need need) {
    e.need = need;
    e.at = place::queued;
    if (need == handshake_need::hello) is_refused_ = false;  // asks again, were it told or not
    queue_of(need).set(e.handle, is_ordered_ ? e.age : enqueued_++, connection);
}

void handshake_scheduler::park(entry& e) {
    if (e.at == place::queued) queue_of(e.need).remove(e.handle);
    e.at = place::parked;
}

void handshake_scheduler::leave_hello(entry& e) {
    if (!e.is_past_hello) return;
    e.is_past_hello = false;
    --past_hello_;
    if (permits_ != nullptr) permits_->give();
    allowed_ = std::max(config_.max_concurrent, past_hello_);
}

}  // namespace hearth::core
