#include "core/connection_state.hpp"

#include <gtest/gtest.h>

#include <map>
#include <utility>

namespace hearth::core {
namespace {

using state = connection_state;
using event = connection_event;

// Written down a second time, as sentences: who may go where. Everything else must be illegal.
const std::map<std::pair<state, event>, state>& legal_transitions() {
    static const std::map<std::pair<state, event>, state> legal{
        {{state::dialing, event::connected}, state::handshaking},
        {{state::dialing, event::ready}, state::idle},
        {{state::dialing, event::close}, state::closed},
        {{state::handshaking, event::ready}, state::idle},
        {{state::handshaking, event::close}, state::closed},
        {{state::idle, event::taken}, state::active},
        {{state::idle, event::filled}, state::full},
        {{state::idle, event::close}, state::closed},
        {{state::active, event::taken}, state::active},
        {{state::active, event::filled}, state::full},
        {{state::active, event::emptied}, state::idle},
        {{state::active, event::drain}, state::draining},
        {{state::active, event::close}, state::closed},
        {{state::full, event::taken}, state::active},
        {{state::full, event::filled}, state::full},
        {{state::full, event::emptied}, state::idle},
        {{state::full, event::drain}, state::draining},
        {{state::full, event::close}, state::closed},
        {{state::draining, event::drain}, state::draining},
        {{state::draining, event::recovered}, state::idle},
        {{state::draining, event::close}, state::closed},
    };
    return legal;
}

TEST(ConnectionStateTest, TableHasExactlyTheLegalTransitions) {
    for (std::size_t s = 0; s < connection_state_count; ++s) {
        for (std::size_t e = 0; e < connection_event_count; ++e) {
            const auto from = static_cast<state>(s);
            const auto by = static_cast<event>(e);
            const auto expected = legal_transitions().find({from, by});
            const bool is_expected = expected != legal_transitions().end();
            EXPECT_EQ(is_legal(from, by), is_expected) << "state " << s << " event " << e;
            if (is_expected) {
                EXPECT_EQ(next_state(from, by), expected->second) << s << ' ' << e;
            }
        }
    }
}

TEST(ConnectionStateTest, NothingLeavesClosed) {
    for (std::size_t e = 0; e < connection_event_count; ++e) {
        EXPECT_FALSE(is_legal(state::closed, static_cast<event>(e)));
    }
}

TEST(ConnectionStateTest, StateIsComingReadyOrNeither) {
    for (std::size_t s = 0; s < connection_state_count; ++s) {
        const auto value = static_cast<state>(s);
        EXPECT_FALSE(is_coming(value) && is_ready(value)) << s;
    }
    EXPECT_TRUE(is_coming(state::dialing) && is_coming(state::handshaking));
    EXPECT_TRUE(is_ready(state::idle) && is_ready(state::active) && is_ready(state::full));
    EXPECT_FALSE(is_ready(state::draining) || is_coming(state::draining));
}

}  // namespace
}  // namespace hearth::core
