// The streams of an HTTP/2 connection, found by exchange and by stream id.
//
// A stream lives from `begin` until its last event was taken, or until its caller reset it; nghttp2
// may know it for longer or shorter. Beside them the ids of the last few that the peer ended are
// kept: a frame on those is a fault (RFC 9113 5.1), while one on a stream that was reset merely
// crossed. Used by h2_connection only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/byte_queue.hpp"
#include "base/id.hpp"
#include "hearth/headers.hpp"
#include "proto/h2_response.hpp"

namespace hearth::proto {

struct h2_stream {
    exchange_id exchange;
    std::int32_t id = 0;

    // The request.
    bool is_connect = false;        ///< Its body waits for the 2xx.
    bool is_body_finished = false;  ///< The caller has nothing more to give.
    bool has_trailers = false;      ///< The end is told by `finish_body`, whatever the length.
    bool is_head_sent = false;
    bool is_end_sent = false;
    bool is_deferred = false;                ///< nghttp2 does not ask for its body until resumed.
    bool wants_room = false;                 ///< The caller was told to wait.
    std::optional<std::uint64_t> body_left;  ///< What content-length still demands.
    base::byte_queue body;                   ///< Octets that wait for the peer's windows.
    std::uint64_t sent = 0;                  ///< Octets of the body that have left.
    headers trailers;

    // The response.
    h2_response response;
    std::uint64_t unconsumed = 0;  ///< Octets of data its caller holds.
    std::uint32_t window = 0;      ///< Its receive window.
    bool is_discarded = false;     ///< The caller wants the end alone.
    bool is_peer_ended = false;
    bool is_end_taken = false;  ///< A tunnel's `end` was given, its other direction goes on.
    bool is_over = false;       ///< Its last event is queued.

    [[nodiscard]] bool is_request_complete() const { return is_body_finished && body.empty(); }
};

class h2_stream_table {
public:
    h2_stream& add(exchange_id exchange, std::int32_t id);
    /// Null if there is none (any more).
    [[nodiscard]] h2_stream* find(exchange_id exchange) const;
    [[nodiscard]] h2_stream* find(std::int32_t id) const;
    void erase(h2_stream& stream);
    [[nodiscard]] std::size_t size() const { return size_; }

    /// Calls `visit(stream)` for each, in the order of their ids, so that what comes of it is the
    /// same everywhere. `visit` must not add or erase. Sorts: for rare occasions.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (h2_stream* const stream : in_order()) visit(*stream);
    }

    void note_ended(std::int32_t id);
    [[nodiscard]] bool was_ended(std::int32_t id) const;

private:
    static constexpr std::size_t remembered = 64;

    // Two hash tables, chained through the streams themselves.
    struct node final : h2_stream {
        std::unique_ptr<node> next_by_id;
        node* next_by_exchange = nullptr;
    };
    struct bucket {
        std::unique_ptr<node> by_id;
        node* by_exchange = nullptr;
    };
    // Ids are 1, 3, 5 ...; exchanges are places in a table, the lowest free ones first.
    [[nodiscard]] std::size_t place(std::int32_t id) const {
        return (static_cast<std::uint32_t>(id) >> 1U) & (buckets_.size() - 1);
    }
    [[nodiscard]] std::size_t place(exchange_id exchange) const {
        return exchange.index & (buckets_.size() - 1);
    }

    void file(std::unique_ptr<node> stream);
    void grow();
    [[nodiscard]] std::vector<h2_stream*> in_order() const;

    std::vector<bucket> buckets_ = std::vector<bucket>(8);  // always a power of two
    std::size_t size_ = 0;
    std::array<std::int32_t, remembered> ended_{};
    std::size_t next_ended_ = 0;
};

}  // namespace hearth::proto
