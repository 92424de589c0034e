#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "proto/tls_profile_impl.hpp"
#include "proto/tls_session_cache_impl.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::connect;
using support::decrypt_all;
using support::key_kind;
using support::octets;
using support::origin_identity;
using support::receive_from;
using support::settings_with;
using support::step_all;
using support::take_output;
using support::tls_server;
using support::tls_server_context;
using support::tls_server_options;
using support::trusting_options;

constexpr std::uint32_t tickets_per_key = 8;

struct visit {
    bool is_connected = false;
    bool client_resumed = false;
    bool server_resumed = false;
};

// Connects, reads the tickets, and drops the connection without a close_notify.
visit visit_once(const tls_settings& settings, const tls_server_context& context,
                 int more_tickets = 0) {
    tls_server server(context);
    tls_engine client(settings);
    visit result;
    result.is_connected = connect(client, server);
    if (!result.is_connected) return result;
    for (int i = 0; i < more_tickets; ++i) server.send_ticket();
    (void)receive_from(client, server);
    result.client_resumed = client.resumed();
    result.server_resumed = server.resumed();
    EXPECT_EQ(result.client_resumed, result.server_resumed);
    return result;
}

tls_settings settings_for(tls_session_cache& cache,
                          const tls_options& options = trusting_options()) {
    tls_settings settings = settings_with(options);
    settings.sessions = &cache;
    return settings;
}

std::size_t stock(tls_session_cache& cache, const tls_settings& settings) {
    return cache.count(*settings.profile, tls_session_key(settings));
}

tls_server_options server_speaking(int version) {
    tls_server_options options;
    options.minimum_version = options.maximum_version = version;
    return options;
}

TEST(TlsResumptionTest, ResumesInEachVersionAndKeyKind) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const key_kind key : {key_kind::ecdsa, key_kind::rsa}) {
            tls_session_cache cache(tickets_per_key);
            const tls_server_context context(origin_identity(key), server_speaking(version));
            const tls_settings settings = settings_for(cache);
            EXPECT_FALSE(visit_once(settings, context).client_resumed);
            for (int i = 0; i < 5; ++i) {
                const visit again = visit_once(settings, context);
                ASSERT_TRUE(again.is_connected);
                ASSERT_TRUE(again.client_resumed) << "visit " << i;
            }
        }
    }
}

TEST(TlsResumptionTest, DataFlowsOnAResumedConnection) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_session_cache cache(tickets_per_key);
        const tls_server_context context(origin_identity(), server_speaking(version));
        const tls_settings settings = settings_for(cache);
        (void)visit_once(settings, context);
        tls_server server(context);
        tls_engine client(settings);
        ASSERT_TRUE(connect(client, server));
        ASSERT_TRUE(client.resumed());
        ASSERT_TRUE(client.encrypt(octets("ping")));
        EXPECT_EQ(support::send_to(server, client), "ping");
        server.write("pong");
        EXPECT_EQ(receive_from(client, server).plain, "pong");
    }
}

TEST(TlsResumptionTest, NewTicketsAreOfferedOnce) {
    tls_session_cache cache(tickets_per_key);
    tls_server_options options = server_speaking(TLS1_3_VERSION);
    const tls_server_context generous(origin_identity(), options);
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, generous);
    ASSERT_EQ(stock(cache, settings), 2U);
    // Three dials at once: two tickets, so the third is a full handshake.
    tls_engine first(settings);
    tls_engine second(settings);
    tls_engine third(settings);
    tls_server first_server(generous);
    tls_server second_server(generous);
    tls_server third_server(generous);
    (void)first.step();
    EXPECT_EQ(stock(cache, settings), 1U);
    (void)second.step();
    EXPECT_EQ(stock(cache, settings), 0U);
    (void)third.step();
    EXPECT_TRUE(connect(first, first_server));
    EXPECT_TRUE(connect(second, second_server));
    EXPECT_TRUE(connect(third, third_server));
    EXPECT_TRUE(first.resumed());
    EXPECT_TRUE(second.resumed());
    EXPECT_FALSE(third.resumed());
}

// How many tickets libssl was given, by all connections of the profile.
class ticket_count {
public:
    explicit ticket_count(const tls_settings& settings) {
        counted = 0;
        SSL_CTX_set_info_callback(
            settings.profile->internals().context(), [](const SSL* ssl, int where, int) {
                const bool is_one =
                    where == SSL_CB_CONNECT_LOOP && SSL_get_state(ssl) == TLS_ST_CR_SESSION_TICKET;
                if (is_one) ++counted;
            });
    }
    static int take() { return std::exchange(counted, 0); }

private:
    static inline int counted = 0;
};

