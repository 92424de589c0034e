// Names by getaddrinfo, on the threads of a pool: for systems where nsswitch matters.
//
// getaddrinfo cannot be cancelled. So handlers and executor stay on the shard's side, and the pool
// has numbers and names only.

#include <memory>
#include <new>
#include <utility>

#include "io/answer_box.hpp"
#include "io/name_lookup.hpp"
#include "io/system_pool.hpp"

namespace hearth::io {
namespace {

class system_lookup final : public name_lookup {
public:
    system_lookup(boost::asio::any_io_executor executor, std::shared_ptr<system_pool> pool)
        : pool_(std::move(pool)), box_(std::make_shared<box_type>(std::move(executor))) {}
    ~system_lookup() override { box_->shut(); }
    system_lookup(const system_lookup&) = delete;
    system_lookup& operator=(const system_lookup&) = delete;

    void start(const std::string& name, name_handler handler) override {
        const bool is_full = box_->size() >= max_pending_lookups;
        const std::uint64_t number = box_->add(std::move(handler));
        if (is_full) {
            box_->deliver(number, make_failed_answer(errc::name_failed, name,
                                                     "too many lookups are under way"));
            return;
        }
        try {
            pool_->ask(name, [box = box_, number](const name_answer& answer) {
                box->deliver(number, answer);
            });
        } catch (const std::bad_alloc&) {
            box_->forget(number);  // which keeps the executor running
            throw;
        }
    }

private:
    using box_type = answer_box<name_answer>;

    const std::shared_ptr<system_pool> pool_;
    const std::shared_ptr<box_type> box_;
};

}  // namespace

std::unique_ptr<name_lookup> make_system_lookup(boost::asio::any_io_executor executor,
                                                std::shared_ptr<system_pool> pool) {
    return std::make_unique<system_lookup>(std::move(executor), std::move(pool));
}

}  // namespace hearth::io
