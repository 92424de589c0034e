// What is known of an origin that nothing has happened to yet, and its part of limits.
#include "core/origin_record.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

TEST(OriginRecordTest, NewOneIsOwedNothingAndHeldAgainstNothing) {
    const origin_record origin;
    EXPECT_EQ(origin.pool.waiters() + origin.pool.coming() + origin.pool.ready(), 0U);
    EXPECT_EQ(origin.no_ports_until, time_point::min());
    EXPECT_EQ(origin.probe_holds_until, time_point::min());
    EXPECT_FALSE(origin.backoff.is_failing());
    EXPECT_EQ(origin.counters->opened, 0U);
    EXPECT_EQ(origin.exchanges_per_connection, 1U) << "until a connection says otherwise";
}

TEST(OriginRecordTest, HasItsPartOfALimit) {
    origin_record origin;
    EXPECT_EQ(origin.part_of(33), 33U) << "all of it, unless it shares";
    origin.settings.part = {0, 2};
    EXPECT_EQ(origin.part_of(33), 17U);
    origin.settings.part = {1, 2};
    EXPECT_EQ(origin.part_of(33), 16U);
    origin.settings.part = {0, 0};
    EXPECT_EQ(origin.part_of(33), 0U);
}

}  // namespace
}  // namespace hearth::core
