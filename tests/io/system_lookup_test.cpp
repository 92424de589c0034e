#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "io/name_lookup.hpp"
#include "io/system_pool.hpp"

namespace hearth::io {
namespace {

class SystemLookupTest : public testing::Test {
protected:
    boost::asio::io_context context_;
    std::unique_ptr<name_lookup> lookup_ =
        make_system_lookup(context_.get_executor(), std::make_shared<system_pool>(1));
};

TEST_F(SystemLookupTest, FindsLocalhost) {
    name_answer result;
    lookup_->start("localhost", [&](name_answer answer) { result = std::move(answer); });
    context_.run();
    ASSERT_FALSE(result.error) << result.detail;
    EXPECT_TRUE(std::ranges::all_of(result.addresses,
                                    [](const auto& address) { return address.is_loopback(); }));
    EXPECT_FALSE(result.addresses.empty());
}

TEST_F(SystemLookupTest, ANameThatCannotExistIsAnError) {
    name_answer result;
    // Longer than any label may be, so no server is asked.
    lookup_->start(std::string(64, 'x'), [&](name_answer answer) { result = std::move(answer); });
    context_.run();
    EXPECT_TRUE(result.error == errc::name_not_found || result.error == errc::name_failed);
    EXPECT_FALSE(result.detail.empty());
}

TEST_F(SystemLookupTest, KeepsTheContextRunningForEveryCall) {
    constexpr unsigned count = 50;
    unsigned answered = 0;
    for (unsigned i = 0; i < count; ++i) {
        lookup_->start("localhost", [&](const name_answer&) { ++answered; });
    }
    EXPECT_EQ(answered, 0U);
    context_.run();
    EXPECT_EQ(answered, count);
}

TEST_F(SystemLookupTest, RefusesMoreLookupsThanItsBound) {
    unsigned refused = 0;
    unsigned answered = 0;
    // Nothing completes before the context runs, so the last one is over the bound.
    for (std::size_t i = 0; i < max_pending_lookups + 1; ++i) {
        lookup_->start("localhost", [&](const name_answer& answer) {
            ++(answer.error == errc::name_failed ? refused : answered);
        });
    }
    context_.run();
    EXPECT_EQ(refused, 1U);
    EXPECT_EQ(answered, max_pending_lookups);
}

TEST_F(SystemLookupTest, CanBeDestroyedWithLookupsUnderWay) {
    bool was_called = false;
    for (int i = 0; i < 20; ++i) {
        lookup_->start("localhost", [&](const name_answer&) { was_called = true; });
    }
    lookup_.reset();
    context_.run();
    EXPECT_FALSE(was_called);
}

TEST_F(SystemLookupTest, CanBeDestroyedByAHandler) {
    bool was_called = false;
    lookup_->start("localhost", [&](const name_answer&) {
        was_called = true;
        lookup_.reset();
    });
    context_.run();
    EXPECT_TRUE(was_called);
}

TEST_F(SystemLookupTest, CanBeDestroyedUnused) {
    lookup_.reset();
    context_.run();
}

TEST_F(SystemLookupTest, LackOfDescriptorsIsNoAnswer) {
    rlimit usual{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
    const rlimit none{0, usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    name_answer result;
    lookup_->start("host.invalid", [&](name_answer answer) { result = std::move(answer); });
    context_.run();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
    EXPECT_EQ(result.error, errc::descriptor_limit) << result.detail;
}

}  // namespace
}  // namespace hearth::io
