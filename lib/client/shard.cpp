#include "client/shard.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <utility>

#include "base/assert.hpp"
#include "client/lease_pool.hpp"
#include "client/shard_turn.hpp"
#include "client/shared_permits.hpp"
#include "proto/tls_profile_impl.hpp"

namespace hearth::detail {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// Keys that tickets are kept of: as many as there are origins, so that those of origins that are
/// forgotten, and of profiles that nobody has any more, go too.
std::size_t most_ticket_keys(const config& values, std::size_t shards) {
    constexpr std::size_t enough = 4096;
    const std::size_t share = values.pool.max_origins / std::max<std::size_t>(shards, 1);
    return std::clamp<std::size_t>(share, 1, enough);
}

}  // namespace

shard::shard(asio::any_io_executor executor, shard_settings settings)
    : executor_(std::move(executor)),
      settings_(std::move(settings)),
      config_(*settings_.values),
      core_(core_settings(), settings_.seed, settings_.leases),
      resolver_(io::make_resolver(executor_, config_.dns,
                                  {settings_.name_threads, config_.timeouts.name})),
      sessions_(config_.tls.tickets_per_origin, most_ticket_keys(config_, settings_.shards)),
      chains_(config_.tls.remember_chains.value_or(std::chrono::seconds{0})),
      receive_buffer_(config_.io.receive_buffer),
      load_(config_.shed),
      random_(~settings_.seed) {
    if (settings_.placement) places_ = std::make_unique<own_places>();
    settings_.values.reset();  // a profile that is replaced must not live on in it
    received_.reserve(most_together);
}

shard::~shard() = default;

const std::string& first_host(const pool_key& key) {
    if (key.route.proxy) return key.route.proxy->host;
    return key.route.connect_host.empty() ? key.origin.host : key.route.connect_host;
}

std::uint16_t first_port(const pool_key& key) {
    if (key.route.proxy) return key.route.proxy->port;
    return key.route.connect_port == 0 ? key.origin.port : key.route.connect_port;
}

pool_key make_pool_key(const origin& where, const request& what, const config& values) {
    pool_key key;
    key.origin = where;
    if (where.tls) key.profile = what.tls;
    key.route = what.route ? *what.route : values.route;
    if (!key.route.proxy && key.route.unix_path.empty()) {
        if (const proxy* via = proxy_for(where, values.proxy)) key.route.proxy = *via;
    }
    if (key.route.proxy && key.route.proxy->kind == proxy_kind::none) key.route.proxy.reset();
    key.protocol = what.protocol.value_or(values.protocol);
    if (key.protocol == protocol_policy::automatic) {
        // Only TLS can negotiate, and these two need a connection of their own.
        const bool is_tunnel = what.method == method::connect && what.connect_protocol.empty();
        const bool keeps_to_http1 = is_tunnel || what.headers.contains("upgrade");
        if (!where.tls || keeps_to_http1) key.protocol = protocol_policy::http1_only;
    }
    return key;
}

void shard::throw_wrong_process() {
    failure why;
    why.phase = phase::validation;
    why.detail = "The client was built before fork(), by the parent; a child builds its own.";
    throw send_error(errc::wrong_process, std::move(why));
}

bool shard::runs_here() const {
    if (settings_.own_context) return std::this_thread::get_id() == thread_;
    const auto runs = [](const auto* executor) {
        return executor != nullptr && executor->running_in_this_thread();
    };
    using strand = asio::strand<asio::any_io_executor>;
    const asio::any_io_executor* inner = &executor_;
    asio::any_io_executor unwrapped;
    if (const auto* wrapped = executor_.target<strand>()) {
        if (wrapped->running_in_this_thread()) return true;
        unwrapped = wrapped->get_inner_executor();
        inner = &unwrapped;
    }
    return runs(inner->target<asio::io_context::executor_type>()) ||
           runs(inner->target<asio::thread_pool::executor_type>()) ||
           runs(inner->target<asio::strand<asio::io_context::executor_type>>());
}

void shard::stop(const std::function<void()>& leftovers) {
    stopped_.store(true);
    while (submitting_.load() != 0) std::this_thread::yield();  // a few instructions of theirs
    const std::lock_guard lock(late_);
    leftovers();
}

