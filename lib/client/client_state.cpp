#include "client/client_state.hpp"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <mutex>
#include <new>
#include <random>
#include <utility>

#include "client/config_change.hpp"
#include "client/config_check.hpp"
#include "client/handshake_workers.hpp"
#include "client/shard_turn.hpp"
#include "core/admission.hpp"
#include "io/edge_wait.hpp"
#include "io/system_pool.hpp"

namespace hearth::detail {

namespace asio = boost::asio;

namespace {

std::uint64_t random_seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

std::uint32_t thread_count(const config& values) {
    if (values.io.threads != 0) return values.io.threads;
    return std::clamp<std::uint32_t>(std::thread::hardware_concurrency(), 1, 4);
}

/// The caller's executor, serialised: its context may have many threads.
asio::any_io_executor serialise(const asio::any_io_executor& executor) {
    if (executor.target<asio::strand<asio::any_io_executor>>() != nullptr ||
        executor.target<asio::strand<asio::io_context::executor_type>>() != nullptr) {
        return executor;
    }
    return asio::strand<asio::any_io_executor>(executor);
}

/// The last turn of a shard. Where the caller's context is destroyed without running it, what the
/// shard holds is let go all the same: it holds sockets, and they hold it.
class last_turn {
public:
    explicit last_turn(std::shared_ptr<shard> owner) : owner_(std::move(owner)) {}
    last_turn(last_turn&&) noexcept = default;
    last_turn& operator=(last_turn&&) = delete;
    ~last_turn() {
        if (owner_) owner_->abandon();
    }
    void operator()() { std::exchange(owner_, nullptr)->end(); }

private:
    std::shared_ptr<shard> owner_;
};

/// Runs a context of the client's. Lack of memory outside of a turn costs what the shard has under
/// way; exceptions of handlers end the process.
void run_to_end(asio::io_context& context, shard& owner, bool waits) {
    for (;;) {
        try {
            (void)(waits ? context.run() : context.poll());
            return;
        } catch (const std::bad_alloc&) {
            if (!owner.survive()) throw;
        }
    }
}

/// Cores that threads which are made here may use.
std::size_t cores_here() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::pthread_getaffinity_np(::pthread_self(), sizeof set, &set) != 0) {
        return std::max(std::thread::hardware_concurrency(), 1U);  // more than a set can hold
    }
    return static_cast<std::size_t>(std::max(CPU_COUNT(&set), 1));
}

/// The most threads that may serve one origin. A part of its limits that is too small is of little
/// use, and what a gate before the pool learns and counts is of all calls.
std::size_t most_takers(const config& values) {
    constexpr std::uint32_t least_connections = 16;
    constexpr std::uint32_t least_multiplexed = 2;
    const core::admission_rules gate{values.breaker, values.rate_limit, values.concurrency,
                                     values.pool.max_waiters};
    if (gate.any()) return 1;
    std::uint32_t most = std::min(values.pool.max_connections_per_origin / least_connections,
                                  values.http2.max_connections / least_multiplexed);
    // A thread that may keep none would make a handshake for each call.
    const std::uint32_t most_idle = values.pool.max_idle_per_origin.value_or(0);
    if (most_idle != 0) most = std::min(most, most_idle);
    return std::max(most, 1U);
}

// `call_defaults` in one word: attempts, at most 10, and two bits.
std::uint32_t packed(const call_defaults& what) {
    return (what.max_attempts << 2) | (what.follows_redirects ? 2U : 0U) | (what.decodes ? 1U : 0U);
}

}  // namespace

client_state::client_state(config settings) {
    require_valid(settings);
    values_ = std::make_shared<const config>(std::move(settings));
    std::vector<asio::any_io_executor> executors;
    std::vector<std::shared_ptr<asio::io_context>> contexts;
    std::vector<std::shared_ptr<void>> keepers;
    for (std::uint32_t i = 0; i < thread_count(*values_); ++i) {
        contexts.push_back(std::make_shared<asio::io_context>(1));
        io::join_waits(*contexts.back());
        keepers.push_back(contexts.back());
        executors.emplace_back(contexts.back()->get_executor());
    }
    make_shards(executors, keepers);
    auto owner = shards_.begin();
    for (const auto& context : contexts) {
        using guard_type = asio::executor_work_guard<asio::io_context::executor_type>;
        auto guard = std::make_shared<guard_type>(context->get_executor());
        release_.emplace_back([guard] { guard->reset(); });
        threads_.emplace_back([context, owner = *owner++] {
            owner->set_thread(std::this_thread::get_id());
            run_to_end(*context, *owner, true);
            owner->stop([&] {
                context->restart();
                run_to_end(*context, *owner, false);
            });
        });
    }
}

