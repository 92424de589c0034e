// `server`: listens, spreads connections over workers, and holds what they share.
//
// One acceptor on the first worker takes connections in order, so the index of a connection is
// exact; they go to the workers in turn. A second socket, bound and never listening, keeps the port
// while nobody listens: it is still ours after a restart. Protocols are the business of whoever
// makes them.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "testing/connection.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {

/// Any thread, but `stop` and the destructor not one of the workers'.
class server final : public connection_host {
public:
    using protocol_factory = std::function<std::unique_ptr<protocol>(connection&)>;

    /// Listens and serves from here on; throws as the constructor of `origin`.
    server(const listen_options& options, protocol_factory protocols);
    ~server() override;

    [[nodiscard]] std::uint16_t port() const { return endpoint_.port(); }
    [[nodiscard]] std::string url(std::string_view path) const;
    [[nodiscard]] const std::string& ca_pem() const { return ca_pem_; }

    void stop();
    void restart(std::chrono::milliseconds downtime);
    void close_all_connections(close_kind kind);
    void drain_all_connections();
    void set_refusing(bool is_refusing);
    void set_silent(bool is_silent) { is_silent_ = is_silent; }
    void watch(std::chrono::milliseconds interval,
               std::function<void(const origin_counters&)> hook);

    [[nodiscard]] const tls_context* tls() const override { return tls_ ? &*tls_ : nullptr; }
    [[nodiscard]] counter_block& counts() override { return counts_; }
    [[nodiscard]] bool is_silent() const override { return is_silent_; }
    [[nodiscard]] std::unique_ptr<protocol> make_protocol(connection& owner) override;

private:
    using watch_hook = std::function<void(const origin_counters&)>;

    void set_up_tls();
    void bind();
    // On the first worker only.
    void open_listener(boost::system::error_code& error);
    void update_listener();
    void go_down(std::chrono::milliseconds downtime);
    void come_up();
    void accept_next();
    void deliver(worker& target, tcp::socket socket);
    void retry_later();
    void arm_watch(std::chrono::milliseconds interval, const std::shared_ptr<watch_hook>& hook);

    [[nodiscard]] worker& first() { return *workers_.front(); }
    void on_every_worker(const std::function<void(worker&)>& work);

    const listen_options options_;
    const protocol_factory protocols_;
    std::string ca_pem_;
    std::optional<tls_context> tls_;
    counter_block counts_;
    std::atomic<bool> is_silent_{false};
    std::mutex stop_mutex_;
    bool is_stopped_ = false;  // under stop_mutex_
    std::vector<std::unique_ptr<worker>> workers_;
    tcp::endpoint endpoint_;
    std::optional<tcp::socket> placeholder_;

    // Touched on the first worker only.
    std::optional<tcp::acceptor> acceptor_;
    std::optional<asio::steady_timer> downtime_timer_;
    std::optional<asio::steady_timer> retry_timer_;
    std::optional<asio::steady_timer> watch_timer_;
    std::uint64_t next_connection_ = 0;
    // Handlers that are already queued when their reason has gone see that the number is another.
    std::uint64_t listener_generation_ = 0;
    std::uint64_t restarts_ = 0;
    std::uint64_t watches_ = 0;
    bool is_refusing_ = false;
    bool is_down_ = false;
    bool is_stopping_ = false;
};

}  // namespace testing::internal
HEARTH_END_NAMESPACE