// Turns.

void shard::begin_turn() {
    if (is_starved_ && !closed_) recover();
    if (received_.empty()) return;
    try {
        look_at_received();
    } catch (const std::bad_alloc&) {
        start_over();
    }
}

void shard::finish_turn() {
    if (is_starved_) return;
    if (places_) {
        if (places_->is_due(now_)) report_load();
    }
    for (;;) {
        bool worked = false;
        core::action action;
        while (core_.poll_action(action)) {
            perform(action);
            worked = true;
        }
        if (write_files()) worked = true;
        if (end_reads()) worked = true;
        if (!dirty_.empty()) {
            flush_links();
            worked = true;
        }
        if (end_lost()) worked = true;
        if (serve_held()) worked = true;
        // Last: what core closes is closed by then, and counts for nobody else any more.
        if (!worked && places_ && now_ >= places_->orders_at) {
            follow_orders();
            worked = true;
        }
        if (!worked) break;
    }
    if (places_) tell_free();
    if (closed_) return;
    if (!timer_) timer_.emplace(executor_, weak_from_this());
    const base::time_point next =
        std::min({core_.next_deadline(), exchange_times_.next(), link_times_.next(),
                  next_gate_time(), name_times_.next(), bulk_times_.next(), keepalive_times_.next(),
                  places_ ? places_->orders_at : base::never});
    // A context of ours runs anyway: a timer that nobody needs may as well fire once.
    if (next != base::never || !settings_.own_context) timer_->arm(next);
    if (!core_.wants_turn() || slices_posted_ || slices_due_) return;
    // Behind everything that is ready now: established connections go first.
    if (may_slice_) {
        slices_due_ = true;
    } else {
        post_slices();
    }
}

void shard::post_slices() {
    slices_due_ = false;
    slices_post_(executor_,
                 [self = shared_from_this()] { self->enter([&] { self->run_slices(); }); });
    slices_posted_ = true;
}

void shard::perform(const core::action& action) {
    switch (action.kind) {
        case core::action_kind::none: break;
        case core::action_kind::dial: dial(action.connection, action.origin); break;
        case core::action_kind::connect:
            if (link* l = find_link(action.connection)) {
                advance(*l, phase::connect);
                const auto attempt = static_cast<std::uint32_t>(action.value);
                const io::endpoint& peer = l->addresses.start(attempt);
                if (origins_[l->origin.index].key.route.dialer) {
                    begin_dialer(*l, attempt);
                } else {
                    l->driver.connect(attempt, peer);
                }
            }
            break;
        case core::action_kind::cancel_connect:
            if (link* l = find_link(action.connection)) {
                const auto attempt = static_cast<std::uint32_t>(action.value);
                stop_dialer(*l);
                l->driver.cancel_connect(attempt);
                l->addresses.abandon(now_, attempt, random_);
            }
            break;
        case core::action_kind::step: run_slice(action.connection); break;
        case core::action_kind::assign: assign(action.exchange, action.connection); break;
        case core::action_kind::drain:
            if (live_exchange* x = exchanges_.find(action.exchange)) {
                x->discard_limit = action.value;
                link* l = find_link(action.connection);
                if (l != nullptr && l->is_http2()) {
                    l->wire->http2()->discard(action.exchange);
                    touch(*l);
                }
            }
            break;
        case core::action_kind::reset: perform_reset(action); break;
        case core::action_kind::close: perform_close(action); break;
        case core::action_kind::fail: perform_fail(action); break;
        case core::action_kind::warmed: perform_warmed(action); break;
        case core::action_kind::drained: tell_drained(); break;
        case core::action_kind::want_lease:
            want_leases(static_cast<std::uint32_t>(action.value));
            break;
        case core::action_kind::return_lease:
            if (settings_.lender) {
                leases_ -= static_cast<std::uint32_t>(action.value);
                settings_.lender->give(settings_.index, static_cast<std::uint32_t>(action.value));
            }
            break;
    }
}

