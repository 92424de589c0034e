// What a peer does wrong, by accident or on purpose: bounded, refused, and never a crash.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <thread>

#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::connect;
using support::decrypt_all;
using support::octets;
using support::origin_identity;
using support::receive_from;
using support::settings_with;
using support::step_all;
using support::take_output;
using support::tls_server;
using support::tls_server_context;
using support::tls_server_options;

constexpr std::size_t stored_limit = 256 * 1024;
constexpr char handshake_type = 22;

std::string record(char type, std::string_view fragment) {
    std::string made{type, 3, 3, static_cast<char>(fragment.size() >> 8U),
                     static_cast<char>(fragment.size())};
    return made.append(fragment);
}

// Both flights of an honest handshake: what the client sends first, and the server's answer.
std::string answer_of(tls_server& server, tls_engine& client) {
    EXPECT_EQ(client.step(), tls_step::want_input);
    server.receive(take_output(client));
    server.advance();
    return server.take_output();
}

// With each way to protect records.
class TlsHostileTest : public ::testing::TestWithParam<unsigned> {
protected:
    TlsHostileTest() { support::libssl_calls = GetParam(); }
    ~TlsHostileTest() override { support::libssl_calls = tls_settings{}.libssl_calls; }
};

INSTANTIATE_TEST_SUITE_P(Records, TlsHostileTest,
                         ::testing::Values(support::never, support::always), [](const auto& of) {
                             return of.param == support::never ? "Own" : "OfLibssl";
                         });

TEST_P(TlsHostileTest, PlaintextAnswerIsNamedAsSuch) {
    tls_engine client(settings_with());
    (void)client.step();
    client.receive(octets("HTTP/1.1 400 Bad Request\r\n\r\n"));
    EXPECT_TRUE(client.has_complete_record());
    EXPECT_EQ(step_all(client), tls_step::failed);
    EXPECT_EQ(client.error_code(), errc::handshake_failed);
    EXPECT_NE(client.error_detail().find("not TLS"), std::string::npos) << client.error_detail();
    EXPECT_EQ(client.step(), tls_step::failed);
}

TEST_P(TlsHostileTest, GarbageFailsWhateverItsFirstOctet) {
    for (int first = 0; first < 256; ++first) {
        tls_engine client(settings_with());
        (void)client.step();
        std::string garbage(64, '\xa5');
        garbage[0] = static_cast<char>(first);
        client.receive(octets(garbage));
        EXPECT_EQ(step_all(client), tls_step::failed) << first;
        EXPECT_EQ(client.error_code(), errc::handshake_failed);
    }
}

TEST_P(TlsHostileTest, EveryFlippedOctetOfTheServersFlightIsSurvived) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_server_options options;
        options.maximum_version = version;
        const tls_server_context context(origin_identity(), options);
        const tls_settings settings = settings_with();
        std::size_t length = 1;
        for (std::size_t place = 0; place < length; place += 3) {
            tls_server server(context);
            tls_engine client(settings);
            std::string flight = answer_of(server, client);
            length = flight.size();
            flight[place % length] = static_cast<char>(flight[place % length] ^ 0x41);
            client.receive(octets(flight));
            const tls_step result = step_all(client);
            client.retain();
            // A changed length or version can leave it waiting, and in TLS 1.2 the damage may show
            // in Finished only; it never ends well.
            ASSERT_TRUE(result == tls_step::failed || result == tls_step::want_input) << place;
            ASSERT_EQ(result == tls_step::failed, !client.error_detail().empty());
        }
    }
}

TEST_P(TlsHostileTest, FailureLeavesTheAlertInTheOutput) {
    const tls_server_context context(support::self_sign({}));
    tls_server server(context);
    tls_engine client(settings_with());
    const std::string flight = answer_of(server, client);
    client.receive(octets(flight));
    ASSERT_EQ(step_all(client), tls_step::failed);
    EXPECT_FALSE(client.output().empty());
    server.receive(take_output(client));
    server.advance();
    EXPECT_NE(server.error().find("alert"), std::string::npos) << server.error();
}

