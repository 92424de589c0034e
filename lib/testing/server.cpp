// Listens and spreads connections over workers.
#include "testing/server.hpp"

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <utility>

HEARTH_BEGIN_NAMESPACE
namespace testing::internal {
namespace {

using boost::system::error_code;

constexpr unsigned max_threads = 64;
constexpr unsigned max_tickets = 16;
// After a failure to accept (descriptors used up) or to listen: long enough not to spin.
constexpr auto retry_pause = std::chrono::milliseconds{10};

void check(const error_code& error, const char* what) {
    if (error) throw std::system_error(error.value(), std::system_category(), what);
}

asio::ip::address parse_address(const std::string& text) {
    error_code error;
    auto address = asio::ip::make_address(text, error);
    if (error) throw std::invalid_argument("\"" + text + "\" is not an IP address");
    return address;
}

certificate make_own_certificate(const std::string& address) {
    certificate_options options;
    if (std::ranges::find(options.ips, address) == options.ips.end()) {
        options.ips.push_back(address);
    }
    return certificate_authority().issue(options);
}

}  // namespace

server::server(const listen_options& options, protocol_factory protocols)
    : options_(options), protocols_(std::move(protocols)) {
    if (options_.threads < 1 || options_.threads > max_threads) {
        throw std::invalid_argument("listen_options.threads must be 1 to 64");
    }
    if (options_.tickets > max_tickets) {
        throw std::invalid_argument("listen_options.tickets must be 0 to 16");
    }
    endpoint_ = {parse_address(options_.bind_address), options_.port};
    set_up_tls();
    for (unsigned i = 0; i < options_.threads; ++i) workers_.push_back(std::make_unique<worker>());
    bind();
    error_code error;
    open_listener(error);  // before the threads run: nobody else is on the first worker
    check(error, "cannot listen");
    for (const auto& each : workers_) each->start();
}

server::~server() { stop(); }

void server::set_up_tls() {
    if (!options_.tls) return;
    const certificate own = options_.server_certificate
                                ? *options_.server_certificate
                                : make_own_certificate(options_.bind_address);
    ca_pem_ = own.ca_pem;
    tls_.emplace(options_, own);
}

void server::bind() {
    placeholder_.emplace(first().context());
    error_code error;
    placeholder_->open(endpoint_.protocol(), error);
    check(error, "cannot make a socket");
    placeholder_->set_option(tcp::socket::reuse_address(true), error);
    check(error, "cannot reuse the address");
    placeholder_->bind(endpoint_, error);
    check(error, "cannot bind");
    endpoint_ = placeholder_->local_endpoint(error);
    check(error, "cannot read the port");
}

std::string server::url(std::string_view path) const {
    std::string text = options_.tls ? "https://" : "http://";
    const auto address = endpoint_.address();
    text += address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    text += ":" + std::to_string(port());
    return text.append(path);
}

std::unique_ptr<protocol> server::make_protocol(connection& owner) { return protocols_(owner); }

void server::open_listener(error_code& error) {
    acceptor_.emplace(first().context());
    acceptor_->open(endpoint_.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->set_option(tcp::no_delay(true), error);  // accepted sockets inherit it
    if (!error) acceptor_->bind(endpoint_, error);
    if (!error) acceptor_->listen(options_.backlog, error);
    if (error) {
        acceptor_.reset();
        return;
    }
    ++listener_generation_;
    accept_next();
}

void server::update_listener() {
    const bool should_listen = !is_refusing_ && !is_down_ && !is_stopping_;
    if (should_listen == acceptor_.has_value()) return;
    if (!should_listen) {
        ++listener_generation_;
        acceptor_.reset();
        return;
    }
    error_code error;
    open_listener(error);
    if (error) retry_later();
}

void server::accept_next() {
    worker& target = *workers_[next_connection_ % workers_.size()];
    acceptor_->async_accept(target.context(), [this, &target, generation = listener_generation_](
                                                  error_code error, tcp::socket socket) {
        if (generation != listener_generation_) return;
        if (error) return retry_later();
        deliver(target, std::move(socket));
        accept_next();
    });
}

void server::deliver(worker& target, tcp::socket socket) {
    counts_.connections_accepted.add();
    auto fresh = std::make_shared<connection>(*this, target, std::move(socket), next_connection_++);
    if (&target == &first()) return fresh->start();
    target.post([fresh = std::move(fresh)] { fresh->start(); });
}

void server::retry_later() {
    if (!retry_timer_) retry_timer_.emplace(first().context());
    retry_timer_->expires_after(retry_pause);
    retry_timer_->async_wait([this](error_code error) {
        if (error || is_stopping_) return;
        if (acceptor_) return accept_next();
        update_listener();
    });
}

void server::on_every_worker(const std::function<void(worker&)>& work) {
    const bool is_inside =
        std::ranges::any_of(workers_, [](const auto& each) { return each->runs_here(); });
    for (const auto& each : workers_) {
        worker& target = *each;
        if (is_inside && !target.runs_here()) {  // workers never wait for each other
            target.post([work, &target] { work(target); });
        } else {
            target.call([&] { work(target); });
        }
    }
}

void server::close_all_connections(close_kind kind) {
    on_every_worker([kind](worker& each) { each.close_connections(kind); });
}

void server::drain_all_connections() {
    on_every_worker([](worker& each) { each.drain_connections(); });
}

void server::restart(std::chrono::milliseconds downtime) {
    on_every_worker([this, downtime](worker& each) {
        if (&each == &first()) go_down(downtime);
        each.close_connections(close_kind::clean);
    });
    if (downtime.count() != 0) return;
    on_every_worker([this](worker& each) {
        if (&each == &first()) come_up();
    });
}

void server::go_down(std::chrono::milliseconds downtime) {
    is_down_ = true;
    ++restarts_;
    update_listener();
    if (downtime.count() == 0 || is_stopping_) return;
    if (!downtime_timer_) downtime_timer_.emplace(first().context());
    downtime_timer_->expires_after(downtime);
    downtime_timer_->async_wait([this, current = restarts_](error_code error) {
        if (!error && current == restarts_) come_up();
    });
}

void server::come_up() {
    is_down_ = false;
    update_listener();
}

void server::set_refusing(bool is_refusing) {
    on_every_worker([this, is_refusing](worker& each) {
        if (&each != &first()) return;
        is_refusing_ = is_refusing;
        update_listener();
    });
}

void server::watch(std::chrono::milliseconds interval, watch_hook hook) {
    if (hook && interval < std::chrono::milliseconds{1}) {
        throw std::invalid_argument("the interval of a watch must be 1 ms or more");
    }
    const auto shared = std::make_shared<watch_hook>(std::move(hook));
    on_every_worker([this, interval, shared](worker& each) {
        if (&each != &first()) return;
        ++watches_;
        if (watch_timer_) watch_timer_->cancel();
        if (!*shared || is_stopping_) return;
        if (!watch_timer_) watch_timer_.emplace(each.context());
        watch_timer_->expires_after(interval);
        arm_watch(interval, shared);
    });
}

void server::arm_watch(std::chrono::milliseconds interval,
                       const std::shared_ptr<watch_hook>& hook) {
    watch_timer_->async_wait([this, interval, hook, current = watches_](error_code error) {
        if (error || current != watches_) return;
        watch_timer_->expires_at(watch_timer_->expiry() + interval);
        arm_watch(interval, hook);
        (*hook)(counts_.snapshot());
    });
}

void server::stop() {
    const std::lock_guard lock(stop_mutex_);
    if (std::exchange(is_stopped_, true)) return;
    first().call([this] {
        is_stopping_ = true;
        ++restarts_;
        ++watches_;
        update_listener();
    });
    for (const auto& each : workers_) each->stop();
}

}  // namespace testing::internal
HEARTH_END_NAMESPACE
