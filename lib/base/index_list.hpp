// A doubly linked list of things that live in a table and are named by index. The links are members
// of the things; every operation is told how to find them (`links(index) -> list_links&`), so one
// thing can be in several lists by several link members. Nothing is allocated.
//
// Invariant: a thing is in at most one list per link member; links of things in no list mean
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::base {

/// No index: the end of a list.
inline constexpr std::uint32_t no_index = 0xffffffff;

struct list_links {
    std::uint32_t previous = no_index;
    std::uint32_t next = no_index;
};

class index_list {
public:
    [[nodiscard]] bool empty() const { return first_ == no_index; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::uint32_t front() const { return first_; }
    [[nodiscard]] std::uint32_t back() const { return last_; }

    template <class Links>
    void push_front(std::uint32_t index, Links&& links) {
        links(index) = {no_index, first_};
        (first_ == no_index ? last_ : links(first_).previous) = index;
        first_ = index;
        ++size_;
    }

    template <class Links>
    void push_back(std::uint32_t index, Links&& links) {
        links(index) = {last_, no_index};
        (last_ == no_index ? first_ : links(last_).next) = index;
        last_ = index;
        ++size_;
    }

    template <class Links>
    void remove(std::uint32_t index, Links&& links) {
        const list_links at = links(index);
        (at.previous == no_index ? first_ : links(at.previous).next) = at.next;
        (at.next == no_index ? last_ : links(at.next).previous) = at.previous;
        --size_;
    }

private:
    std::uint32_t first_ = no_index;
    std::uint32_t last_ = no_index;
    std::uint32_t size_ = 0;
};

}  // namespace hearth::base
