// Names by c-ares: /etc/hosts, then A and AAAA queries to the name servers.
//
// The families are asked for separately, so that a server that never answers AAAA does not hold up
// A: once one family has addresses, the other gets `resolution_delay` to answer. c-ares owns its
// sockets and says what each waits for; Asio only watches them. Nothing of the caller's runs inside
// a c-ares callback, and c-ares is never called from one.
//
// Limits of c-ares 1.18: it reads /etc/resolv.conf when a client is built, not again.

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <new>
#include <unordered_map>
#include <utility>

#include "io/destination_order.hpp"
#include "io/name_lookup.hpp"
#include "io/socket_setup.hpp"

namespace hearth::io {
namespace {

namespace asio = boost::asio;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// RFC 8305 3 recommends 50 ms.
constexpr milliseconds resolution_delay{50};
/// The first try of each server; c-ares doubles it. A lost packet must not cost the whole of
/// `timeouts.name` (5 s by default), as the usual 5 s would.
constexpr milliseconds first_try{1000};
constexpr int tries = 3;
/// How often a socket is looked at that cannot be watched.
constexpr milliseconds blind_pause{20};

// ares_library_init is not thread-safe; the initialisation of a static is, and happens once.
int library_status() {
    static const int status = ares_library_init(ARES_LIB_INIT_ALL);
    return status;
}

struct addrinfo_deleter {
    void operator()(ares_addrinfo* info) const { ares_freeaddrinfo(info); }
};
using addrinfo_ptr = std::unique_ptr<ares_addrinfo, addrinfo_deleter>;

// Always the loopback, and never asked of a server (RFC 6761 6.3). c-ares 1.18 leaks a name for
// each.
bool is_localhost(std::string_view name) {
    return name == "localhost" || name.ends_with(".localhost");
}

name_answer loopback() {
    return {{}, {}, {asio::ip::address_v6::loopback(), asio::ip::address_v4::loopback()}, hours(1)};
}

bool is_definite(int status) {
    return status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
}

asio::ip::address to_address(const sockaddr& from) {
    if (from.sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &from, sizeof v6);
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
        return asio::ip::address_v6(bytes, v6.sin6_scope_id);
    }
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
}

struct watched_socket {
    asio::posix::stream_descriptor descriptor;
    ares_socket_t number;
    bool wants_read = false;
    bool wants_write = false;
    bool is_reading = false;  // A wait for readability is outstanding.
    bool is_writing = false;
};

class channel;

// One family of a job. c-ares holds its address until it has called back.
struct family_query {
    channel* owner = nullptr;
    std::uint64_t job = 0;
    bool is_answered = false;
    int status = ARES_SUCCESS;
    address_list addresses;
    seconds ttl{0};
};

struct lookup_job {
    lookup_job(std::string of, name_handler to) : name(std::move(of)), handler(std::move(to)) {}

    std::string name;
    name_handler handler;                 // Empty once the answer was posted.
    std::array<family_query, 2> queries;  // AAAA, A.
    std::unique_ptr<asio::steady_timer> patience;
};

class channel : public std::enable_shared_from_this<channel> {
public:
    channel(asio::any_io_executor executor, const dns_config& config)
        : executor_(std::move(executor)), timer_(executor_), servers_(config.servers) {}
    ~channel() { close(); }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    void open();
    void start(const std::string& name, name_handler handler);
    void close();

private:
    // Called by c-ares.
    static void on_socket_state(void* self, ares_socket_t number, int readable, int writable);
    static void on_addresses(void* query, int status, int timeouts, ares_addrinfo* result);

    void watch(ares_socket_t number, bool wants_read, bool wants_write);
    void arm(const std::shared_ptr<watched_socket>& socket);
    void on_ready(const std::shared_ptr<watched_socket>& socket, bool is_read,
                  const boost::system::error_code& error);
    void arm_timer();
    [[nodiscard]] bool is_blind() const;
    void look_at_unwatched();
    /// After each call of c-ares, whose callbacks may not throw.
    void check_memory() {
        if (std::exchange(lacked_memory_, false)) throw std::bad_alloc();
    }
    void take_addresses(family_query& query, int status, const ares_addrinfo* result);
    void on_family_answered(lookup_job& job);
    void answer(lookup_job& job);
    void post_answer(name_handler handler, name_answer result);

