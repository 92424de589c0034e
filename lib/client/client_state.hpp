// client_state: what a client's handle points to: its shards, and the threads that serve them where
// the client has threads of its own. Constant after construction but for the config, which `update`
// replaces: callers' threads read the little they need of it without a lock. The work is in the
// shards.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "client/exchange.hpp"
#include "client/identity_watch.hpp"
#include "client/lease_pool.hpp"
#include "client/placement.hpp"
#include "client/send_flow.hpp"
#include "client/shard.hpp"
#include "client/shared_permits.hpp"
#include "hearth/client.hpp"

namespace hearth::detail {

class client_state {
public:
    /// Threads of its own.
    explicit client_state(config settings);
    /// A shard per executor of the caller.
    client_state(std::vector<boost::asio::any_io_executor> executors, config settings);
    ~client_state();
    client_state(const client_state&) = delete;
    client_state& operator=(const client_state&) = delete;

    /// As built, without its profile: for fields that cannot change.
    [[nodiscard]] const config& values() const { return *values_; }
    /// As it is now. Takes a lock.
    [[nodiscard]] std::shared_ptr<const config> current() const;
    [[nodiscard]] call_defaults defaults() const;
    /// Has the shards obey other values, one after the other; `applied` runs in a turn of each. Of
    /// what is wrong with them: a sentence, and nothing has changed.
    std::string update(config values, const std::function<void(shard&)>& applied = {});
    /// Replaces the profile that was built from the options of `old`, unless another has taken its
    /// place; null: it could not be built, for the reason given. What came of it is reported.
    void replace_profile(const std::shared_ptr<const tls_profile>& old,
                         std::shared_ptr<const tls_profile> next, const std::string& failure);
    /// What the state knows itself.
    void add_to(stats& sum) const;
    [[nodiscard]] const std::vector<std::shared_ptr<shard>>& shards() const { return shards_; }
    /// No other client of the process has, or had, the same. Never 0.
    [[nodiscard]] std::uint64_t number() const { return number_; }
    /// The shard that takes a call, made on this thread, to an origin of a slot.
    [[nodiscard]] shard& shard_for_call(std::uint32_t slot) const;
    /// All that take calls of that slot; the first is always one of them.
    [[nodiscard]] std::vector<shard*> shards_of(std::uint32_t slot) const;
    /// Null: origins stay where they are.
    [[nodiscard]] const std::shared_ptr<hearth::detail::placement>& placement() const {
        return placement_;
    }
    /// True on a thread that a blocking call would wait for.
    [[nodiscard]] bool runs_here() const;
    /// What the application says of its load.
    void report_load(double load) const noexcept {
        reported_load_->store(load, std::memory_order_relaxed);
    }
    /// Ends everything; joins own threads, but not the calling one.
    void close();
    /// Throws `send_error` (`errc::wrong_process`) in a fork of the process that built it.
    void require_own_process() const { shards_.front()->require_own_process(); }
    /// Closes it and lets go of it. In a fork, whose parent goes on with its connections, it is
    /// kept as it is for ever.
    static void end(std::shared_ptr<client_state> state);

private:
    struct identity_state {
        std::uint64_t generation = 1;
        std::uint64_t failures = 0;
        std::string failure;
    };

    [[nodiscard]] static std::uint64_t next_number();
    void publish(std::shared_ptr<const config> values, std::unique_lock<std::mutex> lock,
                 const std::function<void(shard&)>& applied);
    void watch_identity();
    [[nodiscard]] std::shared_ptr<hearth::detail::placement> make_placement(
        std::shared_ptr<const shard_list> shards) const;
    [[nodiscard]] takers takers_of(std::uint32_t slot) const;
    void share_limits(const std::shared_ptr<const shard_list>& shards, std::size_t count);
    void make_shards(const std::vector<boost::asio::any_io_executor>& executors,
                     const std::vector<std::shared_ptr<void>>& contexts);

    const std::uint64_t number_ = next_number();
    std::shared_ptr<const config> values_;
    mutable std::mutex changing_;
    std::shared_ptr<const config> current_;  // under the mutex, as the next
    std::uint64_t changes_ = 0;              // of `current_`
    identity_state identity_;
    std::unique_ptr<identity_watch> watch_;
    std::atomic<std::uint32_t> defaults_{0};                // `call_defaults` in one word
    std::shared_ptr<lease_pool> lender_;                    // null with one shard
    std::shared_ptr<shared_permits> permits_;               // the same
    std::shared_ptr<hearth::detail::placement> placement_;  // null: none of a shard's origins moves
    std::vector<std::shared_ptr<shard>> shards_;
    std::vector<std::thread> threads_;
    std::vector<std::function<void()>> release_;  // lets each own context end when it has no work
    const std::shared_ptr<std::atomic<double>> reported_load_ =
        std::make_shared<std::atomic<double>>(0.0);
    std::shared_ptr<handshake_workers> handshake_threads_;  // null: there are none
    bool closed_ = false;
};

/// The inside of a client, for tests of it.
struct client_access {
    [[nodiscard]] static client_state& state(client& of) { return *of.state_; }
};

}  // namespace hearth::detail