TEST(TlsResumptionTest, TicketsAboveAFullStockAreNotGivenToLibssl) {
    tls_session_cache cache(3);
    const tls_server_context context(origin_identity(), server_speaking(TLS1_3_VERSION));
    const tls_settings settings = settings_for(cache);
    ticket_count count(settings);
    (void)visit_once(settings, context);
    EXPECT_EQ(count.take(), 2);
    EXPECT_EQ(stock(cache, settings), 2U);
    // One is used by each. A server of OpenSSL's sends but one of its own accord where it resumes.
    EXPECT_TRUE(visit_once(settings, context, 1).client_resumed);
    EXPECT_EQ(count.take(), 2);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(stock(cache, settings), 3U);
        EXPECT_TRUE(visit_once(settings, context, i).client_resumed);
        EXPECT_EQ(count.take(), 1);
    }
}

TEST(TlsResumptionTest, EveryTicketGoesToLibsslWhereItHasEveryCall) {
    tls_session_cache cache(1);
    const tls_server_context context(origin_identity(), server_speaking(TLS1_3_VERSION));
    tls_settings settings = settings_for(cache);
    settings.libssl_calls = tls_settings::every_call;
    ticket_count count(settings);
    for (int i = 0; i < 3; ++i) {
        const bool is_first = i == 0;
        EXPECT_EQ(visit_once(settings, context, is_first ? 0 : 1).client_resumed, !is_first);
        EXPECT_EQ(count.take(), 2);
    }
}

// The stock that a server no longer takes is not what its new tickets have to stand behind.
TEST(TlsResumptionTest, TicketsOfAFullHandshakeAreKeptWhateverIsInStock) {
    tls_session_cache cache(2);
    const tls_settings settings = settings_for(cache);
    const tls_server_context before(origin_identity(), server_speaking(TLS1_3_VERSION));
    (void)visit_once(settings, before);
    ticket_count count(settings);
    const tls_server_context after(origin_identity(), server_speaking(TLS1_3_VERSION));
    EXPECT_FALSE(visit_once(settings, after).client_resumed);
    EXPECT_EQ(count.take(), 2);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(visit_once(settings, after).client_resumed);
}

TEST(TlsResumptionTest, NoTicketIsGivenToLibsslWhereNoneAreKept) {
    const tls_server_context context(origin_identity(), server_speaking(TLS1_3_VERSION));
    const tls_settings settings = settings_with();
    ticket_count count(settings);
    tls_server server(context);
    tls_engine client(settings);
    ASSERT_TRUE(connect(client, server));
    for (int i = 0; i < 20; ++i) {
        if (i % 3 == 0) server.send_ticket();
        if (i % 4 == 1) server.update_keys(true);  // libssl opens the rest, with its tickets
        ASSERT_TRUE(client.encrypt(octets("ping")));
        ASSERT_EQ(support::send_to(server, client), "ping");
        server.write("pong");
        ASSERT_EQ(receive_from(client, server).plain, "pong");
        if (i == 0) {
            EXPECT_EQ(count.take(), 0);
        }
    }
    client.retain();
    EXPECT_EQ(client.memory(), 0U);
}

TEST(TlsResumptionTest, FloodOfSurplusTicketsIsRefused) {
    tls_session_cache cache(1);
    const tls_server_context context(origin_identity(), server_speaking(TLS1_3_VERSION));
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, context);
    for (const bool is_flood : {false, true}) {
        tls_server server(context);
        tls_engine client(settings);
        ASSERT_TRUE(connect(client, server));
        ASSERT_TRUE(client.resumed());
        for (int i = 0; i < 62; ++i) server.send_ticket();
        EXPECT_NE(receive_from(client, server).status, tls_status::failed);
        if (!is_flood) {
            server.write("data");
            EXPECT_EQ(receive_from(client, server).plain, "data");
            continue;
        }
        for (int i = 0; i < 2; ++i) server.send_ticket();
        EXPECT_EQ(receive_from(client, server).status, tls_status::failed);
        EXPECT_NE(client.error_detail().find("65 handshake messages in a row"), std::string::npos)
            << client.error_detail();
    }
}

TEST(TlsResumptionTest, TicketIsTakenByTheFirstStepNotBefore) {
    tls_session_cache cache(tickets_per_key);
    const tls_server_context context(origin_identity());
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, context);
    const std::size_t before = stock(cache, settings);
    const tls_engine never_stepped(settings);
    EXPECT_EQ(stock(cache, settings), before);
}