    const asio::any_io_executor executor_;
    asio::steady_timer timer_;
    const std::vector<std::string> servers_;
    ares_channel handle_ = nullptr;
    int open_status_ = ARES_ENOTINITIALIZED;
    bool is_closed_ = false;
    bool lacked_memory_ = false;
    std::uint64_t last_job_ = 0;
    std::unordered_map<std::uint64_t, lookup_job> jobs_;
    std::unordered_map<ares_socket_t, std::shared_ptr<watched_socket>> sockets_;
};

void channel::open() {
    open_status_ = library_status();
    if (open_status_ != ARES_SUCCESS) return;
    if (handle_ != nullptr) ares_destroy(std::exchange(handle_, nullptr));
    ares_options options{};
    options.timeout = static_cast<int>(first_try.count());
    options.tries = tries;
    options.sock_state_cb = &channel::on_socket_state;
    options.sock_state_cb_data = this;
    open_status_ = ares_init_options(&handle_, &options,
                                     ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (open_status_ != ARES_SUCCESS) {
        handle_ = nullptr;
        return;
    }
    if (servers_.empty()) return;
    std::string list;
    for (const std::string& server : servers_) list += (list.empty() ? "" : ",") + server;
    open_status_ = ares_set_servers_ports_csv(handle_, list.c_str());
}

void channel::start(const std::string& name, name_handler handler) {
    if (is_localhost(name)) {
        post_answer(std::move(handler), loopback());
        return;
    }
    if (open_status_ != ARES_SUCCESS) open();  // it may have been a shortage
    if (open_status_ != ARES_SUCCESS) {
        post_answer(std::move(handler),
                    make_failed_answer(errc::name_failed, name, ares_strerror(open_status_)));
        return;
    }
    if (jobs_.size() == max_pending_lookups) {
        post_answer(std::move(handler),
                    make_failed_answer(errc::name_failed, name, "too many lookups are under way"));
        return;
    }
    const std::uint64_t id = ++last_job_;
    lookup_job& job = jobs_.try_emplace(id, name, std::move(handler)).first->second;
    for (family_query& query : job.queries) {
        query.owner = this;
        query.job = id;
    }
    ares_addrinfo_hints hints{};
    hints.ai_socktype = SOCK_STREAM;
    for (const int family : {AF_INET6, AF_INET}) {
        hints.ai_family = family;
        family_query& query = job.queries[family == AF_INET6 ? 0 : 1];
        // Both may be answered inside; the job ends only with the second.
        ares_getaddrinfo(handle_, name.c_str(), nullptr, &hints, &channel::on_addresses, &query);
    }
    check_memory();
    // An address that is here already came from /etc/hosts, and then that is the answer.
    if (const auto still = jobs_.find(id); still != jobs_.end()) {
        for (const family_query& query : still->second.queries) {
            if (!query.addresses.empty()) answer(still->second);
        }
    }
    arm_timer();
}

void channel::close() {
    if (is_closed_) return;
    is_closed_ = true;
    timer_.cancel();
    // Calls back every query (ARES_EDESTRUCTION) and every socket.
    if (handle_ != nullptr) ares_destroy(handle_);
    handle_ = nullptr;
    jobs_.clear();
    sockets_.clear();
}

void channel::on_socket_state(void* self, ares_socket_t number, int readable, int writable) {
    auto& owner = *static_cast<channel*>(self);
    try {
        owner.watch(number, readable != 0, writable != 0);
    } catch (const std::bad_alloc&) {
        owner.lacked_memory_ = true;
    }
}

void channel::watch(ares_socket_t number, bool wants_read, bool wants_write) {
    if (!wants_read && !wants_write) {  // c-ares is about to close it.
        if (const auto found = sockets_.extract(number)) {
            if (found.mapped()->descriptor.is_open()) found.mapped()->descriptor.release();
        }
        return;
    }
    const auto known = sockets_.find(number);
    std::shared_ptr<watched_socket> socket = known != sockets_.end() ? known->second : nullptr;
    if (!socket) {
        socket = std::make_shared<watched_socket>(
            watched_socket{asio::posix::stream_descriptor(executor_), number});
        sockets_.emplace(number, socket);
        boost::system::error_code error;
        // On failure it is looked at from time to time: c-ares uses it for later queries, too.
        (void)socket->descriptor.assign(number, error);
    }
    socket->wants_read = wants_read;
    socket->wants_write = wants_write;
    arm(socket);
}

void channel::arm(const std::shared_ptr<watched_socket>& socket) {
    using asio::posix::descriptor_base;
    if (!socket->descriptor.is_open()) return;
    if (socket->wants_read && !socket->is_reading) {
        socket->is_reading = true;
        socket->descriptor.async_wait(
            descriptor_base::wait_read,
            [self = shared_from_this(), socket](const boost::system::error_code& error) {
                self->on_ready(socket, true, error);
            });
    }
    if (socket->wants_write && !socket->is_writing) {
        socket->is_writing = true;
        socket->descriptor.async_wait(
            descriptor_base::wait_write,
            [self = shared_from_this(), socket](const boost::system::error_code& error) {
                self->on_ready(socket, false, error);
            });
    }
}

void channel::on_ready(const std::shared_ptr<watched_socket>& socket, bool is_read,
                       const boost::system::error_code& error) {
    (is_read ? socket->is_reading : socket->is_writing) = false;
    if (error || is_closed_) return;
    const auto is_watched = [&] {
        const auto found = sockets_.find(socket->number);
        return found != sockets_.end() && found->second == socket;
    };
    // The number may belong to a newer socket by now.
    if (!is_watched()) return;
    ares_process_fd(handle_, is_read ? socket->number : ARES_SOCKET_BAD,
                    is_read ? ARES_SOCKET_BAD : socket->number);
    check_memory();
    if (is_watched()) arm(socket);
    arm_timer();
}

void channel::arm_timer() {
    timeval until{};
    if (ares_timeout(handle_, nullptr, &until) == nullptr) {
        timer_.cancel();
        return;
    }
    const std::chrono::microseconds left =
        seconds(until.tv_sec) + std::chrono::microseconds(until.tv_usec);
    timer_.expires_after(is_blind() ? std::min<std::chrono::microseconds>(left, blind_pause)
                                    : left);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error || self->is_closed_) return;
        self->look_at_unwatched();
        ares_process_fd(self->handle_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        self->check_memory();
        self->arm_timer();
    });
}