client_state::client_state(std::vector<asio::any_io_executor> executors, config settings) {
    require_valid(settings);
    if (executors.empty()) {
        failure why;
        why.detail = "A client needs at least one executor.";
        throw send_error(errc::invalid_config, why);
    }
    values_ = std::make_shared<const config>(std::move(settings));
    std::transform(executors.begin(), executors.end(), executors.begin(), serialise);
    make_shards(executors, std::vector<std::shared_ptr<void>>(executors.size()));
}

std::shared_ptr<placement> client_state::make_placement(
    std::shared_ptr<const shard_list> shards) const {
    return std::make_shared<hearth::detail::placement>(
        thread_count(*values_), cores_here(), most_takers(*values_),
        [shards = std::move(shards)](std::size_t index, const placement_order& order) {
            if (const auto s = (*shards)[index].lock()) {
                s->submit_late([s = s.get(), order] { s->take_order(order); });
            }
        });
}

void client_state::share_limits(const std::shared_ptr<const shard_list>& shards,
                                std::size_t count) {
    lender_ = std::make_shared<lease_pool>(
        values_->pool.max_connections, count, [shards](std::size_t index) {
            if (const auto s = (*shards)[index].lock()) {
                s->submit_late([s = s.get()] { s->look_at_leases(); }, s->lease_post());
            }
        });
    permits_ = std::make_shared<shared_permits>(
        values_->handshake.max_concurrent, count, [shards](std::size_t index) {
            if (const auto s = (*shards)[index].lock()) {
                s->submit_late([s = s.get()] { s->look_at_permits(); }, s->permit_post());
            }
        });
}

void client_state::make_shards(const std::vector<asio::any_io_executor>& executors,
                               const std::vector<std::shared_ptr<void>>& contexts) {
    if (values_->handshake.threads != 0) {
        handshake_threads_ = std::make_shared<handshake_workers>(values_->handshake.threads);
    }
    // What shards share reaches them by weak pointers: it may be called while the client ends.
    auto weak = std::make_shared<shard_list>();
    if (executors.size() > 1) share_limits(weak, executors.size());
    if (contexts.front() && executors.size() > 1) placement_ = make_placement(weak);
    std::shared_ptr<io::system_pool> name_threads;
    if (values_->dns.resolver == resolver_kind::system) {
        name_threads = std::make_shared<io::system_pool>(values_->dns.system_threads);
    }
    for (std::size_t i = 0; i < executors.size(); ++i) {
        shard_settings settings;
        settings.values = values_;
        settings.seed = random_seed();
        settings.index = i;
        settings.shards = placement_ ? placement_->useful() : executors.size();
        settings.placement = placement_;
        settings.peers = weak;
        settings.leases = lender_ ? 0 : values_->pool.max_connections;
        settings.lender = lender_;
        settings.permits = permits_;
        settings.own_context = contexts[i];
        settings.reported_load = reported_load_;
        settings.name_threads = name_threads;
        settings.handshake_threads = handshake_threads_;
        shards_.push_back(std::make_shared<shard>(executors[i], std::move(settings)));
    }
    for (const auto& s : shards_) weak->push_back(s);
    current_ = values_;
    defaults_.store(packed(call_defaults::of(*values_)));
    auto lasting = std::make_shared<config>(*values_);
    lasting->tls.profile.reset();  // its key must not outlive its use
    values_ = std::move(lasting);
    watch_identity();
}

std::uint64_t client_state::next_number() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

std::shared_ptr<const config> client_state::current() const {
    const std::lock_guard lock(changing_);
    return current_;
}

call_defaults client_state::defaults() const {
    const std::uint32_t word = defaults_.load(std::memory_order_acquire);
    return {(word & 2U) != 0, (word & 1U) != 0, word >> 2};
}

std::string client_state::update(config values, const std::function<void(shard&)>& applied) {
    if (std::string wrong = first_contradiction(values); !wrong.empty()) return wrong;
    std::unique_lock lock(changing_);
    if (std::string fixed = fixed_field_changed(*current_, values); !fixed.empty()) return fixed;
    publish(std::make_shared<const config>(std::move(values)), std::move(lock), applied);
    watch_identity();
    return {};
}