TEST(TlsResumptionTest, OlderSessionsMayBeUsedAtTheSameTime) {
    tls_session_cache cache(tickets_per_key);
    const tls_server_context context(origin_identity(), server_speaking(TLS1_2_VERSION));
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, context);
    tls_engine first(settings);
    tls_engine second(settings);
    tls_server first_server(context);
    tls_server second_server(context);
    (void)first.step();
    (void)second.step();
    EXPECT_TRUE(connect(first, first_server));
    EXPECT_TRUE(connect(second, second_server));
    EXPECT_TRUE(first.resumed());
    EXPECT_TRUE(second.resumed());
}

TEST(TlsResumptionTest, NothingIsSharedAcrossProfiles) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_session_cache cache(tickets_per_key);
        const tls_server_context context(origin_identity(), server_speaking(version));
        const tls_settings settings = settings_for(cache);
        (void)visit_once(settings, context);
        ASSERT_GT(stock(cache, settings), 0U);
        const tls_settings equal = settings_for(cache);  // the same options, another profile
        EXPECT_EQ(stock(cache, equal), 0U);
        EXPECT_FALSE(visit_once(equal, context).client_resumed);
        EXPECT_TRUE(visit_once(settings, context).client_resumed);
    }
}

TEST(TlsResumptionTest, UnverifiedSessionsAreNeverOfferedByOthers) {
    tls_session_cache cache(tickets_per_key);
    tls_options careless;
    careless.danger_skip_verification = true;
    const support::identity stranger = support::self_sign({});
    const tls_server_context context(stranger);
    const tls_settings unverified = settings_for(cache, careless);
    EXPECT_TRUE(visit_once(unverified, context).is_connected);
    EXPECT_TRUE(visit_once(unverified, context).client_resumed);
    EXPECT_FALSE(visit_once(settings_for(cache), context).is_connected);
}

// A profile that is gone leaves its number behind; one at the same address gets another.
TEST(TlsResumptionTest, DeadProfilesTicketsAreNotFoundByTheNextOne) {
    tls_session_cache cache(tickets_per_key);
    const tls_server_context context(origin_identity());
    for (int i = 0; i < 16; ++i) {
        const tls_settings settings = settings_for(cache);
        ASSERT_FALSE(visit_once(settings, context).client_resumed);
    }
}

TEST(TlsResumptionTest, NothingIsSharedAcrossHostsPortsAndProtocols) {
    tls_session_cache cache(tickets_per_key);
    support::certificate_request request;
    request.names = {"DNS:*.origin.example"};
    const auto wildcard = support::issue(request, support::test_authority());
    const tls_server_context context(wildcard);
    tls_settings settings = settings_for(cache);
    settings.host = "a.origin.example";
    (void)visit_once(settings, context);
    tls_settings other = settings;
    other.host = "b.origin.example";
    EXPECT_FALSE(visit_once(other, context).client_resumed);
    other = settings;
    other.port = 8443;
    EXPECT_FALSE(visit_once(other, context).client_resumed);
    other = settings;
    other.offer_http2 = true;
    EXPECT_FALSE(visit_once(other, context).client_resumed);
    EXPECT_TRUE(visit_once(settings, context).client_resumed);
}

TEST(TlsResumptionTest, KeyHasTheNamesSentAndVerified) {
    tls_options options = trusting_options();
    const std::string plain = tls_session_key(settings_with(options));
    options.server_name = "front.example";
    const std::string fronted = tls_session_key(settings_with(options));
    options.server_name.clear();
    options.verify_name = "front.example";
    const std::string verified = tls_session_key(settings_with(options));
    EXPECT_NE(plain, fronted);
    EXPECT_NE(plain, verified);
    EXPECT_NE(fronted, verified);
}

TEST(TlsResumptionTest, ProfileMaySwitchResumptionOff) {
    tls_session_cache cache(tickets_per_key);
    tls_options options = trusting_options();
    options.session_resumption = false;
    const tls_settings settings = settings_for(cache, options);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const tls_server_context context(origin_identity(), server_speaking(version));
        EXPECT_FALSE(visit_once(settings, context).client_resumed);
        EXPECT_EQ(stock(cache, settings), 0U);
        EXPECT_FALSE(visit_once(settings, context).client_resumed);
    }
}

TEST(TlsResumptionTest, EnginesWithoutCacheConnectInFull) {
    const tls_server_context context(origin_identity());
    const tls_settings settings = settings_with();
    EXPECT_TRUE(visit_once(settings, context).is_connected);
    EXPECT_FALSE(visit_once(settings, context).client_resumed);
}

