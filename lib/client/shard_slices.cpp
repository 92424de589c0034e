// shard, handshake slices: the CPU steps of handshakes that core hands out one by one, run here or
// on a thread of their own, and the octets that are stored for them meanwhile.
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>
#include <chrono>
#include <utility>

#include "client/handshake_workers.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

namespace asio = boost::asio;

namespace {

// A handshake that was sent more than this without being given a slice is not read further.
constexpr std::size_t max_stored_handshake = 128 * 1024;

}  // namespace

slice_kind shard::kind_of_slice(const link& l, const proto::tls_engine& handshake) {
    if (!l.flight_reported) return slice_kind::hello;
    return handshake.is_resuming() ? slice_kind::resumed_flight : slice_kind::full_flight;
}

void shard::run_slices() {
    slices_posted_ = false;
    if (!is_starved_) core_.on_turn(now_);
}

void shard::run_slice(connection_id id) {
    link* l = find_link(id);
    if (l == nullptr) return;
    if (l->question) {  // the answer of the caller's verifier opens the next slice
        core_.on_slice_done(now_, id, base::duration::zero(), core::slice_outcome::waiting);
        return;
    }
    if (l->proxy_tls) return step_proxy_tls(*l);
    if (settings_.handshake_threads) return send_slice(*l);
    const auto timed = slice_clock_.start(kind_of_slice(*l, *l->wire->tls()));
    const proto::tls_step step = l->wire->step();
    finish_slice(*l, step, slice_clock_.stop(timed));
}

/// To a thread for handshakes. The engine goes with it: until it is back the link has nothing to
/// read into or to write from, and may be closed.
void shard::send_slice(link& l) {
    struct slice {
        std::shared_ptr<shard> owner;
        asio::any_io_executor keeps_running;
        connection_id id;
        std::unique_ptr<proto::connection> wire;
        proto::tls_step step{};
        std::chrono::nanoseconds cost{};
    };
    auto work = std::make_shared<slice>();
    work->owner = shared_from_this();
    work->keeps_running = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
    work->id = l.id;
    work->wire = std::move(l.wire);
    settings_.handshake_threads->post([work = std::move(work)] {
        const auto before = thread_cpu();
        work->step = work->wire->step();
        work->cost = thread_cpu() - before;
        work->owner->submit_late([work] {
            shard& self = *work->owner;
            link* back = self.find_link(work->id);
            if (back == nullptr) return;  // closed meanwhile: core has forgotten it
            back->wire = std::move(work->wire);
            self.finish_slice(*back, work->step, work->cost);
        });
    });
}

void shard::finish_slice(link& l, proto::tls_step step, base::duration cost) {
    const connection_id id = l.id;
    touch(l);
    switch (step) {
        case proto::tls_step::want_input:
            core_.on_slice_done(now_, id, cost, core::slice_outcome::waiting);
            l.flight_reported = false;
            if (l.wire->is_peer_closed()) {
                // A lost connection, not a refusal: core may wait it out, as it does a failed
                // connect.
                dial_failed(l, core::dial_failure::connect_failed, errc::handshake_failed,
                            "The peer closed the connection during the TLS handshake.");
                return;
            }
            l.driver.wait_readable();
            report_need(l);
            return;
        case proto::tls_step::more:
            core_.on_slice_done(now_, id, cost, core::slice_outcome::more);
            return;
        case proto::tls_step::done:
            core_.on_slice_done(now_, id, cost, core::slice_outcome::done);
            become_ready(l);
            return;
        case proto::tls_step::want_verdict:
            core_.on_slice_done(now_, id, cost, core::slice_outcome::waiting);
            ask_verifier(l, *l.wire->tls());
            return;
        case proto::tls_step::failed: break;
    }
    core_.on_slice_done(now_, id, cost, core::slice_outcome::failed);
    const errc code = l.wire->tls()->error_code();
    dial_failed(l, failure_of(code), code, l.wire->tls()->error_detail());
}

/// Bytes of a handshake are stored only; core hears that there is something to do.
void shard::read_handshake(link& l) {
    if (l.proxy_tls) return read_proxy_tls(l);
    if (l.tunnel) return read_tunnel(l);
    if (!l.wire) return;
    const io::io_result result = l.driver.read(receive_buffer_);
    if (result.status == io::io_status::ok) {
        l.wire->receive(std::span(receive_buffer_).first(result.size));
        l.wire->retain();
    } else if (result.status != io::io_status::would_block) {
        l.wire->on_peer_closed(result.status == io::io_status::failed);
    }
    report_need(l);
    if (!l.wire->is_peer_closed() && l.wire->tls()->pending_input() < max_stored_handshake) {
        l.driver.wait_readable();
    }
}

void shard::report_need(link& l) {
    if (l.flight_reported || !l.wire->can_step()) return;
    l.flight_reported = true;
    core_.on_handshake_need(now_, l.id, core::handshake_need::flight);
}

}  // namespace hearth::detail
