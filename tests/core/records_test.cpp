#include "core/records.hpp"

#include <gtest/gtest.h>

namespace hearth::core {
namespace {

using namespace std::chrono_literals;

TEST(RecordsTest, ExchangeIsFoundByItsFullName) {
    exchange_table table;
    exchange_record* record = table.open({5, 7});
    ASSERT_NE(record, nullptr);
    record->state = exchange_state::waiting;
    EXPECT_EQ(table.find({5, 7}), record);
    EXPECT_EQ(table.find({5, 6}), nullptr);
    EXPECT_EQ(table.find({4, 7}), nullptr);
    EXPECT_EQ(table.find({1000, 7}), nullptr);
    EXPECT_EQ(table.id_of(5), (exchange_id{5, 7}));
}

TEST(RecordsTest, PlaceOfALivingExchangeIsNotGivenAway) {
    exchange_table table;
    table.open({0, 1})->state = exchange_state::assigned;
    EXPECT_EQ(table.open({0, 2}), nullptr);
    table.close(0);
    EXPECT_EQ(table.find({0, 1}), nullptr);
    EXPECT_NE(table.open({0, 2}), nullptr);
}

TEST(RecordsTest, IdleEndIsTheEarlierOfIdleTimeoutAndLifetime) {
    connection_record connection;
    connection.idle_since = base::time_point{10s};
    connection.idle_timeout = 5s;
    EXPECT_EQ(connection.idle_end(), base::time_point{15s});
    connection.retire_at = base::time_point{12s};
    EXPECT_EQ(connection.idle_end(), base::time_point{12s});
}

}  // namespace
}  // namespace hearth::core