// HelloRequest is to be ignored during a handshake (RFC 5246 7.4.1.1), so this never ends by
// itself.
TEST_P(TlsHostileTest, EndlessHandshakeMessagesAreCutOff) {
    tls_engine client(settings_with());
    (void)client.step();
    const std::string flood = record(handshake_type, std::string(16384, '\0'));
    std::size_t given = 0;
    tls_step result = tls_step::want_input;
    while (result != tls_step::failed && given < 100) {
        client.receive(octets(flood));
        ++given;
        result = step_all(client);
        client.retain();
    }
    EXPECT_EQ(result, tls_step::failed);
    EXPECT_LE(given * flood.size(), stored_limit + flood.size());
    EXPECT_NE(client.error_detail().find("262144"), std::string::npos) << client.error_detail();
}

TEST_P(TlsHostileTest, OversizedMessageIsRefusedByItsHeader) {
    const tls_server_context context(origin_identity());
    tls_engine client(settings_with());
    (void)client.step();
    // A ServerHello that announces 16 MiB.
    const std::string sent = record(handshake_type, {"\x02\xff\xff\xff\x03\x03", 6});
    client.receive(octets(sent));
    EXPECT_EQ(step_all(client), tls_step::failed);
    EXPECT_EQ(client.error_code(), errc::handshake_failed);
}

void store_without_end() {
    tls_engine client(settings_with());
    (void)client.step();
    const std::string flood = record(handshake_type, std::string(16384, '\0'));
    for (int i = 0; i < 100; ++i) {
        client.receive(octets(flood));
        client.retain();
        ASSERT_LE(client.pending_input(), stored_limit);
    }
    ASSERT_LE(client.memory(), 2 * stored_limit + 4096);  // queues grow by doubling
    EXPECT_TRUE(client.has_complete_record());
    EXPECT_EQ(step_all(client), tls_step::failed);
    EXPECT_EQ(client.error_code(), errc::handshake_failed);
}

TEST_P(TlsHostileTest, UnreadHandshakeInputIsBounded) {
    // A thread that has no larger blocks left over from other tests.
    std::thread(store_without_end).join();
}

TEST_P(TlsHostileTest, EmptyRecordsWithoutEndAreRefused) {
    tls_engine client(settings_with());
    (void)client.step();
    std::string flood;
    for (int i = 0; i < 1000; ++i) flood += record(handshake_type, {});
    client.receive(octets(flood));
    EXPECT_EQ(step_all(client), tls_step::failed);
}

TEST_P(TlsHostileTest, DamagedRecordFailsAfterTheDataBeforeIt) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    server.write("good");
    server.write("bad");
    std::string sent = server.take_output();
    sent.back() = static_cast<char>(sent.back() ^ 1);
    client.receive(octets(sent));
    const auto got = decrypt_all(client);
    EXPECT_EQ(got.plain, "good");
    EXPECT_EQ(got.status, tls_status::failed);
    EXPECT_EQ(client.error_code(), errc::peer_tls_error);
    EXPECT_FALSE(client.is_established());
    EXPECT_EQ(decrypt_all(client).status, tls_status::failed);
    EXPECT_FALSE(client.encrypt(octets("x")));
}

