// shard, decoding: response bodies whose content coding is undone on their way to the caller.
//
// A whole body is decoded as it arrives, through one buffer of the shard. Of a streamed one the
// encoded octets wait, at most one receive of them, and are decoded straight into the reader's
// buffer: a slow reader holds no more memory than without decoding.
#include <utility>

#include "client/decoding.hpp"
#include "client/shard.hpp"
#include "client/shard_turn.hpp"

namespace hearth::detail {

using boost::system::error_code;

namespace {

// What an encoded body may have above its limit: headers of codings, members that are empty.
constexpr std::uint64_t coding_overhead_bytes = 64 * 1024;

}  // namespace

/// False: the response was refused.
bool shard::start_decoding(live_exchange& x, response_head& head) {
    error_code error;
    auto made = begin_decoding(x.what, head, config_.decode, error);
    if (error) {
        fail_assigned(x.id, error,
                      error == errc::out_of_memory
                          ? std::string(no_memory_to_decode)
                          : "The response body has more content codings than decode.max_codings.");
        return false;
    }
    if (!made) return true;
    (x.control ? x.control->decoding : x.decoding) = std::move(made);
    return true;
}

void shard::decode_whole(live_exchange& x, std::span<const std::byte> data) {
    decode_buffer_.resize(decode_buffer_bytes);
    const std::uint64_t limit = x.what.max_body_bytes.value_or(config_.max_body_bytes);
    for (;;) {
        const auto step = x.decoding->decode(data, decode_buffer_);
        data = data.subspan(step.consumed);
        const std::uint64_t encoded = x.decoding->consumed();
        if (step.produced > limit - x.result.body.size() ||
            (encoded > limit && encoded - limit > coding_overhead_bytes)) {
            fail_assigned(x.id, errc::body_limit,
                          "The response body is, decoded, larger than the limit of " +
                              std::to_string(limit) + " octets.");
            return;
        }
        x.result.body.append(reinterpret_cast<const char*>(decode_buffer_.data()), step.produced);
        if (step.error) {
            fail_assigned(x.id, step.error, std::string(x.decoding->detail()));
            return;
        }
        if (data.empty() && step.produced != decode_buffer_.size()) break;
    }
    set_phase(x, x.id, config_.timeouts.body_idle, errc::body_idle_timeout);
}

/// The response has ended: the error, if a body that is collected did not end as its coding should.
error_code shard::end_decoding(live_exchange& x) {
    if (!x.decoding) return {};
    const error_code error = x.decoding->end();
    if (error) describe_failure(x, error, std::string(x.decoding->detail()));
    return error;
}

/// Decodes what there is for the reader that waits. 0: nothing, or the exchange failed, and the
/// reader was told.
std::size_t shard::decode_next(exchange_control& control, std::span<std::byte> room) {
    const auto step = control.decoding->decode(control.unread.data(), room);
    control.unread.consume(step.consumed);
    control.unread.release();
    if (step.produced != 0) return step.produced;
    error_code error = step.error;
    if (!error && control.response_ended) error = control.decoding->end();
    if (error) fail_reader(control, error, control.decoding->detail());
    return 0;
}

/// Serves the reader that waits. False: there is nothing for it but the end, or the next receive.
bool shard::serve_decoded(exchange_control& control) {
    if (control.final_error) return false;
    auto* const room = static_cast<std::byte*>(control.read_buffer.data());
    const std::size_t size = decode_next(control, {room, control.read_buffer.size()});
    if (size == 0) return !control.read;
    complete<error_code, std::size_t>(std::move(control.read), error_code{}, size);
    return true;
}

}  // namespace hearth::detail