void shard::want_leases(std::uint32_t count) {
    if (!settings_.lender) return;  // it has them all
    const std::uint32_t granted = settings_.lender->take(settings_.index, count);
    leases_ += granted;
    if (granted != 0) core_.on_lease(now_, granted);
}

void shard::look_at_leases() {
    const lease_pool::news news = settings_.lender->collect(settings_.index);
    if (closed_ || is_starved_) {
        if (news.granted != 0) settings_.lender->give(settings_.index, news.granted);
        return;
    }
    leases_ += news.granted;
    if (news.granted != 0) core_.on_lease(now_, news.granted);
    core_.on_lease_recall(now_, news.wanted_by_others);
}

void shard::look_at_permits() {
    settings_.permits->looks(settings_.index);
    if (!closed_ && !is_starved_) core_.on_permits(now_);
}

void shard::perform_warmed(const core::action& action) {
    if (retire_old(action)) return;
    const auto found = warming_.find(action.value);
    if (found == warming_.end()) return;
    auto [handler, origin] = std::move(found->second);
    warming_.erase(found);
    error_code error;
    if (action.failure == core::wait_failure::draining) error = errc::client_draining;
    if (action.failure == core::wait_failure::dial) {
        error = origins_[origin.index].dial_error;
        if (!error) error = errc::connect_failed;
    }
    if (action.failure == core::wait_failure::deadline) error = errc::connect_timeout;
    complete<error_code, std::uint32_t>(std::move(handler), error, action.count);
}

void shard::perform_close(const core::action& action) {
    link* l = find_link(action.connection);
    if (l == nullptr) return;
    if (action.reason == close_reason::dial_failed) {
        l->addresses.fail(now_, random_);
        switch (action.dial) {
            case core::dial_failure::name_timeout:
                note_dial_failure(*l, phase::name, errc::name_timeout, "");
                break;
            case core::dial_failure::connect_timeout:
                note_dial_failure(*l, phase::connect, errc::connect_timeout, l->connect_detail);
                break;
            case core::dial_failure::handshake_timeout:
                note_dial_failure(*l, phase::handshake, errc::handshake_timeout,
                                  l->question ? "The verifier of the certificate has not answered "
                                                "within timeouts.handshake."
                                              : "");
                break;
            case core::dial_failure::connect_failed:
                note_dial_failure(*l, phase::connect, errc::connect_failed, l->connect_detail);
                break;
            default: break;
        }
    }
    if (live_exchange* x = exchanges_.find(l->exchange)) {
        HEARTH_ASSERT(x->stage == exchange_stage::detached);
        end_exchange(l->exchange);
    }
    while (!l->streams.empty()) {
        const exchange_id id = l->streams.back();
        end_exchange(id);
        if (!l->streams.empty() && l->streams.back() == id) l->streams.pop_back();
    }
    if (l->ready) {
        l->wire->shut_down();
        (void)l->driver.write(l->wire->output());  // what the kernel takes now; never waits
    }
    erase_link(action.connection);
}

/// Links that were written to in this turn: encrypt and send in one go.
void shard::flush_links() {
    std::vector<connection_id> links;
    links.swap(dirty_);
    // All that is encrypted first: the same code for each, then the kernel's.
    for (const connection_id id : links) {
        link* l = links.size() > 1 ? find_link(id) : nullptr;
        if (l != nullptr && l->wire && !l->is_http2()) (void)l->wire->flush();
    }
    for (const connection_id id : links) {
        link* l = find_link(id);
        if (l == nullptr) continue;
        l->dirty = false;
        flush_link(*l);
    }
    if (dirty_.empty()) {  // keep the memory
        links.clear();
        dirty_.swap(links);
    }
}

// Handlers.

void shard::call_handlers() {
    if (calling_) return;
    calling_ = true;
    // Only those that are there now: a handler that always causes another must not starve sockets.
    std::size_t left = handlers_.size();
    struct guard {
        shard& owner;
        ~guard() {
            owner.calling_ = false;
            owner.post_handlers();
        }
    } on_exit{*this};
    call_ptr call;
    // Only where what handlers send is begun at once: there one that throws ends the process.
    gathers_ = left > 1 && settings_.own_context;
    while (left-- != 0 && handlers_.pop(call)) {
        if (!make_call(std::move(call))) break;
        if (!gathering_.empty() && std::chrono::steady_clock::now() >= gather_until_) {
            write_gathered();
            gathers_ = left > 1;  // of the others
        }
    }
    if (std::exchange(gathers_, false)) write_gathered();
}