TEST_P(TlsHostileTest, PlaintextInsideTheConnectionFails) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    client.receive(octets("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(decrypt_all(client).status, tls_status::failed);
    EXPECT_EQ(client.error_code(), errc::peer_tls_error);
}

TEST_P(TlsHostileTest, RecordBeyondTheLargestSizeFails) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    const std::string sent = record(23, std::string(18'000, 'x'));
    client.receive(octets(sent));
    EXPECT_EQ(decrypt_all(client).status, tls_status::failed);
}

TEST_P(TlsHostileTest, KeyUpdateFloodIsCutOff) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    for (int i = 0; i < 1000; ++i) server.update_keys(false);
    EXPECT_EQ(receive_from(client, server).status, tls_status::failed);
    EXPECT_EQ(client.error_code(), errc::peer_tls_error);
    EXPECT_NE(client.error_detail().find("in a row"), std::string::npos);
}

TEST_P(TlsHostileTest, KeyUpdatesBetweenDataAreNotAFlood) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    for (int i = 0; i < 500; ++i) {
        server.update_keys(true);
        server.write("x");
        ASSERT_EQ(receive_from(client, server).plain, "x");
        ASSERT_TRUE(client.encrypt(octets("y")));
        ASSERT_EQ(support::send_to(server, client), "y");
    }
}

// Data between the requests keeps them from being a flood, but nobody reads the answers.
TEST_P(TlsHostileTest, UnsentAnswersAreBounded) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    tls_status status = tls_status::want_input;
    for (int i = 0; i < 10'000 && status != tls_status::failed; ++i) {
        server.update_keys(true);
        server.write("x");
        status = receive_from(client, server).status;
    }
    EXPECT_EQ(status, tls_status::failed);
    EXPECT_EQ(client.error_code(), errc::peer_tls_error);
    EXPECT_LE(client.output().size(), 20'000U);
}

TEST_P(TlsHostileTest, TicketFloodIsCutOff) {
    tls_session_cache cache(8);
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_settings settings = settings_with();
    settings.sessions = &cache;
    tls_engine client(settings);
    ASSERT_TRUE(connect(client, server));
    for (int i = 0; i < 200; ++i) server.send_ticket();
    EXPECT_EQ(receive_from(client, server).status, tls_status::failed);
    EXPECT_LE(cache.count(*settings.profile, tls_session_key(settings)), 8U);
}

TEST_P(TlsHostileTest, RenegotiationIsRefusedAndTheConnectionGoesOn) {
    tls_server_options options;
    options.maximum_version = TLS1_2_VERSION;
    const tls_server_context context(origin_identity(), options);
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    server.ask_for_renegotiation();
    EXPECT_EQ(receive_from(client, server).status, tls_status::want_input);
    // The answer is a warning (no_renegotiation), not a ClientHello; that OpenSSL's server then
    // gives up is its own choice.
    EXPECT_EQ(take_output(client).substr(0, 1), std::string(1, '\x15'));
    EXPECT_TRUE(client.is_established());
    EXPECT_TRUE(client.encrypt(octets("goes on")));
}

TEST_P(TlsHostileTest, FatalAlertAfterTheHandshakeIsNamed) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    ASSERT_TRUE(connect(client, server));
    server.receive("not a record of TLS, which makes the server complain");
    (void)server.read();
    const auto got = receive_from(client, server);
    EXPECT_EQ(got.status, tls_status::failed);
    EXPECT_NE(client.error_detail().find("the peer sent the alert"), std::string::npos)
        << client.error_detail();
}

TEST_P(TlsHostileTest, CloseDuringTheHandshakeFails) {
    tls_engine client(settings_with());
    (void)client.step();
    const std::string close_notify = record(21, {"\x01\x00", 2});
    client.receive(octets(close_notify));
    EXPECT_EQ(step_all(client), tls_step::failed);
    EXPECT_EQ(client.error_code(), errc::handshake_failed);
    EXPECT_NE(client.error_detail().find("closed"), std::string::npos) << client.error_detail();
}

TEST_P(TlsHostileTest, ErrorsOfOneEngineDoNotReachAnother) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine good(settings_with());
    ASSERT_TRUE(connect(good, server));
    tls_engine bad(settings_with());
    (void)bad.step();
    bad.receive(octets("garbage garbage garbage"));
    EXPECT_EQ(step_all(bad), tls_step::failed);
    server.write("fine");
    EXPECT_EQ(receive_from(good, server).plain, "fine");
}

}  // namespace
}  // namespace hearth::proto
