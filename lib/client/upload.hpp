// upload: the body of one exchange, produced piece by piece in the order it is sent.
//
// Touched only on the exchange's shard. It borrows the request's body, which the exchange keeps
// alive. Pieces point into the caller's memory, into a scratch buffer of the shard (files), or into
// a buffer of its own (sources); a piece is consumed before the next is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hearth/body.hpp"

namespace hearth::detail {

enum class piece_status : std::uint8_t {
    ready,   ///< `bytes` are the next octets.
    end,     ///< The body is complete.
    pull,    ///< A source has to be pulled: `pull_buffer`, then `on_pulled`.
    wait,    ///< The caller, or a pull that is under way, has to give more.
    failed,  ///< `detail` says why.
};

struct upload_piece {
    piece_status status = piece_status::end;
    std::span<const std::byte> bytes;
};

class upload {
public:
    /// Octets a source is asked for at a time.
    static constexpr std::size_t pull_size = 64 * 1024;

    explicit upload(const body& what) : body_(&what) {}

    /// The next octets, `limit` at most. `scratch` holds what is read from a file.
    [[nodiscard]] upload_piece next(std::size_t limit, std::span<std::byte> scratch);

    // Files.
    /// What of the file is left to send; nothing if the body is no file.
    [[nodiscard]] std::optional<file_range> file_rest() const;
    /// That many octets of it were sent.
    void skip(std::uint64_t octets) { position_ += octets; }
    /// How it failed that the file had none of the octets that are left.
    void fail_short_file();

    // Sources.
    /// Where the next octets go; shared with the pull, which may outlive the exchange.
    [[nodiscard]] std::shared_ptr<std::vector<char>> pull_buffer();
    void on_pulled(std::size_t size, boost::system::error_code error);

    // Bodies streamed by the caller.
    void give(std::span<const std::byte> bytes) { given_ = bytes; }
    void give_end() { given_end_ = true; }
    /// True when everything given was taken.
    [[nodiscard]] bool wants_more() const { return given_.empty(); }
    /// True when the caller or a source still has to say something before the body can end.
    [[nodiscard]] bool is_streamed() const { return body_->is_streamed(); }

    /// True if the body can be produced again from its first octet.
    [[nodiscard]] bool is_replayable() const;
    /// Starts again; false if the body cannot.
    [[nodiscard]] bool rewind();

    [[nodiscard]] const std::string& detail() const { return detail_; }

private:
    upload_piece next_segment(const body::segments_type& segments, std::size_t limit);
    upload_piece next_of_file(const file_range& file, std::size_t limit,
                              std::span<std::byte> scratch);
    upload_piece next_of_source(std::size_t limit);
    upload_piece next_given(std::size_t limit);
    upload_piece take(std::span<const std::byte> all, std::size_t limit);

    const body* body_;
    std::uint64_t position_ = 0;  // octets taken (of the current segment, for segments)
    std::size_t segment_ = 0;
    std::span<const std::byte> given_;
    bool given_end_ = false;
    bool touched_ = false;  // something was pulled, or given by the caller
    bool pulling_ = false;
    bool source_ended_ = false;
    bool source_failed_ = false;
    std::shared_ptr<std::vector<char>> pulled_;
    std::size_t pulled_begin_ = 0;
    std::size_t pulled_end_ = 0;
    std::string detail_;
};

}  // namespace hearth::detail
