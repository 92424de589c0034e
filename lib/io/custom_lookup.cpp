// Names by a hook of the caller's, which may answer at once or later, on any thread.

#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <new>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <utility>

#include "io/answer_box.hpp"
#include "io/name_lookup.hpp"

namespace hearth::io {
namespace {

namespace asio = boost::asio;

name_answer to_answer(const std::string& name, name_result from) {
    if (from.error) {
        const errc code =
            from.error == errc::name_not_found ? errc::name_not_found : errc::name_failed;
        name_answer failed = make_failed_answer(code, name, from.error.message());
        if (!from.detail.empty()) failed.detail = std::move(from.detail);
        return failed;
    }
    if (from.addresses.empty()) {
        return make_failed_answer(errc::name_not_found, name, "it has no address");
    }
    if (from.addresses.size() > max_addresses) from.addresses.resize(max_addresses);
    return {{}, {}, std::move(from.addresses), from.ttl};
}

name_result make_failed_result(const std::string& name, const std::string& reason) {
    return {make_error_code(errc::name_failed), "'" + name + "': " + reason + ".", {}, {}};
}

// What timers may outlive.
class hook_desk : public std::enable_shared_from_this<hook_desk> {
public:
    hook_desk(const asio::any_io_executor& executor, name_hook hook,
              std::chrono::milliseconds patience)
        : executor_(executor),
          hook_(std::move(hook)),
          patience_(patience),
          box_(std::make_shared<box_type>(executor)) {}

    void start(const std::string& name, name_handler handler) {
        const bool is_full = box_->size() >= max_pending_lookups;
        const std::uint64_t number = box_->add([this, name, number = box_->next_number(),
                                                handler = std::move(handler)](name_result result) {
            jobs_.erase(number);
            handler(to_answer(name, std::move(result)));
        });
        if (is_full) {
            box_->deliver(number, make_failed_result(name, "too many lookups are under way"));
            return;
        }
        try {
            begin_job(number, name);
        } catch (const std::bad_alloc&) {
            jobs_.erase(number);
            box_->forget(number);  // which keeps the executor running
            throw;
        }
    }

    void close() {
        box_->shut();
        for (auto& [number, one] : std::exchange(jobs_, {})) one.stop.request_stop();
    }

private:
    using box_type = answer_box<name_result>;
    struct job {
        explicit job(const asio::any_io_executor& executor) : patience(executor) {}
        std::stop_source stop;
        asio::steady_timer patience;
    };

    void begin_job(std::uint64_t number, const std::string& name) {
        job& one = jobs_.try_emplace(number, executor_).first->second;
        one.patience.expires_after(patience_);
        one.patience.async_wait([weak = weak_from_this(), number, name](boost::system::error_code) {
            if (const auto self = weak.lock()) self->give_up(number, name);
        });
        call(number, name, one.stop.get_token());
    }
    void call(std::uint64_t number, const std::string& name, std::stop_token stop) {
        const auto done = [box = box_, number](name_result result) {
            box->deliver(number, std::move(result));
        };
        try {
            hook_(name, std::move(stop), done);
        } catch (const std::exception& thrown) {
            done(make_failed_result(name, std::string("dns.hook threw: ") + thrown.what()));
        } catch (...) {
            done(make_failed_result(name, "dns.hook threw"));
        }
    }
    // Too late for a job that was answered.
    void give_up(std::uint64_t number, const std::string& name) {
        const auto found = jobs_.find(number);
        if (found == jobs_.end()) return;
        std::stop_source stop = found->second.stop;
        box_->deliver(number, make_failed_result(name, "dns.hook did not answer in time"));
        stop.request_stop();
    }

    const asio::any_io_executor executor_;
    const name_hook hook_;
    const std::chrono::milliseconds patience_;
    const std::shared_ptr<box_type> box_;
    std::unordered_map<std::uint64_t, job> jobs_;
};

class custom_lookup final : public name_lookup {
public:
    explicit custom_lookup(std::shared_ptr<hook_desk> desk) : desk_(std::move(desk)) {}
    ~custom_lookup() override { desk_->close(); }
    custom_lookup(const custom_lookup&) = delete;
    custom_lookup& operator=(const custom_lookup&) = delete;

    void start(const std::string& name, name_handler handler) override {
        desk_->start(name, std::move(handler));
    }

private:
    const std::shared_ptr<hook_desk> desk_;
};

}  // namespace

std::unique_ptr<name_lookup> make_custom_lookup(const asio::any_io_executor& executor,
                                                name_hook hook,
                                                std::chrono::milliseconds patience) {
    return std::make_unique<custom_lookup>(
        std::make_shared<hook_desk>(executor, std::move(hook), patience));
}

}  // namespace hearth::io
