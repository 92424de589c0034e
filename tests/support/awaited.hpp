// What tests of the client wait with: completions that are counted and awaited with a bound, and
// claims that are looked at again and again until they hold.
#pragma once

#include <poll.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "hearth/hearth.hpp"

namespace hearth::support {

/// Far above what anything here takes, also under sanitizers on a busy machine.
inline constexpr std::chrono::seconds patience{60};

/// True as soon as `claim` is; false when it did not become so.
template <class Claim>
[[nodiscard]] bool eventually(Claim claim) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!claim()) {
        if (std::chrono::steady_clock::now() > end) return false;
        ::poll(nullptr, 0, 1);
    }
    return true;
}

/// A completion that handlers report to, from any thread. Copies share it.
template <class... Values>
class awaited {
public:
    /// A handler that takes the values; it may outlive this object.
    [[nodiscard]] auto handler() const {
        return [state = state_](Values... values) {
            const std::lock_guard lock(state->mutex);
            ++state->count;
            if (!state->values) state->values.emplace(std::move(values)...);
            state->arrived.notify_all();
        };
    }
    /// The values of the first completion; throws when none comes.
    [[nodiscard]] std::tuple<Values...>& wait() const {
        std::unique_lock lock(state_->mutex);
        if (!state_->arrived.wait_for(lock, patience, [&] { return state_->count != 0; })) {
            throw std::runtime_error("an operation did not complete");
        }
        return *state_->values;
    }
    /// Completions so far: never more than one of a sound client.
    [[nodiscard]] unsigned count() const {
        const std::lock_guard lock(state_->mutex);
        return state_->count;
    }
    [[nodiscard]] auto& error() const { return std::get<0>(wait()); }
    [[nodiscard]] auto& value() const { return std::get<1>(wait()); }

private:
    struct state_type {
        std::mutex mutex;
        std::condition_variable arrived;
        std::optional<std::tuple<Values...>> values;
        unsigned count = 0;
    };
    std::shared_ptr<state_type> state_ = std::make_shared<state_type>();
};

using awaited_response = awaited<boost::system::error_code, response>;
using awaited_exchange = awaited<boost::system::error_code, exchange>;
using awaited_head = awaited<boost::system::error_code, response_head>;
using awaited_size = awaited<boost::system::error_code, std::size_t>;
using awaited_done = awaited<boost::system::error_code>;

/// Begins a call; its completion is in what is returned.
[[nodiscard]] inline awaited_response begin_send(client& from, request what) {
    awaited_response result;
    from.async_send(std::move(what), result.handler());
    return result;
}

/// Opens an exchange and waits for it.
[[nodiscard]] inline exchange open(client& from, request what) {
    awaited_exchange result;
    from.async_open(std::move(what), result.handler());
    if (result.error()) throw boost::system::system_error(result.error());
    return std::move(result.value());
}

[[nodiscard]] inline awaited_size begin_read(exchange& from, boost::asio::mutable_buffer into) {
    awaited_size result;
    from.async_read_some(into, result.handler());
    return result;
}

[[nodiscard]] inline awaited_size begin_write(exchange& to, boost::asio::const_buffer bytes) {
    awaited_size result;
    to.async_write_some(bytes, result.handler());
    return result;
}

[[nodiscard]] inline boost::system::error_code finish(exchange& what, headers trailers = {}) {
    awaited_done result;
    what.async_finish(std::move(trailers), result.handler());
    return result.error();
}

[[nodiscard]] inline awaited_head read_head(exchange& from) {
    awaited_head result;
    from.async_read_head(result.handler());
    return result;
}

/// The body to its end; `error` is what ended it (eof, if all is well).
[[nodiscard]] inline std::string read_body(exchange& from, boost::system::error_code& error) {
    std::string body;
    std::string piece(16 * 1024, '\0');
    for (error = {}; !error;) {
        const awaited_size read = begin_read(from, boost::asio::buffer(piece));
        error = read.error();
        body.append(piece, 0, read.value());
    }
    return body;
}

}  // namespace hearth::support