void client_state::publish(std::shared_ptr<const config> values, std::unique_lock<std::mutex> lock,
                           const std::function<void(shard&)>& applied) {
    if (values->tls.profile != current_->tls.profile) {
        ++identity_.generation;
        identity_.failure.clear();
    }
    current_ = values;
    defaults_.store(packed(call_defaults::of(*values)), std::memory_order_release);
    std::vector<std::uint32_t> debts(shards_.size(), 0);
    if (permits_) permits_->set_limit(values->handshake.max_concurrent);
    if (placement_) placement_->set_most_takers(most_takers(*values));
    if (lender_) debts = lender_->set_limit(values->pool.max_connections);
    const std::uint64_t number = ++changes_;
    lock.unlock();  // what a shard does in a turn of this very thread may come here again
    auto debt = debts.begin();
    for (const auto& one : shards_) {
        one->submit_late([s = one.get(), applied = applied, values, number, owed = *debt++] {
            try {
                s->change(values, number, owed);
            } catch (const std::bad_alloc&) {  // it obeys them when it begins anew
                if (applied) applied(*s);
                throw;
            }
            if (applied) applied(*s);
        });
    }
}

void client_state::replace_profile(const std::shared_ptr<const tls_profile>& old,
                                   std::shared_ptr<const tls_profile> next,
                                   const std::string& failure) {
    std::unique_lock lock(changing_);
    if (current_->tls.profile != old) return;  // replaced meanwhile: these files are nobody's
    const auto tell = current_->tls.on_identity;
    identity_report report;
    report.failure = failure;
    if (next) {
        config values = *current_;
        values.tls.profile = std::move(next);
        report.generation = identity_.generation + 1;
        publish(std::make_shared<const config>(std::move(values)), std::move(lock), {});
    } else {
        report.generation = identity_.generation;
        identity_.failure = failure;
        ++identity_.failures;
        lock.unlock();
    }
    if (tell) tell(report);
}

/// Watches, or not, as the config says now.
void client_state::watch_identity() {
    std::unique_ptr<identity_watch> ended;  // joined without the lock, which it may want
    const std::lock_guard lock(changing_);
    const auto& every = current_->tls.watch_files;
    if (!every && !watch_) return;
    if (every && watch_) return watch_->set_interval(*every);
    if (!every) {
        ended = std::move(watch_);
        return;
    }
    watch_ = std::make_unique<identity_watch>(
        *every, [this] { return current()->tls.profile; },
        [this](const auto& old, auto next, const std::string& failure) {
            replace_profile(old, std::move(next), failure);
        });
}

void client_state::add_to(stats& sum) const {
    const std::lock_guard lock(changing_);
    sum.identity = identity_.generation;
    sum.identity_failures = identity_.failures;
    sum.identity_failure = identity_.failure;
    if (permits_) sum.handshakes_at_once = permits_->most();
}

client_state::~client_state() { close(); }

void client_state::close() {
    if (std::exchange(closed_, true)) return;
    watch_.reset();
    // First, for they hold shards, and give results to them while these still run.
    if (handshake_threads_) handshake_threads_->stop();
    for (const auto& s : shards_) {
        // Posted even from a thread of ours: what runs now may be a handler of this client.
        s->post_end(last_turn(s));
    }
    for (const auto& release : release_) release();
    for (std::thread& thread : threads_) {
        if (thread.get_id() == std::this_thread::get_id()) {
            thread.detach();
        } else {
            thread.join();
        }
    }
}

void client_state::end(std::shared_ptr<client_state> state) {
    if (!state) return;
    if (!state->shards_.front()->is_inherited()) return state->close();
    static std::mutex mutex;
    static std::vector<std::shared_ptr<client_state>>& inherited =
        *std::make_unique<std::vector<std::shared_ptr<client_state>>>().release();
    const std::lock_guard lock(mutex);
    inherited.push_back(std::move(state));
}

takers client_state::takers_of(std::uint32_t slot) const {
    const takers known = placement_->table().load(slot);
    return known.empty() ? placement_->place(slot, std::chrono::steady_clock::now()) : known;
}

shard& client_state::shard_for_call(std::uint32_t slot) const {
    if (!placement_) return *shards_[slot % shards_.size()];
    const takers all = takers_of(slot);
    thread_local std::size_t turn = 0;  // any will do
    if (all.count() == 1) return *shards_[all.first()];
    for (std::size_t i = 0; i < all.count(); ++i) {
        shard& here = *shards_[all[i]];
        if (!here.runs_here()) continue;
        if (!here.take_pass()) return here;
        return *shards_[all[(i + 1 + turn++ % (all.count() - 1)) % all.count()]];
    }
    return *shards_[all[turn++ % all.count()]];
}

std::vector<shard*> client_state::shards_of(std::uint32_t slot) const {
    if (!placement_) return {shards_[slot % shards_.size()].get()};
    const takers all = takers_of(slot);
    std::vector<shard*> result;
    for (std::size_t i = 0; i < all.count(); ++i) result.push_back(shards_[all[i]].get());
    return result;
}

bool client_state::runs_here() const {
    return std::any_of(shards_.begin(), shards_.end(),
                       [](const auto& s) { return s->runs_here(); });
}

}  // namespace hearth::detail
