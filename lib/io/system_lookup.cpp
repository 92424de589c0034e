// Names by getaddrinfo, on one background thread: for systems where nsswitch matters.
//
// getaddrinfo cannot be cancelled and may take minutes. So handlers and executor stay on the
// shard's side; the thread has numbers and names only, in a mailbox that outlives both. A destroyed
// lookup shuts the mailbox and leaves a busy thread to end by itself.

#include <netdb.h>
#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "io/name_lookup.hpp"
#include "io/socket_setup.hpp"

namespace hearth::io {
namespace {

namespace asio = boost::asio;

struct addrinfo_deleter {
    void operator()(addrinfo* info) const { ::freeaddrinfo(info); }
};

name_answer ask_system(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    const int status = ::getaddrinfo(name.c_str(), nullptr, &hints, &raw);
    const int system_error = errno;
    const std::unique_ptr<addrinfo, addrinfo_deleter> found(raw);
    // The C library may take that for a name that does not exist.
    if (status != 0 && is_out_of_descriptors()) return make_starved_answer(name);
    if (status == EAI_NONAME || status == EAI_NODATA) {
        return make_failed_answer(errc::name_not_found, name, ::gai_strerror(status));
    }
    if (status != 0) {
        return make_failed_answer(
            errc::name_failed, name,
            status == EAI_SYSTEM ? std::error_code(system_error, std::system_category()).message()
                                 : ::gai_strerror(status));
    }
    name_answer result;
    for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
        asio::ip::tcp::endpoint endpoint;
        if (one->ai_addrlen > endpoint.capacity()) continue;
        std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
        result.addresses.push_back(endpoint.address());
    }
    result.addresses = interleave_families(result.addresses);
    if (result.addresses.empty()) {
        return make_failed_answer(errc::name_not_found, name, "it has no address");
    }
    return result;
}

struct name_job {
    std::uint64_t number;
    std::string name;
};

// Between the shard and the thread.
class mailbox {
public:
    using deliver_type = std::function<void(std::uint64_t, name_answer)>;

    explicit mailbox(deliver_type deliver) : deliver_(std::move(deliver)) {}

    void push(name_job job) {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
        changed_.notify_one();
    }
    /// Returns true if the thread is idle and will end at once.
    bool shut() {
        const std::lock_guard lock(mutex_);
        is_shut_ = true;
        deliver_ = nullptr;
        jobs_.clear();
        changed_.notify_one();
        return !is_busy_;
    }
    /// The thread's whole life.
    void run() {
        while (auto job = pop()) {
            name_answer answer = ask_system(job->name);
            // Held while the answer is posted: the executor is only known to be alive until `shut`.
            const std::lock_guard lock(mutex_);
            is_busy_ = false;
            if (deliver_) deliver_(job->number, std::move(answer));
        }
    }

private:
    std::optional<name_job> pop() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_shut_ || !jobs_.empty(); });
        if (is_shut_) return std::nullopt;
        name_job job = std::move(jobs_.front());
        jobs_.pop_front();
        is_busy_ = true;
        return job;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<name_job> jobs_;
    deliver_type deliver_;
    bool is_shut_ = false;
    bool is_busy_ = false;
};

// The shard's side: handlers by number. While one waits, its executor has work to do, so that a
// context does not run dry meanwhile.
class waiting_handlers {
public:
    explicit waiting_handlers(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    std::uint64_t add(name_handler handler) {
        handlers_.emplace(++last_, entry{std::move(handler), asio::make_work_guard(executor_)});
        return last_;
    }
    void complete(std::uint64_t number, name_answer answer) {
        if (auto found = handlers_.extract(number)) found.mapped().handler(std::move(answer));
    }
    void clear() { handlers_.clear(); }
    [[nodiscard]] std::size_t size() const { return handlers_.size(); }

private:
    struct entry {
        name_handler handler;
        asio::executor_work_guard<asio::any_io_executor> work;
    };
    const asio::any_io_executor executor_;
    std::uint64_t last_ = 0;
    std::unordered_map<std::uint64_t, entry> handlers_;
};

class system_lookup final : public name_lookup {
public:
    explicit system_lookup(const asio::any_io_executor& executor)
        : executor_(executor), handlers_(std::make_shared<waiting_handlers>(executor)) {}
    ~system_lookup() override {
        handlers_->clear();
        if (!mailbox_) return;
        if (mailbox_->shut()) {
            thread_.join();
        } else {
            thread_.detach();
        }
    }
    system_lookup(const system_lookup&) = delete;
    system_lookup& operator=(const system_lookup&) = delete;

    void start(const std::string& name, name_handler handler) override {
        const bool is_full = handlers_->size() >= max_pending_lookups;
        const std::uint64_t number = handlers_->add(std::move(handler));
        if (is_full) {
            post(executor_, handlers_, number,
                 make_failed_answer(errc::name_failed, name, "too many lookups are under way"));
            return;
        }
        if (!mailbox_) start_thread();
        mailbox_->push({number, name});
    }

private:
    using handlers_ptr = std::shared_ptr<waiting_handlers>;

    static void post(const asio::any_io_executor& executor, const handlers_ptr& handlers,
                     std::uint64_t number, name_answer answer) {
        asio::post(executor, [handlers, number, answer = std::move(answer)]() mutable {
            handlers->complete(number, std::move(answer));
        });
    }

    void start_thread() {
        mailbox_ = std::make_shared<mailbox>(
            [executor = executor_, handlers = handlers_](std::uint64_t number, name_answer answer) {
                post(executor, handlers, number, std::move(answer));
            });
        thread_ = std::thread([box = mailbox_] { box->run(); });
    }

    const asio::any_io_executor executor_;
    const handlers_ptr handlers_;
    std::shared_ptr<mailbox> mailbox_;
    std::thread thread_;
};

}  // namespace

std::unique_ptr<name_lookup> make_system_lookup(asio::any_io_executor executor) {
    return std::make_unique<system_lookup>(executor);
}

}  // namespace hearth::io
