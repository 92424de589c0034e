// Deadlines of many things, the earliest on top. A deadline can be moved or removed in O(log n) by
// its handle; equal deadlines leave in the order they were set, which keeps runs reproducible. A
// thing holds one `deadline_handle` per deadline and gives its own id as payload.
#pragma once

#include <cstddef>

#include "base/handle_heap.hpp"
#include "base/time.hpp"

namespace hearth::base {

/// Names a deadline in a queue; 0 is none.
using deadline_handle = heap_handle;

template <class Payload>
class deadline_queue {
public:
    /// Sets, moves or (with `never`) removes the deadline that `handle` names.
    void set(deadline_handle& handle, time_point when, const Payload& payload) {
        if (when == never) {
            heap_.remove(handle);
        } else {
            heap_.set(handle, when, payload);
        }
    }

    /// Removes the deadline and clears the handle; a handle of 0 is left alone.
    void remove(deadline_handle& handle) { heap_.remove(handle); }

    /// The earliest deadline, or `never`.
    [[nodiscard]] time_point next() const { return heap_.empty() ? never : heap_.top_key(); }

    /// If the earliest deadline is not after `now`: removes it, gives its payload. The thing's own
    /// handle must then be set to 0 by the caller.
    [[nodiscard]] bool pop_due(time_point now, Payload& payload) {
        if (heap_.empty() || heap_.top_key() > now) return false;
        payload = heap_.pop();
        return true;
    }
    [[nodiscard]] std::size_t size() const { return heap_.size(); }

private:
    handle_heap<time_point, Payload> heap_;
};

}  // namespace hearth::base