bool channel::is_blind() const {
    return std::any_of(sockets_.begin(), sockets_.end(),
                       [](const auto& one) { return !one.second->descriptor.is_open(); });
}

void channel::look_at_unwatched() {
    if (!is_blind()) return;
    std::vector<ares_socket_t> unwatched;
    for (const auto& [number, socket] : sockets_) {
        boost::system::error_code error;
        if (!socket->descriptor.is_open()) (void)socket->descriptor.assign(number, error);
        if (socket->descriptor.is_open()) {
            arm(socket);
        } else {
            unwatched.push_back(number);
        }
    }
    // They do not block.
    for (const ares_socket_t number : unwatched) ares_process_fd(handle_, number, number);
}

void channel::on_addresses(void* raw, int status, int, ares_addrinfo* result) {
    const addrinfo_ptr owned(result);
    family_query& query = *static_cast<family_query*>(raw);
    channel& self = *query.owner;
    if (self.is_closed_) return;
    query.is_answered = true;
    query.status = status;
    try {
        self.take_addresses(query, status, owned.get());
        self.on_family_answered(self.jobs_.at(query.job));
    } catch (const std::bad_alloc&) {
        self.lacked_memory_ = true;
    }
}

void channel::take_addresses(family_query& query, int status, const ares_addrinfo* result) {
    if (result == nullptr || status != ARES_SUCCESS) return;
    seconds ttl = seconds::max();
    for (const ares_addrinfo_node* node = result->nodes; node; node = node->ai_next) {
        query.addresses.push_back(to_address(*node->ai_addr));
        ttl = std::min(ttl, seconds(node->ai_ttl));
    }
    for (const ares_addrinfo_cname* one = result->cnames; one; one = one->next) {
        ttl = std::min(ttl, seconds(one->ttl));
    }
    query.ttl = ttl;
    if (query.addresses.empty()) query.status = ARES_ENODATA;
}

