#include "proto/h1_input.hpp"

#include <cstring>

#include "base/assert.hpp"

namespace hearth::proto {

void h1_input::borrow(std::span<const std::byte> bytes) {
    HEARTH_ASSERT(empty());
    held_.reset();
    held_size_ = 0;
    rest_ = bytes;
}

void h1_input::retain() {
    if (rest_.empty()) {
        clear();
        return;
    }
    if (held_) return;  // it lies there already
    held_ = std::make_unique_for_overwrite<std::byte[]>(rest_.size());
    held_size_ = rest_.size();
    std::memcpy(held_.get(), rest_.data(), held_size_);
    rest_ = {held_.get(), held_size_};
}

void h1_input::clear() {
    rest_ = {};
    held_.reset();
    held_size_ = 0;
}

void h1_input::consume(std::size_t size) {
    rest_ = rest_.subspan(size);
    consumed_ += size;
}

std::string_view h1_input::unit() const {
    return is_unit_split() ? std::string_view(unit_) : text();
}

void h1_input::move_to_unit() {
    unit_.append(text());
    consume(rest_.size());
}

void h1_input::move_line_to_unit(std::size_t limit) {
    const std::string_view known = text().substr(0, limit);
    const std::size_t end = known.find('\n');
    const std::string_view moved = end == std::string_view::npos ? known : known.substr(0, end + 1);
    unit_.append(moved);
    consume(moved.size());
}

std::optional<std::string_view> h1_input::take_line(std::size_t limit) {
    if (!is_unit_split()) {
        const std::string_view known = text().substr(0, limit);
        const std::size_t end = known.find('\n');
        if (end != std::string_view::npos) return known.substr(0, end + 1);
    }
    HEARTH_ASSERT(unit_.size() < limit);
    move_line_to_unit(limit - unit_.size());
    if (unit_.ends_with('\n')) return unit_;
    return std::nullopt;
}

void h1_input::finish_unit(std::size_t size) {
    if (!is_unit_split()) {
        consume(size);
        return;
    }
    HEARTH_ASSERT(unit_.size() == size);
    drop_unit();
}

void h1_input::drop_unit() { std::string().swap(unit_); }

std::size_t h1_input::memory() const {
    static const std::size_t within_object = std::string().capacity();
    return held_size_ + (unit_.capacity() > within_object ? unit_.capacity() : 0);
}

std::string_view h1_input::text() const {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets are text in a head
    return {reinterpret_cast<const char*>(rest_.data()), rest_.size()};
}

}  // namespace hearth::proto
