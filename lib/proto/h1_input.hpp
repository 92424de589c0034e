// h1_input: the octets of an HTTP/1.1 response that were received and not yet understood.
//
// They are borrowed from the caller until `retain` copies the rest. What must be seen whole (a
// head, a line, a trailer section) is looked at where it lies; only when its end is missing is its
// beginning moved to `unit`, a buffer of our own that the caller of this class bounds. Used by
// h1_reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hearth::proto {

class h1_input {
public:
    /// Borrows `bytes` until `retain`, `clear` or their end. Legal only when empty.
    void borrow(std::span<const std::byte> bytes);
    /// Copies what is left of the borrowed octets, and frees an own copy that is used up.
    void retain();
    /// Forgets all input; the unit stays.
    void clear();

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    [[nodiscard]] std::size_t size() const { return rest_.size(); }
    [[nodiscard]] char front() const { return text().front(); }
    [[nodiscard]] std::span<const std::byte> first(std::size_t size) const {
        return rest_.first(size);
    }
    void consume(std::size_t size);
    /// Counts octets as consumed that were never given.
    void pass(std::uint64_t size) { consumed_ += size; }
    /// Octets consumed since the beginning, those moved to the unit and passed included.
    [[nodiscard]] std::uint64_t consumed() const { return consumed_; }

    /// The current unit as far as it is known; it may go on beyond the unit's end.
    [[nodiscard]] std::string_view unit() const;
    /// True if the unit's beginning was moved to its own buffer.
    [[nodiscard]] bool is_unit_split() const { return !unit_.empty(); }
    /// Moves all input to the unit.
    void move_to_unit();
    /// Moves input through the next LF, and `limit` octets of it at most, to the unit.
    void move_line_to_unit(std::size_t limit);
    /// The line with its LF that begins the unit; nothing if it is incomplete, or has none within
    /// `limit` octets: then what there is of it was moved to the unit.
    [[nodiscard]] std::optional<std::string_view> take_line(std::size_t limit);
    /// The first `size` octets of the unit are done with.
    void finish_unit(std::size_t size);
    void drop_unit();

    /// Octets in buffers of our own.
    [[nodiscard]] std::size_t memory() const;

private:
    [[nodiscard]] std::string_view text() const;

    std::span<const std::byte> rest_;  // borrowed, or within held_
    std::unique_ptr<std::byte[]> held_;
    std::size_t held_size_ = 0;
    std::string unit_;
    std::uint64_t consumed_ = 0;
};

}  // namespace hearth::proto