/// False: there was no memory for giving it to its executor, and it is the next one again.
bool shard::make_call(call_ptr call) {
    call_queue kept;
    pending_call& handler = *call;
    (void)is_own_exception();  // of one that ended elsewhere
    try {
        const call_rescue rescue(kept, rescued::due);
        handler.run(std::move(call));
        return true;
    } catch (const std::bad_alloc&) {
        if (is_own_exception()) {
            note_own_exception();  // the thread's loop asks, too
            throw;
        }
        // Else it is with its executor, which may never come to it: that is not to be mended here.
        if (!kept.pop(call)) return true;
        handlers_.push_front(std::move(call));
        return false;
    }
}

/// What the handlers of one turn send is written together, once they have all been
/// called or, where one of them takes long, after it.
void shard::write_gathered() {
    gathers_ = false;
    if (gathering_.empty()) return;
    turn([this] {
        dirty_.insert(dirty_.end(), gathering_.begin(), gathering_.end());
        gathering_.clear();
    });
}

void shard::post_handlers() {
    if (handlers_.empty() || call_posted_ || calling_) return;
    handlers_post_(executor_, [self = shared_from_this()] {
        self->call_posted_ = false;
        self->call_handlers();
    });
    call_posted_ = true;
}

// Commands.

void shard::warm(const origin& where, std::uint32_t count, warm_handler handler) {
    const pool_key key = make_pool_key(where, request{}, config_);
    if (const auto owner = owner_elsewhere(slot_of(key))) {
        owner->submit_late([owner, where, count, handler = std::move(handler)]() mutable {
            owner->warm(where, count, std::move(handler));
        });
        return;
    }
    if (closed_ || draining_ || is_starved_) {
        errc why = errc::client_draining;
        if (is_starved_) why = errc::out_of_memory;
        if (closed_) why = errc::client_closed;
        complete<error_code, std::uint32_t>(std::move(handler), why, 0);
        return;
    }
    const origin_id id = intern(key);
    const std::uint64_t ticket = next_warm_++;
    warming_.emplace(ticket, std::pair(std::move(handler), id));
    const auto patience =
        config_.timeouts.name + config_.timeouts.connect + config_.timeouts.handshake;
    // More than the whole client may have would never come.
    const std::uint32_t possible = std::min(count, config_.pool.max_connections);
    core_.warm(now_, id, possible, ticket, base::after(now_, patience));
}

void shard::tell_drained(drain_call& what) {
    if (--what.left == 0) tell(std::move(what.handler), error_code{});
}

void shard::tell_drained() {
    for (const auto& one : std::exchange(drained_, {})) tell_drained(*one);
}

void shard::drain(const std::shared_ptr<drain_call>& what) {
    if (closed_ || is_starved_) {
        draining_ = true;
        tell_drained(*what);
        return;
    }
    const bool is_asked_again = !drained_.empty();
    draining_ = true;
    try {
        drained_.push_back(what);
    } catch (const std::bad_alloc&) {  // it begins anew, with nothing
        tell_drained(*what);
        throw;
    }
    if (is_asked_again) return;  // both are told
    release_reserved();
    core_.drain(now_);
}

void shard::shut_down() {
    if (closed_) return;
    closed_ = true;
    std::vector<exchange_id> all;
    exchanges_.for_each([&](exchange_id id, live_exchange&) { all.push_back(id); });
    for (const exchange_id id : all) {
        live_exchange* found = exchanges_.find(id);
        if (found == nullptr) continue;  // ended with the other of its hedged pair
        live_exchange& x = *found;
        if (x.stage == exchange_stage::detached) {
            end_exchange(id);
            continue;
        }
        describe_failure(x, errc::client_closed);
        complete_exchange(id, errc::client_closed);
    }
    for (auto& [ticket, waiting] : warming_) {
        complete<error_code, std::uint32_t>(std::move(waiting.first), errc::client_closed, 0);
    }
    warming_.clear();
    if (!is_starved_) core_.shut_down(now_);
    if (timer_) timer_->cancel();
    resolver_.reset();
    if (dialed_) dialed_->shut();
    tell_drained();
}

