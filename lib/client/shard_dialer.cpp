// shard, dialers: connections whose byte streams a dialer of the caller's opens. It stands in for
// one attempt to connect; what it gives is a socket that is connected already.
#include <exception>
#include <new>
#include <utility>

#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

void shard::begin_dialer(link& l, std::uint32_t attempt) {
    if (!dialed_) dialed_ = std::make_shared<io::answer_box<dialed>>(executor_);
    const std::uint64_t ticket = dialed_->add([weak = weak_from_this(), id = l.id, attempt,
                                               number = dialed_->next_number()](dialed what) {
        const auto self = weak.lock();
        if (!self) return;
        self->enter([&] { self->on_dialed(id, attempt, number, std::move(what)); });
    });
    l.dialer = std::make_unique<dialer_call>(ticket);
    const auto deliver = [box = dialed_, ticket](dialed what) {
        try {
            box->deliver(ticket, std::move(what));
        } catch (const std::bad_alloc&) {  // timeouts.connect ends the dial
        }
    };
    const auto done = [deliver](error_code error, int descriptor) {
        deliver({error, {}, io::owned_descriptor(error ? -1 : descriptor)});
    };
    const pool_key& key = origins_[l.origin.index].key;
    std::string thrown = "The dialer threw.";
    try {
        const auto& dialer = *key.route.dialer;
        dialer.dial(first_host(key), first_port(key), l.dialer->token(), done);
        return;
    } catch (const std::exception& error) {
        thrown = std::string("The dialer threw: ") + error.what() + ".";
    } catch (...) {  // the sentence is there
    }
    deliver({make_error_code(errc::connect_failed), std::move(thrown), io::owned_descriptor()});
}

void shard::on_dialed(connection_id id, std::uint32_t attempt, std::uint64_t ticket,
                      dialed result) {
    link* l = find_link(id);
    if (l == nullptr || !l->dialer || l->dialer->ticket() != ticket) return;
    l->dialer->answer();
    l->dialer.reset();
    if (!result.error) {
        l->driver.connect(attempt, std::move(result.descriptor));
        return;
    }
    if (!result.detail.empty()) l->connect_detail += result.detail + " ";
    attempt_failed_to_connect(*l, attempt, result.error);
}

/// Nobody wants its connection any more.
void shard::stop_dialer(link& l) {
    if (!l.dialer) return;
    dialed_->forget(l.dialer->ticket());
    l.dialer.reset();
}

}  // namespace hearth::detail
