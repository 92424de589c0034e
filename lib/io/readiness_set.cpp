#include "io/readiness_set.hpp"

#include <unistd.h>

#include <utility>

#include "base/assert.hpp"
#include "io/socket_setup.hpp"

namespace hearth::io {
namespace {

using boost::system::error_code;

// Writability costs no wake-ups here: a socket reports it only after it has refused octets.
constexpr std::uint32_t all_edges = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;

readiness meaning_of(std::uint32_t events) {
    constexpr std::uint32_t ends = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
    readiness news;
    news.ending = (events & ends) != 0;
    news.readable = news.ending || (events & EPOLLIN) != 0;
    news.writable = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    return news;
}

}  // namespace

readiness_set::readiness_set(boost::asio::any_io_executor executor,
                             std::weak_ptr<readiness_owner> owner)
    : executor_(std::move(executor)), owner_(std::move(owner)), edges_(executor_) {}

error_code readiness_set::open() {
    if (edges_.is_open()) return {};
    const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0) return last_error();
    return edges_.open(descriptor);
}

error_code readiness_set::add(int descriptor, readiness_target& target, watch_id& watch) {
    if (const error_code error = open()) return error;
    if (free_.empty()) {
        // Whoever leaves asks for no memory, nor does `call_again`.
        free_.reserve(slots_.size() + 1);
        again_.reserve(slots_.size() + 1);
        slots_.emplace_back();
        free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
    }
    const std::uint32_t index = free_.back();
    slot& place = slots_[index];
    epoll_event event{};
    event.events = all_edges;
    event.data.u64 = std::uint64_t{place.generation} << 32U | index;
    if (::epoll_ctl(edges_.descriptor(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
        return last_error();
    }
    free_.pop_back();
    place.target = &target;
    watch = {index, place.generation};
    return {};
}

bool readiness_set::contains(watch_id watch) const {
    return watch.index < slots_.size() && slots_[watch.index].target != nullptr &&
           slots_[watch.index].generation == watch.generation;
}

void readiness_set::remove(watch_id watch) {
    if (!contains(watch)) return;
    slots_[watch.index] = {nullptr, watch.generation + 1, false};
    free_.push_back(watch.index);
}

void readiness_set::begin_wait() {
    ++waits_;
    watch_edges();
}

void readiness_set::end_wait() {
    HEARTH_ASSERT(waits_ != 0);
    if (--waits_ == 0 && watching_ && !telling_) edges_.cancel();
}

void readiness_set::watch_edges() {
    if (watching_ || telling_ || waits_ == 0) return;
    if (batch_.is_full) {
        post_collect();
    } else {
        edges_.wait(shared_from_this());
    }
    watching_ = true;
}

void readiness_set::on_edge(error_code error) {
    watching_ = false;
    if (error) {  // the last wait ended; there may be new ones
        watch_edges();
    } else {
        collect();
    }
}

void readiness_set::post_collect() {
    collect_post_(executor_, [self = shared_from_this()] { self->on_edge({}); });
}

void readiness_set::collect() {
    if (owner_.expired()) return;
    batch_ = edges_.take();
    tell_batch();
}

void readiness_set::tell_batch() {
    const auto alive = owner_.lock();
    if (!alive) return;
    struct guard {
        readiness_set& set;
        ~guard() {
            set.in_batch_ = false;
            if (!set.batch_.events.empty()) {  // a handler threw: the rest comes later
                set.rest_post_(set.executor_,
                               [self = set.shared_from_this()] { self->tell_batch(); });
                return;
            }
            set.telling_ = false;
            set.watch_edges();
        }
    } const on_exit{*this};
    telling_ = true;
    in_batch_ = true;
    const bool is_any = !batch_.events.empty();
    while (!batch_.events.empty()) {
        const epoll_event event = batch_.events.front();
        batch_.events = batch_.events.subspan(1);
        tell({static_cast<std::uint32_t>(event.data.u64),
              static_cast<std::uint32_t>(event.data.u64 >> 32U)},
             meaning_of(event.events));
    }
    if (is_any) alive->on_batch_told();
}

void readiness_set::tell(watch_id watch, readiness news) {
    if (contains(watch)) slots_[watch.index].target->on_ready(watch, news);
}

void readiness_set::call_again(watch_id watch) {
    if (!contains(watch) || slots_[watch.index].is_again) return;
    again_.push(watch);
    slots_[watch.index].is_again = true;
    post_again();
}

void readiness_set::post_again() {
    if (again_posted_ || again_.empty()) return;
    again_post_(executor_, [self = shared_from_this()] { self->tell_again(); });
    again_posted_ = true;
}

void readiness_set::tell_again() {
    again_posted_ = false;
    const auto alive = owner_.lock();
    if (!alive) return;
    struct guard {
        readiness_set& set;
        ~guard() { set.post_again(); }
    } const on_exit{*this};
    watch_id watch;
    // Only those that are there now: the others wait behind what else is ready.
    for (std::size_t left = again_.size(); left != 0 && again_.pop(watch); --left) {
        if (!contains(watch)) continue;
        slots_[watch.index].is_again = false;
        tell(watch, {});
    }
}

}  // namespace hearth::io
