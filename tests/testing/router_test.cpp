// Which handler a path finds.
#include "testing/router.hpp"

#include <gtest/gtest.h>

namespace {

using hearth::testing::handler_call;
using hearth::testing::internal::router;

// Routes are told apart by when they are called.
TEST(RouterTest, FindsNothingWithoutRoutes) {
    const router routes;
    EXPECT_EQ(routes.find("/"), nullptr);
}

TEST(RouterTest, AnExactPathWinsOverAPrefix) {
    router routes;
    routes.set("/a*", {{}, handler_call::after_body});
    routes.set("/ab", {{}, handler_call::after_head});
    EXPECT_EQ(routes.find("/ab")->call, handler_call::after_head);
    EXPECT_EQ(routes.find("/abc")->call, handler_call::after_body);
    EXPECT_EQ(routes.find("/b"), nullptr);
}

TEST(RouterTest, ALongerPrefixWinsOverAShorterOne) {
    router routes;
    routes.set("/api/v2/*", {{}, handler_call::after_head});
    routes.set("/api/*", {{}, handler_call::after_body});
    EXPECT_EQ(routes.find("/api/v2/users")->call, handler_call::after_head);
    EXPECT_EQ(routes.find("/api/v1/users")->call, handler_call::after_body);
}

TEST(RouterTest, ALaterRouteReplacesAnEarlierOne) {
    router routes;
    routes.set("/a", {{}, handler_call::after_body});
    routes.set("/a", {{}, handler_call::after_head});
    EXPECT_EQ(routes.find("/a")->call, handler_call::after_head);
}

}  // namespace