TEST(TlsResumptionTest, ServersWithoutTicketsLeaveNothing) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_session_cache cache(tickets_per_key);
        tls_server_options options = server_speaking(version);
        options.tickets = 0;
        const tls_server_context context(origin_identity(), options);
        const tls_settings settings = settings_for(cache);
        EXPECT_TRUE(visit_once(settings, context).is_connected);
        EXPECT_EQ(stock(cache, settings), 0U);
        EXPECT_FALSE(visit_once(settings, context).client_resumed);
    }
}

TEST(TlsResumptionTest, AServerThatForgotItsKeysIsConnectedInFull) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_session_cache cache(tickets_per_key);
        const tls_settings settings = settings_for(cache);
        const tls_server_context before(origin_identity(), server_speaking(version));
        (void)visit_once(settings, before);
        const tls_server_context after(origin_identity(), server_speaking(version));
        const visit restarted = visit_once(settings, after);
        EXPECT_TRUE(restarted.is_connected);
        EXPECT_FALSE(restarted.client_resumed);
        EXPECT_TRUE(visit_once(settings, after).client_resumed);
    }
}

TEST(TlsResumptionTest, EveryEndLeavesTheSessionGood) {
    enum class end { drop, shut_down, peer_closes, both };
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const end how : {end::drop, end::shut_down, end::peer_closes, end::both}) {
            tls_session_cache cache(tickets_per_key);
            const tls_server_context context(origin_identity(), server_speaking(version));
            const tls_settings settings = settings_for(cache);
            {
                tls_server server(context);
                tls_engine client(settings);
                ASSERT_TRUE(connect(client, server));
                if (how == end::peer_closes || how == end::both) server.close();
                (void)receive_from(client, server);
                if (how == end::shut_down || how == end::both) client.shut_down();
            }
            EXPECT_TRUE(visit_once(settings, context).client_resumed) << static_cast<int>(how);
        }
    }
}

// A dial that is given up halfway has spent its TLS 1.3 ticket, but spoils no TLS 1.2 session.
TEST(TlsResumptionTest, AbandonedHandshakeLeavesOlderSessionsGood) {
    tls_session_cache cache(tickets_per_key);
    const tls_server_context context(origin_identity(), server_speaking(TLS1_2_VERSION));
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, context);
    {
        tls_engine abandoned(settings);
        EXPECT_EQ(abandoned.step(), tls_step::want_input);
    }
    EXPECT_TRUE(visit_once(settings, context).client_resumed);
}

TEST(TlsResumptionTest, FailedHandshakeDropsTheSessionItOffered) {
    tls_session_cache cache(tickets_per_key);
    const tls_server_context context(origin_identity(), server_speaking(TLS1_2_VERSION));
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, context);
    ASSERT_EQ(stock(cache, settings), 1U);
    tls_engine client(settings);
    (void)client.step();
    client.receive(octets("HTTP/1.1 400 Bad Request\r\n\r\n"));
    EXPECT_EQ(step_all(client), tls_step::failed);
    EXPECT_EQ(stock(cache, settings), 0U);
}

TEST(TlsResumptionTest, RenewedTicketsOfOlderVersionsAreKept) {
    tls_session_cache cache(tickets_per_key);
    tls_server_options options = server_speaking(TLS1_2_VERSION);
    options.renews_tickets = true;
    const tls_server_context context(origin_identity(), options);
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, context);
    EXPECT_EQ(stock(cache, settings), 1U);
    EXPECT_TRUE(visit_once(settings, context).client_resumed);
    EXPECT_EQ(stock(cache, settings), 2U);
    EXPECT_TRUE(visit_once(settings, context).client_resumed);
}

TEST(TlsResumptionTest, StockIsBounded) {
    tls_session_cache cache(3);
    tls_server_options options = server_speaking(TLS1_3_VERSION);
    options.tickets = 10;
    const tls_server_context context(origin_identity(), options);
    const tls_settings settings = settings_for(cache);
    (void)visit_once(settings, context);
    EXPECT_EQ(stock(cache, settings), 3U);
}

TEST(TlsResumptionTest, ExpiredTicketsAreNotOffered) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_session_cache cache(tickets_per_key);
        tls_server_options options = server_speaking(version);
        options.ticket_lifetime_s = 600;
        const tls_server_context context(origin_identity(), options);
        const tls_settings settings = settings_for(cache);
        (void)visit_once(settings, context);
        const std::string key = tls_session_key(settings);
        const auto profile = settings.profile->internals().id();
        ASSERT_GT(stock(cache, settings), 0U);
        EXPECT_EQ(cache.internals().take(profile, key, openssl_time() + 601), nullptr);
        EXPECT_EQ(stock(cache, settings), 0U);
    }
}

}  // namespace
}  // namespace hearth::proto
