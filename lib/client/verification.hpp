// verification: the answer to `tls_options::verify` on its way from the caller's thread to the
// shard.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "hearth/tls.hpp"

HEARTH_BEGIN_NAMESPACE

struct verification_answer::state {
    using deliver_function = std::function<void(bool is_accepted, std::string reason)>;

    explicit state(deliver_function to) : deliver(std::move(to)) {}
    ~state() {
        try {
            answer(false, "the verifier gave no answer");
        } catch (const std::bad_alloc&) {  // the handshake's own time ends it
        }
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    void answer(bool is_accepted, std::string reason) {
        if (answered.exchange(true)) return;
        try {
            deliver(is_accepted, std::move(reason));
        } catch (...) {  // it was not told, and may be told again
            answered.store(false);
            throw;
        }
    }

    const deliver_function deliver;
    std::atomic<bool> answered{false};
    std::atomic<bool> abandoned{false};
};

namespace detail {

/// What the connection keeps of its question: when it ends, nobody waits for the answer.
class open_question {
public:
    explicit open_question(const std::shared_ptr<verification_answer::state>& to) : to_(to) {}
    ~open_question() {
        if (const auto state = to_.lock()) state->abandoned.store(true);
    }
    open_question(const open_question&) = delete;
    open_question& operator=(const open_question&) = delete;

private:
    std::weak_ptr<verification_answer::state> to_;
};

}  // namespace detail
HEARTH_END_NAMESPACE