void channel::on_family_answered(lookup_job& job) {
    const std::uint64_t id = job.queries[0].job;
    if (job.queries[0].is_answered && job.queries[1].is_answered) {
        answer(job);
        jobs_.erase(id);
        return;
    }
    const bool has_addresses =
        !job.queries[0].addresses.empty() || !job.queries[1].addresses.empty();
    if (!has_addresses) return;
    job.patience = std::make_unique<asio::steady_timer>(executor_, resolution_delay);
    job.patience->async_wait(
        [self = shared_from_this(), id](const boost::system::error_code& error) {
            if (error || self->is_closed_) return;
            if (const auto found = self->jobs_.find(id); found != self->jobs_.end()) {
                self->answer(found->second);
            }
        });
}

void channel::answer(lookup_job& job) {
    if (!job.handler) return;
    name_answer result;
    bool is_partial = false;
    int failure_status = ARES_SUCCESS;
    for (const family_query& query : job.queries) {
        if (!query.is_answered || !(query.status == ARES_SUCCESS || is_definite(query.status))) {
            is_partial = true;
            failure_status = query.status;
        } else if (query.status != ARES_SUCCESS && failure_status == ARES_SUCCESS) {
            failure_status = query.status;
        }
        if (query.addresses.empty()) continue;
        result.ttl = result.addresses.empty() ? query.ttl : std::min(result.ttl, query.ttl);
        result.addresses.insert(result.addresses.end(), query.addresses.begin(),
                                query.addresses.end());
    }
    if (result.addresses.empty()) {
        if (is_partial && is_out_of_descriptors()) {  // c-ares says that no server was reached
            result = make_starved_answer(job.name);
        } else {
            const errc code = is_partial ? errc::name_failed : errc::name_not_found;
            result = make_failed_answer(code, job.name, ares_strerror(failure_status));
        }
    } else {
        const address_list& v6 = job.queries[0].addresses;
        const address_list& v4 = job.queries[1].addresses;
        if (!v6.empty() && !v4.empty() && is_v4_first(v6.front(), v4.front())) {
            const auto first_v4 = result.addresses.begin() + static_cast<std::ptrdiff_t>(v6.size());
            std::rotate(result.addresses.begin(), first_v4, result.addresses.end());
        }
        result.addresses = interleave_families(result.addresses);
        if (is_partial) result.ttl = seconds(0);  // Ask again soon for the other family.
    }
    post_answer(std::exchange(job.handler, nullptr), std::move(result));
}

void channel::post_answer(name_handler handler, name_answer result) {
    asio::post(executor_, [self = shared_from_this(), handler = std::move(handler),
                           result = std::move(result)]() mutable {
        if (!self->is_closed_) handler(std::move(result));
    });
}

class cares_lookup final : public name_lookup {
public:
    cares_lookup(asio::any_io_executor executor, const dns_config& config)
        : channel_(std::make_shared<channel>(std::move(executor), config)) {
        channel_->open();
    }
    ~cares_lookup() override { channel_->close(); }
    cares_lookup(const cares_lookup&) = delete;
    cares_lookup& operator=(const cares_lookup&) = delete;

    void start(const std::string& name, name_handler handler) override {
        channel_->start(name, std::move(handler));
    }

private:
    const std::shared_ptr<channel> channel_;
};

}  // namespace

std::unique_ptr<name_lookup> make_cares_lookup(asio::any_io_executor executor,
                                               const dns_config& config) {
    return std::make_unique<cares_lookup>(std::move(executor), config);
}

}  // namespace hearth::io
