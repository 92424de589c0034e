// `origin`: a server whose connections speak HTTP, with built-in paths and custom handlers.
#include "hearth/testing/origin.hpp"

#include <exception>
#include <utility>

#include "testing/builtin_paths.hpp"
#include "testing/negotiated_session.hpp"
#include "testing/router.hpp"
#include "testing/server.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {
namespace {

void call_handler(const internal::route& found, const std::shared_ptr<internal::exchange>& owner) {
    responder handle(owner);  // outlives the handler's: its failure is answered here
    owner->gather([&] {
        try {
            found.answer(owner->request(), handle);
        } catch (const std::exception& error) {
            owner->fail({.status = 500, .body = std::string(error.what()) + "\n"});
        }
    });
}

}  // namespace

struct origin::state {
    explicit state(origin_options options)
        : context{std::move(options), {}, [this](const auto& owner) { serve(owner); }},
          server(context.options.listen, [this](internal::connection& owner) {
              return internal::make_session(owner, context);
          }) {}

    void serve(const std::shared_ptr<internal::exchange>& owner) {
        const std::size_t limit = context.options.max_body_bytes;
        const auto found = routes.find(owner->request().path);
        if (!found) return internal::serve_builtin_path(owner, limit);
        if (found->call == handler_call::after_head) return call_handler(*found, owner);
        owner->collect_body(
            limit, [found, raw = owner.get()] { call_handler(*found, raw->shared_from_this()); });
    }

    internal::router routes;
    internal::session_context context;
    internal::server server;  // last: its threads use the others
};

origin::origin(origin_options options) : state_(std::make_unique<state>(std::move(options))) {}
origin::~origin() = default;

std::uint16_t origin::port() const noexcept { return state_->server.port(); }
std::string origin::url(std::string_view path) const { return state_->server.url(path); }
const std::string& origin::ca_pem() const noexcept { return state_->server.ca_pem(); }
origin_counters origin::counters() const { return state_->server.counts().snapshot(); }

void origin::on(std::string path, handler answer, handler_call call) {
    state_->routes.set(std::move(path), {std::move(answer), call});
}

void origin::watch(std::chrono::milliseconds interval,
                   std::function<void(const origin_counters&)> hook) {
    state_->server.watch(interval, std::move(hook));
}

void origin::stop() { state_->server.stop(); }
void origin::restart(std::chrono::milliseconds downtime) { state_->server.restart(downtime); }
void origin::drain_all_connections() { state_->server.drain_all_connections(); }
void origin::close_all_connections(close_kind kind) { state_->server.close_all_connections(kind); }

void origin::stall(std::chrono::nanoseconds window) {
    state_->context.knobs.stall(internal::clock::now(), window);
}

void origin::stall(std::chrono::nanoseconds window, std::chrono::nanoseconds slow) {
    state_->context.knobs.slow_down(internal::clock::now(), window, slow);
}

void origin::set_latency(std::chrono::nanoseconds latency) {
    state_->context.knobs.set_latency(latency);
}

void origin::set_refusing(bool is_refusing) { state_->server.set_refusing(is_refusing); }
void origin::set_silent(bool is_silent) { state_->server.set_silent(is_silent); }

}  // namespace testing
HEARTH_END_NAMESPACE
