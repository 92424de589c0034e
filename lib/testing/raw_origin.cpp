// `raw_origin`: a server whose connections play scripts.
#include "hearth/testing/raw_origin.hpp"

#include <utility>

#include "testing/script_session.hpp"
#include "testing/server.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {

script_step expect_request() { return {.what = script_step::kind::expect_request}; }

script_step expect_octets(std::size_t size) {
    return {.what = script_step::kind::expect_octets, .size = size};
}

script_step expect_frame(unsigned type) {
    return {.what = script_step::kind::expect_frame, .frame_type = type};
}

script_step expect_end() { return {.what = script_step::kind::expect_end}; }

script_step send(std::string bytes) {
    return {.what = script_step::kind::send, .bytes = std::move(bytes)};
}

script_step drip(std::string bytes, std::size_t size, std::chrono::nanoseconds pause) {
    return {
        .what = script_step::kind::drip, .bytes = std::move(bytes), .size = size, .pause = pause};
}

script_step wait(std::chrono::nanoseconds duration) {
    return {.what = script_step::kind::wait, .pause = duration};
}

script_step new_ticket() { return {.what = script_step::kind::new_ticket}; }

script_step key_update() { return {.what = script_step::kind::key_update}; }

script_step close(close_kind kind) { return {.what = script_step::kind::close, .end = kind}; }

struct raw_origin::state {
    state(const listen_options& options, script_source source)
        : scripts(std::move(source)), server(options, [this](internal::connection& owner) {
              return std::make_unique<internal::script_session>(owner, scripts(owner.index()),
                                                                record);
          }) {}

    script_source scripts;
    internal::recorder record;
    internal::server server;  // last: its threads use the others
};

raw_origin::raw_origin(listen_options options, script_source scripts)
    : state_(std::make_unique<state>(options, std::move(scripts))) {}

raw_origin::raw_origin(listen_options options, script every_connection)
    : raw_origin(std::move(options),
                 [steps = std::move(every_connection)](std::uint64_t) { return steps; }) {}

raw_origin::~raw_origin() = default;

std::uint16_t raw_origin::port() const noexcept { return state_->server.port(); }
std::string raw_origin::url(std::string_view path) const { return state_->server.url(path); }
const std::string& raw_origin::ca_pem() const noexcept { return state_->server.ca_pem(); }
origin_counters raw_origin::counters() const { return state_->server.counts().snapshot(); }

std::string raw_origin::received(std::uint64_t connection) const {
    return state_->record.of(connection);
}

void raw_origin::stop() { state_->server.stop(); }

void raw_origin::close_all_connections(close_kind kind) {
    state_->server.close_all_connections(kind);
}

}  // namespace testing
HEARTH_END_NAMESPACE
