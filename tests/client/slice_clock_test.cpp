#include "client/slice_clock.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace hearth::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// Time that passes when a test says so: on both clocks or, while others run, on the quick one.
struct passing_time {
    nanoseconds exact{};
    nanoseconds quick{};
    int exact_looks = 0;
};
passing_time slice_time;

class SliceClockTest : public ::testing::Test {
protected:
    SliceClockTest() { slice_time = {}; }

    base::duration slice(slice_kind kind, microseconds cost, microseconds others = {}) {
        const auto timed = subject_.start(kind);
        slice_time.exact += cost;
        slice_time.quick += cost + others;
        return subject_.stop(timed);
    }

    slice_clock subject_{[] {
                             ++slice_time.exact_looks;
                             return slice_time.exact;
                         },
                         [] { return slice_time.quick; }};
};

TEST_F(SliceClockTest, FirstOfAKindIsMeasuredAndThenOneInSixteen) {
    for (const slice_kind kind :
         {slice_kind::hello, slice_kind::full_flight, slice_kind::resumed_flight}) {
        slice_time.exact_looks = 0;
        for (int i = 0; i < 33; ++i) EXPECT_EQ(slice(kind, microseconds(100)), microseconds(100));
        EXPECT_EQ(slice_time.exact_looks, 3 * 2);
    }
}

TEST_F(SliceClockTest, WhatIsMeasuredLeavesOutWhatOthersRan) {
    EXPECT_EQ(slice(slice_kind::hello, microseconds(100), microseconds(5000)), microseconds(100));
}

TEST_F(SliceClockTest, WhatTookLongCountsAsUsualAndTheNextIsMeasured) {
    EXPECT_EQ(slice(slice_kind::full_flight, microseconds(300)), microseconds(300));
    EXPECT_EQ(slice(slice_kind::full_flight, microseconds(300), microseconds(200)),
              microseconds(500))
        << "a little is not seen";
    EXPECT_EQ(slice(slice_kind::full_flight, microseconds(300), microseconds(4000)),
              microseconds(300));
    slice_time.exact_looks = 0;
    EXPECT_EQ(slice(slice_kind::full_flight, microseconds(700), microseconds(4000)),
              microseconds(700))
        << "it has become dearer";
    EXPECT_EQ(slice_time.exact_looks, 2);
    EXPECT_EQ(slice(slice_kind::full_flight, microseconds(700)), microseconds(700))
        << "twice 400 is believed";
}

TEST_F(SliceClockTest, KindsHaveNothingToDoWithEachOther) {
    EXPECT_EQ(slice(slice_kind::resumed_flight, microseconds(100)), microseconds(100));
    EXPECT_EQ(slice(slice_kind::full_flight, microseconds(900)), microseconds(900));
    EXPECT_EQ(slice(slice_kind::resumed_flight, microseconds(100), microseconds(800)),
              microseconds(100));
}

TEST_F(SliceClockTest, ByDefaultTheThreadsClockIsAskedFirst) {
    slice_clock real;
    const auto timed = real.start(slice_kind::hello);
    EXPECT_TRUE(timed.is_exact);
    EXPECT_GE(real.stop(timed), nanoseconds(0));
    EXPECT_FALSE(real.start(slice_kind::hello).is_exact);
}

}  // namespace
}  // namespace hearth::detail
