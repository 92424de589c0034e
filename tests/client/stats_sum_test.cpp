// What several shards have to tell, as one.
#include "client/stats_sum.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace hearth::detail {
namespace {

address_stats at(const std::string& address, std::uint64_t connections, std::uint64_t lost = 0) {
    address_stats result;
    result.address = address;
    result.connections = connections;
    result.lost = lost;
    return result;
}

shard_snapshot snapshot_of(std::size_t key, const std::string& name, std::uint64_t exchanges) {
    shard_snapshot result;
    origin_stats& one = result.values.origins.emplace_back();
    one.origin = name;
    one.exchanges = exchanges;
    one.threads = 1;
    one.addresses.push_back(at("127.0.0.1", exchanges));
    result.keys.push_back(key);
    result.values.calls = exchanges;
    result.values.handshakes_at_once = exchanges;
    return result;
}

TEST(StatsSumTest, OriginOfSeveralShardsIsOne) {
    stats_sum total;
    total.add(snapshot_of(1, "https://a.test", 3));
    shard_snapshot other = snapshot_of(1, "https://a.test", 4);
    other.values.origins.front().addresses.push_back(at("127.0.0.2", 0, 1));
    total.add(std::move(other));
    ASSERT_EQ(total.sum.origins.size(), 1U);
    const origin_stats& one = total.sum.origins.front();
    EXPECT_EQ(one.origin, "https://a.test");
    EXPECT_EQ(one.exchanges, 7U);
    EXPECT_EQ(one.threads, 2U);
    ASSERT_EQ(one.addresses.size(), 2U);
    EXPECT_EQ(one.addresses[0].connections, 7U);
    EXPECT_EQ(one.addresses[1].lost, 1U);
    EXPECT_EQ(total.sum.calls, 7U);
    EXPECT_EQ(total.sum.handshakes_at_once, 4U) << "of one thread";
}

TEST(StatsSumTest, OriginsOfTheSameNameWithDifferentKeysStayApart) {
    stats_sum total;
    total.add(snapshot_of(1, "https://a.test", 3));
    total.add(snapshot_of(2, "https://a.test", 4));
    ASSERT_EQ(total.sum.origins.size(), 2U);
    EXPECT_EQ(total.sum.total().exchanges, 7U);
    EXPECT_EQ(total.sum.total().threads, 1U) << "the most of one";
}

TEST(StatsSumTest, NoMoreAddressesAreToldThanOfOneShard) {
    stats_sum total;
    for (int shard = 0; shard < 2; ++shard) {
        shard_snapshot part = snapshot_of(1, "https://a.test", 1);
        for (int i = 0; i < 100; ++i) {
            part.values.origins.front().addresses.push_back(
                at("10.0." + std::to_string(shard) + "." + std::to_string(i), 1));
        }
        total.add(std::move(part));
    }
    EXPECT_EQ(total.sum.origins.front().addresses.size(), most_addresses_told);
}

}  // namespace
}  // namespace hearth::detail
