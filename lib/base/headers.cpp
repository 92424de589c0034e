#include "hearth/headers.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

HEARTH_BEGIN_NAMESPACE
namespace {

constexpr char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_same_name(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

// Room for what a response usually has, so that it is not moved a few times on the way there.
constexpr std::size_t usual_fields = 8;
constexpr std::size_t usual_bytes = 200;

std::uint32_t narrow(std::size_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace

headers::headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
    std::size_t bytes = 0;
    for (const auto& [name, value] : fields) bytes += name.size() + value.size();
    reserve(fields.size(), bytes);
    for (const auto& [name, value] : fields) add(name, value);
}

void headers::add(std::string_view name, std::string_view value) {
    if (entries_.capacity() == 0) entries_.reserve(usual_fields);
    entries_.push_back(store(name, value));
}

void headers::set(std::string_view name, std::string_view value) {
    const auto matches = [this, name](const entry& e) { return is_same_name(name_of(e), name); };
    const auto first = std::find_if(entries_.begin(), entries_.end(), matches);
    if (first == entries_.end()) {
        add(name, value);
        return;
    }
    const auto place = first - entries_.begin();
    const entry stored = store(name, value);
    // `name` and `value` may be views of this object, so they are not looked at any more from here
    // on.
    const std::string_view kept(text_.data() + stored.name_at, stored.name_size);
    const auto gone = std::remove_if(first + 1, entries_.end(), [this, kept](const entry& e) {
        return is_same_name(name_of(e), kept);
    });
    entries_.erase(gone, entries_.end());
    entries_[static_cast<std::size_t>(place)] = stored;
    compact_if_wasteful();
}

std::size_t headers::erase(std::string_view name) {
    const auto gone =
        std::remove_if(entries_.begin(), entries_.end(),
                       [this, name](const entry& e) { return is_same_name(name_of(e), name); });
    const auto count = static_cast<std::size_t>(entries_.end() - gone);
    entries_.erase(gone, entries_.end());
    if (count != 0) compact_if_wasteful();
    return count;
}

void headers::clear() noexcept {
    text_.clear();
    entries_.clear();
}

void headers::reserve(std::size_t fields, std::size_t bytes) {
    entries_.reserve(fields);
    text_.reserve(bytes);
}

std::optional<std::string_view> headers::find(std::string_view name) const noexcept {
    for (const entry& e : entries_) {
        if (is_same_name(name_of(e), name)) return value_of(e);
    }
    return std::nullopt;
}

std::string_view headers::operator[](std::string_view name) const noexcept {
    return find(name).value_or(std::string_view());
}

bool headers::contains(std::string_view name) const noexcept { return find(name).has_value(); }

std::vector<std::string_view> headers::values(std::string_view name) const {
    std::vector<std::string_view> found;
    for (const entry& e : entries_) {
        if (is_same_name(name_of(e), name)) found.push_back(value_of(e));
    }
    return found;
}

headers::field headers::at(std::size_t index) const noexcept {
    const entry& e = entries_[index];
    return {name_of(e), value_of(e)};
}

std::size_t headers::size_bytes() const noexcept {
    std::size_t bytes = 0;
    for (const entry& e : entries_) bytes += std::size_t{e.name_size} + e.value_size;
    return bytes;
}

bool headers::operator==(const headers& other) const {
    return std::equal(entries_.begin(), entries_.end(), other.entries_.begin(),
                      other.entries_.end(), [this, &other](const entry& a, const entry& b) {
                          return is_same_name(name_of(a), other.name_of(b)) &&
                                 value_of(a) == other.value_of(b);
                      });
}

/// Appends both texts to the buffer. They may be views of this very object: a larger buffer is
/// filled from the old one before that is given up.
headers::entry headers::store(std::string_view name, std::string_view value) {
    const std::size_t at = text_.size();
    const std::size_t needed = at + name.size() + value.size();
    if (needed > std::numeric_limits<std::uint32_t>::max()) {
        throw std::length_error("hearth::headers holds at most 4 GiB");
    }
    if (needed > text_.capacity()) {
        std::string larger;
        larger.reserve(std::max({needed, text_.capacity() * 2, usual_bytes}));
        larger.append(text_).append(name).append(value);
        text_.swap(larger);
    } else {
        text_.append(name).append(value);
    }
    return {narrow(at), narrow(name.size()), narrow(at + name.size()), narrow(value.size())};
}

/// Rewrites the buffer when more than half of it, and more than is worth the work, is text of
/// fields that are gone, so that repeated `set` does not grow it for ever.
void headers::compact_if_wasteful() {
    constexpr std::size_t worth_it = 256;
    const std::size_t used = size_bytes();
    const std::size_t wasted = text_.size() - used;
    if (wasted <= worth_it || wasted <= used) return;
    std::string packed;
    packed.reserve(used);
    for (entry& e : entries_) {
        const std::string_view name = name_of(e);
        const std::string_view value = value_of(e);
        e.name_at = narrow(packed.size());
        packed.append(name);
        e.value_at = narrow(packed.size());
        packed.append(value);
    }
    text_.swap(packed);
}

std::string_view headers::name_of(const entry& e) const noexcept {
    return {text_.data() + e.name_at, e.name_size};
}

std::string_view headers::value_of(const entry& e) const noexcept {
    return {text_.data() + e.value_at, e.value_size};
}

HEARTH_END_NAMESPACE
