// `headers`: an ordered, case-insensitive multimap of header fields (RFC 9110 5), owning and flat.
//
// All names and values lie in one buffer, so a typical set costs two allocations. Nothing is
// validated on insertion: what must not be sent is refused at send, with the field's name in the
// error. Not thread-safe; views are valid until the next change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hearth/version.hpp"

namespace hearth::base {
class field_places;
}  // namespace hearth::base

HEARTH_BEGIN_NAMESPACE

class HEARTH_API headers {
public:
    /// One field as stored: the name keeps the case it was given in.
    struct field {
        std::string_view name;
        std::string_view value;
        bool operator==(const field&) const = default;
    };

    class const_iterator {
    public:
        using value_type = field;
        using reference = field;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;
        const_iterator() = default;
        field operator*() const { return owner_->at(index_); }
        const_iterator& operator++() {
            ++index_;
            return *this;
        }
        const_iterator operator++(int) {
            const_iterator old = *this;
            ++index_;
            return old;
        }
        bool operator==(const const_iterator& other) const { return index_ == other.index_; }

    private:
        friend class headers;
        const_iterator(const headers* owner, std::size_t index) : owner_(owner), index_(index) {}
        const headers* owner_ = nullptr;
        std::size_t index_ = 0;
    };

    headers() = default;
    headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

    /// Appends a field, keeping others of the same name.
    void add(std::string_view name, std::string_view value);
    /// Replaces all fields of that name by one (in the place of the first), or appends it.
    void set(std::string_view name, std::string_view value);
    /// Removes all fields of that name; returns how many there were.
    std::size_t erase(std::string_view name);
    void clear() noexcept;
    void reserve(std::size_t fields, std::size_t bytes);

    /// The first value of that name, or nothing.
    [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
    /// The first value of that name, or an empty view.
    [[nodiscard]] std::string_view operator[](std::string_view name) const noexcept;
    [[nodiscard]] bool contains(std::string_view name) const noexcept;
    /// All values of that name, in order.
    [[nodiscard]] std::vector<std::string_view> values(std::string_view name) const;

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    /// The field at `index`, which must be below size().
    [[nodiscard]] field at(std::size_t index) const noexcept;
    [[nodiscard]] const_iterator begin() const noexcept { return {this, 0}; }
    [[nodiscard]] const_iterator end() const noexcept { return {this, entries_.size()}; }
    /// Octets of all names and values.
    [[nodiscard]] std::size_t size_bytes() const noexcept;

    bool operator==(const headers& other) const;

private:
    friend class base::field_places;
    struct entry {
        std::uint32_t name_at;
        std::uint32_t name_size;
        std::uint32_t value_at;
        std::uint32_t value_size;
    };
    entry store(std::string_view name, std::string_view value);
    void compact_if_wasteful();
    std::string_view name_of(const entry& e) const noexcept;
    std::string_view value_of(const entry& e) const noexcept;

    std::string text_;
    std::vector<entry> entries_;
};

HEARTH_END_NAMESPACE
