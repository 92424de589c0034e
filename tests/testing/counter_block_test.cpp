// Counters, and the peaks of gauges.
#include "testing/counter_block.hpp"

#include <gtest/gtest.h>

namespace {

using hearth::testing::internal::counter_block;

TEST(CounterBlockTest, AGaugeRemembersItsPeak) {
    counter_block counts;
    counts.connections_open.enter();
    counts.connections_open.enter();
    counts.connections_open.leave();
    counts.connections_open.enter();
    counts.connections_open.leave();
    const auto snapshot = counts.snapshot();
    EXPECT_EQ(snapshot.connections_open, 1U);
    EXPECT_EQ(snapshot.connections_peak, 2U);
}

TEST(CounterBlockTest, TheSnapshotHasEachCounterInItsPlace) {
    counter_block counts;
    counts.connections_accepted.add(1);
    counts.handshakes_full.add(2);
    counts.handshakes_resumed.add(3);
    counts.handshakes_failed.add(4);
    counts.requests.add(5);
    counts.requests_completed.add(6);
    counts.requests_aborted.add(7);
    counts.requests_bad.add(8);
    counts.bytes_received.add(9);
    counts.bytes_sent.add(10);
    const auto snapshot = counts.snapshot();
    EXPECT_EQ(snapshot.connections_accepted, 1U);
    EXPECT_EQ(snapshot.handshakes_full, 2U);
    EXPECT_EQ(snapshot.handshakes_resumed, 3U);
    EXPECT_EQ(snapshot.handshakes_failed, 4U);
    EXPECT_EQ(snapshot.requests, 5U);
    EXPECT_EQ(snapshot.requests_completed, 6U);
    EXPECT_EQ(snapshot.requests_aborted, 7U);
    EXPECT_EQ(snapshot.requests_bad, 8U);
    EXPECT_EQ(snapshot.bytes_received, 9U);
    EXPECT_EQ(snapshot.bytes_sent, 10U);
}

}  // namespace
