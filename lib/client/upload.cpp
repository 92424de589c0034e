#include "client/upload.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace hearth::detail {

upload_piece upload::next(std::size_t limit, std::span<std::byte> scratch) {
    const body::value_type& value = body_->value();
    if (const auto* bytes = std::get_if<std::string>(&value)) {
        return take(std::as_bytes(std::span(*bytes)), limit);
    }
    if (const auto* segments = std::get_if<body::segments_type>(&value)) {
        return next_segment(*segments, limit);
    }
    if (const auto* file = std::get_if<file_range>(&value)) {
        return next_of_file(*file, limit, scratch);
    }
    if (std::holds_alternative<body::source_type>(value)) return next_of_source(limit);
    if (body_->is_streamed()) return next_given(limit);
    return {};
}

upload_piece upload::take(std::span<const std::byte> all, std::size_t limit) {
    const auto rest = all.subspan(static_cast<std::size_t>(position_));
    if (rest.empty()) return {};
    const auto piece = rest.first(std::min(limit, rest.size()));
    position_ += piece.size();
    return {piece_status::ready, piece};
}

upload_piece upload::next_segment(const body::segments_type& segments, std::size_t limit) {
    while (segment_ < segments.size()) {
        const upload_piece piece = take(std::as_bytes(std::span(segments[segment_])), limit);
        if (piece.status == piece_status::ready) return piece;
        ++segment_;
        position_ = 0;
    }
    return {};
}

upload_piece upload::next_of_file(const file_range& file, std::size_t limit,
                                  std::span<std::byte> scratch) {
    const std::uint64_t rest = file.length - position_;
    if (rest == 0) return {};
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(rest, std::min(limit, scratch.size())));
    ssize_t got = 0;
    do {
        got = ::pread(file.descriptor, scratch.data(), wanted,
                      static_cast<off_t>(file.offset + position_));
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        position_ += static_cast<std::uint64_t>(got);
        return {piece_status::ready, scratch.first(static_cast<std::size_t>(got))};
    }
    if (got == 0) {
        fail_short_file();
    } else {
        detail_ = "The file of the request body could not be read: " +
                  std::generic_category().message(errno) + ".";
    }
    return {piece_status::failed, {}};
}

void upload::fail_short_file() {
    detail_ = "The file of the request body ends before the length that was promised.";
}

std::optional<file_range> upload::file_rest() const {
    const auto* file = std::get_if<file_range>(&body_->value());
    if (file == nullptr) return {};
    return file_range{file->descriptor, file->offset + position_, file->length - position_};
}

upload_piece upload::next_of_source(std::size_t limit) {
    if (pulled_begin_ < pulled_end_) {
        const std::size_t size = std::min(limit, pulled_end_ - pulled_begin_);
        const auto piece = std::as_bytes(std::span(*pulled_).subspan(pulled_begin_, size));
        pulled_begin_ += size;
        return {piece_status::ready, piece};
    }
    if (source_failed_) return {piece_status::failed, {}};
    if (source_ended_) return {};
    return {pulling_ ? piece_status::wait : piece_status::pull, {}};
}

upload_piece upload::next_given(std::size_t limit) {
    if (!given_.empty()) {
        const auto piece = given_.first(std::min(limit, given_.size()));
        given_ = given_.subspan(piece.size());
        touched_ = true;
        return {piece_status::ready, piece};
    }
    return {given_end_ ? piece_status::end : piece_status::wait, {}};
}

std::shared_ptr<std::vector<char>> upload::pull_buffer() {
    if (!pulled_) pulled_ = std::make_shared<std::vector<char>>(pull_size);
    pulling_ = true;
    touched_ = true;
    return pulled_;
}

void upload::on_pulled(std::size_t size, boost::system::error_code error) {
    pulling_ = false;
    pulled_begin_ = 0;
    pulled_end_ = std::min(size, pulled_->size());
    if (error) {
        source_failed_ = true;
        pulled_end_ = 0;
        detail_ = "The source of the request body failed: " + error.message() + ".";
    } else if (size == 0) {
        source_ended_ = true;
    }
}

bool upload::is_replayable() const {
    if (body_->is_streamed()) return !touched_ && given_.empty() && !given_end_;
    // A source says whether it can only when asked; an untouched one surely can.
    return true;
}

bool upload::rewind() {
    if (!is_replayable() || pulling_) return false;
    if (const auto* source = std::get_if<body::source_type>(&body_->value())) {
        if (touched_ && !(*source)->rewind()) return false;
    }
    position_ = 0;
    segment_ = 0;
    touched_ = false;
    source_ended_ = false;
    source_failed_ = false;
    pulled_begin_ = 0;
    pulled_end_ = 0;
    return true;
}

}  // namespace hearth::detail
