#include "io/name_lookup.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>

namespace hearth::io {
namespace {

address_list list(std::initializer_list<const char*> texts) {
    address_list result;
    for (const char* text : texts) result.push_back(boost::asio::ip::make_address(text));
    return result;
}

TEST(InterleaveFamiliesTest, AlternatesBeginningWithTheFirst) {
    EXPECT_EQ(interleave_families(list({"2001:db8::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"})),
              list({"2001:db8::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"}));
    EXPECT_EQ(interleave_families(list({"10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"})),
              list({"10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2"}));
}

TEST(InterleaveFamiliesTest, DropsDuplicates) {
    EXPECT_EQ(interleave_families(list({"10.0.0.1", "::1", "10.0.0.1", "::1"})),
              list({"10.0.0.1", "::1"}));
}

TEST(InterleaveFamiliesTest, IsBoundedAndKeepsBothFamilies) {
    address_list many;
    for (unsigned i = 0; i < 1000; ++i) many.push_back(boost::asio::ip::address_v4(i));
    many.push_back(boost::asio::ip::make_address("::1"));
    const address_list result = interleave_families(many);
    EXPECT_EQ(result.size(), max_addresses);
    EXPECT_TRUE(result.at(1).is_v6());
}

TEST(InterleaveFamiliesTest, OfNothingIsNothing) { EXPECT_TRUE(interleave_families({}).empty()); }

TEST(FailedAnswerTest, NamesTheNameAndTheReason) {
    const name_answer answer = make_failed_answer(errc::name_failed, "a.example", "timeout");
    EXPECT_EQ(answer.error, errc::name_failed);
    EXPECT_EQ(answer.detail, "'a.example': timeout.");
}

}  // namespace
}  // namespace hearth::io
