#include "io/system_pool.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "io/socket_setup.hpp"

namespace hearth::io {
namespace {

namespace asio = boost::asio;

struct addrinfo_deleter {
    void operator()(addrinfo* info) const { ::freeaddrinfo(info); }
};

}  // namespace

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
        asio::ip::tcp::endpoint where;
        if (one->ai_addrlen > where.capacity()) continue;
        std::memcpy(where.data(), one->ai_addr, one->ai_addrlen);
        result.addresses.push_back(where.address());
    }
    result.addresses = interleave_families(result.addresses);
    if (result.addresses.empty()) {
        return make_failed_answer(errc::name_not_found, name, "it has no address");
    }
    return result;
}

// What the pool and its threads share.
class system_pool::desk : public std::enable_shared_from_this<desk> {
public:
    using deliver_type = std::function<void(const name_answer&)>;

    desk(std::uint32_t threads, asker ask) : ask_(std::move(ask)), limit_(threads) {}

    void push(const std::string& name, deliver_type deliver) {
        if (const deliver_type left = take_in(name, std::move(deliver))) {
            left(make_failed_answer(errc::name_failed, name, "no thread can be started to ask"));
        }
    }

    void shut() {
        std::vector<worker> workers;
        {
            const std::lock_guard lock(mutex_);
            is_shut_ = true;
            wanted_.clear();
            queue_.clear();
            workers.swap(threads_);
        }
        changed_.notify_all();
        for (worker& one : workers) {
            if (one.is_busy) {
                one.thread.detach();
            } else {
                one.thread.join();
            }
        }
    }

private:
    struct worker {
        std::thread thread;
        bool is_busy = false;
    };

    // What it gives back nobody would ever call.
    deliver_type take_in(const std::string& name, deliver_type deliver) {
        const std::lock_guard lock(mutex_);
        const auto place = wanted_.try_emplace(name).first;
        const bool is_first = place->second.empty();  // else a thread has it, or will
        try {
            place->second.push_back(std::move(deliver));
            if (is_first) queue_.push_back(name);
        } catch (const std::bad_alloc&) {
            if (is_first) wanted_.erase(place);
            throw;
        }
        if (queue_.size() > idle_ && threads_.size() < limit_) add_thread();
        if (threads_.empty()) {  // then nothing else is wanted either
            deliver_type back = std::move(place->second.back());
            wanted_.clear();
            queue_.clear();
            return back;
        }
        changed_.notify_one();
        return {};
    }

    void add_thread() {
        const std::size_t index = threads_.size();
        try {
            threads_.emplace_back();
            threads_.back().thread =
                std::thread([self = shared_from_this(), index] { self->run(index); });
        } catch (const std::exception&) {  // no thread, or no memory
            // Those that are there do the work.
            if (threads_.size() > index) threads_.pop_back();
        }
    }
    // A thread's whole life.
    void run(std::size_t index) {
        while (const auto name = next(index)) {
            name_answer answer;
            try {
                answer = ask_(*name);
            } catch (const std::bad_alloc&) {
                answer.error = errc::name_failed;
            }
            for (const deliver_type& deliver : finish(index, *name)) {
                try {
                    deliver(answer);
                } catch (const std::bad_alloc&) {  // it is asked for again when that took too long
                }
            }
        }
    }
    std::optional<std::string> next(std::size_t index) {
        std::unique_lock lock(mutex_);
        ++idle_;
        changed_.wait(lock, [this] { return is_shut_ || !queue_.empty(); });
        --idle_;
        if (is_shut_) return std::nullopt;
        std::string name = std::move(queue_.front());
        queue_.pop_front();
        threads_[index].is_busy = true;
        return name;
    }
    std::vector<deliver_type> finish(std::size_t index, const std::string& name) {
        const std::lock_guard lock(mutex_);
        if (is_shut_) return {};
        threads_[index].is_busy = false;
        auto found = wanted_.extract(name);
        return found ? std::move(found.mapped()) : std::vector<deliver_type>{};
    }

    const asker ask_;
    const std::size_t limit_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::unordered_map<std::string, std::vector<deliver_type>> wanted_;
    std::deque<std::string> queue_;
    std::vector<worker> threads_;
    std::size_t idle_ = 0;
    bool is_shut_ = false;
};

system_pool::system_pool(std::uint32_t threads, asker ask)
    : desk_(std::make_shared<desk>(threads, std::move(ask))) {}

system_pool::~system_pool() { desk_->shut(); }

void system_pool::ask(const std::string& name, std::function<void(const name_answer&)> deliver) {
    desk_->push(name, std::move(deliver));
}

}  // namespace hearth::io