void shard::end() {
    enter([&] { shut_down(); });
}

void shard::abandon() {
    closed_ = true;
    links_.clear();
    exchanges_.clear();
    warming_.clear();
    handlers_.clear();
    drained_.clear();
    resolver_.reset();
    if (dialed_) dialed_->shut();
    timer_.reset();
}

shard_snapshot shard::snapshot() {
    shard_snapshot result;
    stats& out = result.values;
    out.calls = calls_;
    out.completed = completed_;
    out.in_flight = calls_ - completed_;
    out.bytes_received = closed_traffic_.bytes_received;
    out.bytes_sent = closed_traffic_.bytes_sent;
    out.file_bytes_received = closed_traffic_.file_bytes_received;
    out.file_bytes_sent = closed_traffic_.file_bytes_sent;
    out.read_calls = closed_traffic_.read_calls;
    out.write_calls = closed_traffic_.write_calls;
    for (const auto& l : links_) {
        if (!l) continue;
        out.bytes_received += l->driver.bytes_received;
        out.bytes_sent += l->driver.bytes_sent;
        out.file_bytes_received += l->driver.file_bytes_received;
        out.file_bytes_sent += l->driver.file_bytes_sent;
        out.read_calls += l->driver.read_calls;
        out.write_calls += l->driver.write_calls;
    }
    out.chains_remembered = chains_.hits();
    out.origins_forgotten = origins_forgotten_;
    if (is_starved_) return result;
    out.stale_messages = core_.stale_facts();
    out.handshakes_at_once = core_.handshakes_at_once();
    std::unordered_map<std::uint32_t, std::size_t> places;  // of origins in the list
    for (const auto& [key, id] : origin_ids_) {
        origin_stats& origin = out.origins.emplace_back(core_.stats(now_, id));
        origin.origin = origins_[id.index].name;
        origin.threads = part_of(origins_[id.index].slot).is_none() ? 0 : 1;
        origin.stale_retries = origins_[id.index].stale_retries;
        add_gate_stats(origins_[id.index], origin);
        if (const auto& book = origins_[id.index].names.book) origin.addresses = book->stats(now_);
        places.emplace(id.index, out.origins.size() - 1);
        result.keys.push_back(pool_key_hash{}(key));
    }
    const std::uint64_t profile = own_profile()->internals().id();
    for (const auto& l : links_) {
        const bool is_outdated = l && l->ready && l->profile != 0 && l->profile != profile;
        if (is_outdated) ++out.origins[places[l->origin.index]].outdated;
    }
    return result;
}

// Events.

void shard::on_writable(connection_id id) {
    enter([&] {
        if (link* l = find_link(id)) {
            if (l->proxy_tls || l->tunnel) {
                (void)(l->proxy_tls ? write_proxy_tls(*l) : write_tunnel(*l));
                return;
            }
            live_exchange* x = exchanges_.find(l->exchange);
            if (x != nullptr) {
                x->pieces = 0;
                if (x->control && x->control->write && !x->control->raw_write.empty()) {
                    flush_link(*l);
                    if ((l = find_link(id)) == nullptr) return;
                    write_raw(*x->control, *l, x->control->raw_write);
                } else {
                    pump_request(*x, *l);
                }
            }
            if ((l = find_link(id)) != nullptr) touch(*l);
        }
    });
}

void shard::on_timer() {
    enter([&] {
        if (is_starved_) return;
        core_.on_timer(now_);
        on_gate_time();
        on_name_times();
        on_bulk_times();
        exchange_id id;
        while (exchange_times_.pop_due(now_, id)) on_exchange_time(id);
        connection_id silent;
        while (link_times_.pop_due(now_, silent)) on_link_time(silent);
        while (keepalive_times_.pop_due(now_, silent)) {
            link* const l = find_link(silent);
            l->keepalive_timer = 0;
            l->driver.keep_alive();
        }
    });
}

}  // namespace hearth::detail
