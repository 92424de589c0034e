#include "proto/tls_engine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::connect;
using support::decrypt_all;
using support::key_kind;
using support::octets;
using support::origin_identity;
using support::receive_from;
using support::send_to;
using support::settings_with;
using support::step_all;
using support::take_output;
using support::tls_server;
using support::tls_server_context;
using support::tls_server_options;
using support::trusting_options;

constexpr std::size_t mebibyte = 1024 * 1024;
constexpr std::size_t header_size = 5;

std::string sample(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 % 251);
    return text;
}

// Sizes of the records in a stream, headers included.
std::vector<std::size_t> record_sizes(std::string_view stream) {
    std::vector<std::size_t> sizes;
    while (stream.size() >= header_size) {
        const std::size_t size =
            header_size + (static_cast<std::size_t>(static_cast<unsigned char>(stream[3])) << 8U) +
            static_cast<unsigned char>(stream[4]);
        sizes.push_back(size);
        stream.remove_prefix(std::min(size, stream.size()));
    }
    return sizes;
}

// A connected pair.
struct pair {
    explicit pair(const tls_settings& settings = settings_with(),
                  const tls_server_options& options = {})
        : context(origin_identity(), options), server(context), client(settings) {
        is_connected = connect(client, server);
    }

    tls_server_context context;
    tls_server server;
    tls_engine client;
    bool is_connected = false;
};

// With each way to protect records.
class TlsEngineTest : public ::testing::TestWithParam<unsigned> {
protected:
    TlsEngineTest() { support::libssl_calls = GetParam(); }
    ~TlsEngineTest() override { support::libssl_calls = tls_settings{}.libssl_calls; }
};

INSTANTIATE_TEST_SUITE_P(Records, TlsEngineTest, ::testing::Values(support::never, support::always),
                         [](const auto& of) {
                             return of.param == support::never ? "Own" : "OfLibssl";
                         });

TEST_P(TlsEngineTest, ConnectsWithEachVersionAndKeyKind) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const key_kind key : {key_kind::ecdsa, key_kind::rsa}) {
            tls_server_options options;
            options.minimum_version = options.maximum_version = version;
            const tls_server_context context(origin_identity(key), options);
            tls_server server(context);
            tls_engine client(settings_with());
            ASSERT_TRUE(connect(client, server)) << client.error_detail() << server.error();
            EXPECT_EQ(client.version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
            EXPECT_FALSE(client.cipher().empty());
            EXPECT_FALSE(client.resumed());
            EXPECT_EQ(client.step(), tls_step::done);
        }
    }
}

TEST_P(TlsEngineTest, ReceiveDoesNoHandshakeWork) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with());
    EXPECT_TRUE(client.output().empty());
    EXPECT_EQ(client.step(), tls_step::want_input);
    server.receive(take_output(client));
    server.advance();
    const std::string flight = server.take_output();
    client.receive(octets(flight));
    client.retain();
    EXPECT_EQ(client.pending_input(), flight.size());
    EXPECT_TRUE(client.has_complete_record());
    EXPECT_TRUE(client.output().empty());
    EXPECT_FALSE(client.is_established());
    EXPECT_EQ(step_all(client), tls_step::done);
    EXPECT_FALSE(client.output().empty());
    EXPECT_EQ(client.pending_input(), 0U);
}

TEST_P(TlsEngineTest, InsistsOnAProfile) {
    const tls_settings settings;
    EXPECT_THROW(tls_engine{settings}, std::invalid_argument);
}

TEST_P(TlsEngineTest, StepWithoutNewInputChangesNothing) {
    tls_engine client(settings_with());
    EXPECT_EQ(client.step(), tls_step::want_input);
    const std::size_t hello = client.output().size();
    EXPECT_GT(hello, 0U);
    EXPECT_FALSE(client.has_complete_record());
    EXPECT_EQ(client.step(), tls_step::want_input);
    EXPECT_EQ(client.output().size(), hello);
}

TEST_P(TlsEngineTest, FactsAreEmptyBeforeTheHandshake) {
    const tls_engine client(settings_with());
    EXPECT_EQ(client.version(), "");
    EXPECT_EQ(client.cipher(), "");
    EXPECT_EQ(client.alpn(), "");
    EXPECT_FALSE(client.resumed());
    EXPECT_EQ(client.memory(), 0U);
    EXPECT_EQ(client.error_detail(), "");
}

// Carries everything one octet per `receive`, in both versions.
TEST_P(TlsEngineTest, AcceptsOneOctetAtATime) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_server_options options;
        options.maximum_version = version;
        const tls_server_context context(origin_identity(), options);
        tls_server server(context);
        tls_engine client(settings_with());
        tls_step state = client.step();
        for (int round = 0; round < 8 && state == tls_step::want_input; ++round) {
            server.receive(take_output(client));
            server.advance();
            const std::string flight = server.take_output();
            for (std::size_t i = 0; i < flight.size(); ++i) {
                client.receive(octets(std::string_view(flight).substr(i, 1)));
                client.retain();
                if (state == tls_step::want_input && client.has_complete_record()) {
                    state = step_all(client);
                }
            }
        }
        ASSERT_EQ(state, tls_step::done) << client.error_detail();
        server.receive(take_output(client));
        server.advance();
        server.write("hello");
        const std::string sent = server.take_output();
        std::string plain;
        for (const char& each : sent) {
            client.receive(octets({&each, 1}));
            plain += decrypt_all(client).plain;
            client.retain();
        }
        EXPECT_EQ(plain, "hello");
        EXPECT_EQ(client.memory(), 0U);
    }
}

TEST_P(TlsEngineTest, AcceptsRecordsSplitAtEveryOffset) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    (void)receive_from(link.client, link.server);
    const std::string first = sample(70);
    const std::string second = sample(33);
    const std::size_t length = [&] {
        link.server.write(first);
        link.server.write(second);
        const std::string sent = link.server.take_output();
        link.client.receive(octets(sent));
        EXPECT_EQ(decrypt_all(link.client).plain, first + second);
        return sent.size();
    }();
    for (std::size_t offset = 0; offset <= length; ++offset) {
        link.server.write(first);
        link.server.write(second);
        const std::string sent = link.server.take_output();
        ASSERT_EQ(sent.size(), length);
        link.client.receive(octets(std::string_view(sent).substr(0, offset)));
        std::string plain = decrypt_all(link.client).plain;
        link.client.retain();
        link.client.receive(octets(std::string_view(sent).substr(offset)));
        EXPECT_EQ(link.client.has_complete_record(), plain.size() < first.size() + second.size());
        plain += decrypt_all(link.client).plain;
        link.client.retain();
        ASSERT_EQ(plain, first + second) << "split at " << offset;
        ASSERT_EQ(link.client.pending_input(), 0U);
    }
}

TEST_P(TlsEngineTest, ReceiveTwiceKeepsTheOrder) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.write(sample(5000));
    const std::string sent = link.server.take_output();
    link.client.receive(octets(std::string_view(sent).substr(0, 100)));
    link.client.receive(octets(std::string_view(sent).substr(100, 1000)));
    link.client.receive(octets(std::string_view(sent).substr(1100)));
    EXPECT_EQ(decrypt_all(link.client).plain, sample(5000));
}

TEST_P(TlsEngineTest, MovesAMebibyteBothWays) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_server_options options;
        options.maximum_version = version;
        pair link(settings_with(), options);
        ASSERT_TRUE(link.is_connected);
        const std::string body = sample(mebibyte);
        ASSERT_TRUE(link.client.encrypt(octets(body)));
        EXPECT_EQ(send_to(link.server, link.client), body);
        link.server.write(body);
        EXPECT_EQ(receive_from(link.client, link.server).plain, body);
        EXPECT_EQ(link.client.memory(), 0U);
    }
}

TEST_P(TlsEngineTest, EncryptsIntoFullRecords) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    (void)take_output(link.client);
    const std::string body = sample(3 * 16384 + 10);
    ASSERT_TRUE(link.client.encrypt(octets(body)));
    const auto sizes = record_sizes(take_output(link.client));
    ASSERT_EQ(sizes.size(), 4U);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_GT(sizes[i], 16384U);
    EXPECT_LT(sizes[3], 64U);
}

TEST_P(TlsEngineTest, EncryptingNothingSendsNothing) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    EXPECT_TRUE(link.client.encrypt({}));
    EXPECT_TRUE(link.client.output().empty());
}

TEST_P(TlsEngineTest, DecryptGoesOnWhereTheLastBufferEnded) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.write("abc");
    link.server.write("defgh");
    const std::string sent = link.server.take_output();
    link.client.receive(octets(sent));
    std::array<std::byte, 4> buffer;
    std::string plain;
    tls_status status = tls_status::ok;
    while (status == tls_status::ok && plain.size() < 8) {
        EXPECT_TRUE(link.client.has_complete_record());
        EXPECT_NE(link.client.pending(), 0U);
        const auto got = link.client.decrypt(buffer);
        ASSERT_NE(got.size, 0U);
        status = got.status;
        plain.append(reinterpret_cast<const char*>(buffer.data()), got.size);
    }
    EXPECT_EQ(plain, "abcdefgh");
    EXPECT_EQ(link.client.decrypt(buffer).status, tls_status::want_input);
    EXPECT_EQ(link.client.pending(), 0U);
}

TEST_P(TlsEngineTest, DecryptWithoutRoomReportsAFullBuffer) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    EXPECT_EQ(link.client.decrypt({}).status, tls_status::ok);
}

TEST_P(TlsEngineTest, CloseNotifyComesBehindTheData) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.write("last words");
    link.server.close();
    const auto got = receive_from(link.client, link.server);
    EXPECT_EQ(got.plain, "last words");
    EXPECT_EQ(got.status, tls_status::closed);
    EXPECT_EQ(decrypt_all(link.client).status, tls_status::closed);
}

TEST_P(TlsEngineTest, EndWithoutCloseNotifyIsNotClosed) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.write(sample(100));
    std::string sent = link.server.take_output();
    sent.resize(sent.size() - 1);
    link.client.receive(octets(sent));
    const auto got = decrypt_all(link.client);
    link.client.retain();
    EXPECT_EQ(got.plain, "");
    EXPECT_EQ(got.status, tls_status::want_input);
    EXPECT_GT(link.client.pending_input(), 0U);
    EXPECT_FALSE(link.client.has_complete_record());
}

TEST_P(TlsEngineTest, WritesAfterThePeerClosed) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.close();
    EXPECT_EQ(receive_from(link.client, link.server).status, tls_status::closed);
    EXPECT_TRUE(link.client.encrypt(octets("still here")));
    EXPECT_EQ(send_to(link.server, link.client), "still here");
}

TEST_P(TlsEngineTest, ShutDownSendsCloseNotifyOnce) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_server_options options;
        options.maximum_version = version;
        pair link(settings_with(), options);
        ASSERT_TRUE(link.is_connected);
        link.client.shut_down();
        const std::size_t size = link.client.output().size();
        EXPECT_GT(size, 0U);
        link.client.shut_down();
        EXPECT_EQ(link.client.output().size(), size);
        (void)send_to(link.server, link.client);
        EXPECT_TRUE(link.server.saw_close());
    }
}

TEST_P(TlsEngineTest, ShutDownReadsWhatIsStillComing) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.client.shut_down();
    link.server.write("late");
    const auto got = receive_from(link.client, link.server);
    EXPECT_EQ(got.plain, "late");
    EXPECT_EQ(got.status, tls_status::want_input);
}

TEST_P(TlsEngineTest, ShutDownBeforeTheHandshakeSendsNothing) {
    tls_engine client(settings_with());
    client.shut_down();
    EXPECT_TRUE(client.output().empty());
}

TEST_P(TlsEngineTest, ConsumesTicketsAndKeyUpdatesWithoutData) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.send_ticket();
    link.server.update_keys(false);
    const std::string sent = link.server.take_output();
    link.client.receive(octets(sent));
    std::array<std::byte, 64> buffer;
    const auto got = link.client.decrypt(buffer);
    EXPECT_EQ(got.size, 0U);
    EXPECT_EQ(got.status, tls_status::want_input);
    link.client.retain();
    EXPECT_EQ(link.client.memory(), 0U);
    link.server.write("new key");
    EXPECT_EQ(receive_from(link.client, link.server).plain, "new key");
}

TEST_P(TlsEngineTest, AnswersAKeyUpdateWithItsNextData) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.update_keys(true);
    EXPECT_EQ(receive_from(link.client, link.server).status, tls_status::want_input);
    ASSERT_TRUE(link.client.encrypt(octets("pong")));
    const std::string sent = take_output(link.client);
    EXPECT_EQ(record_sizes(sent).size(), 2U);
    link.server.receive(sent);
    EXPECT_EQ(link.server.read(), "pong");
}

TEST_P(TlsEngineTest, IdleEngineHoldsNoMemory) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    EXPECT_GT(link.client.pending_input(), 0U);  // the tickets, which nobody has read yet
    EXPECT_EQ(decrypt_all(link.client).status, tls_status::want_input);
    link.client.retain();
    EXPECT_EQ(link.client.memory(), 0U);
}

TEST_P(TlsEngineTest, KeepsUndeliveredInput) {
    pair link;
    ASSERT_TRUE(link.is_connected);
    link.server.write(sample(100'000));
    const std::string sent = link.server.take_output();
    link.client.receive(octets(sent));
    std::array<std::byte, 1000> buffer;
    EXPECT_EQ(link.client.decrypt(buffer).size, 1000U);
    link.client.retain();
    EXPECT_GT(link.client.memory(), link.client.pending_input());
    EXPECT_EQ(decrypt_all(link.client).plain, sample(100'000).substr(1000));
    link.client.retain();
    EXPECT_EQ(link.client.memory(), 0U);
}

TEST_P(TlsEngineTest, OffersProtocolsInOrder) {
    tls_settings settings = settings_with();
    EXPECT_EQ(pair(settings).client.alpn(), "http/1.1");
    settings.offer_http2 = true;
    EXPECT_EQ(pair(settings).client.alpn(), "h2");
    tls_server_options options;
    options.alpn = {"http/1.1"};
    EXPECT_EQ(pair(settings, options).client.alpn(), "http/1.1");
    options.alpn = {};
    pair silent(settings, options);
    EXPECT_TRUE(silent.is_connected);
    EXPECT_EQ(silent.client.alpn(), "");
}

TEST_P(TlsEngineTest, RefusesAProtocolThatWasNotOffered) {
    for (const std::string forced : {"h2", "spdy/3"}) {
        tls_server_options options;
        options.forced_alpn = forced;
        pair link(settings_with(), options);
        EXPECT_FALSE(link.is_connected);
        EXPECT_EQ(link.client.error_code(), errc::handshake_failed);
    }
}

TEST_P(TlsEngineTest, SendsTheHostAsServerName) {
    tls_settings settings = settings_with();
    EXPECT_EQ(pair(settings).server.server_name(), "origin.example");
    settings.host = "origin.example.";
    EXPECT_EQ(pair(settings).server.server_name(), "origin.example");
    tls_options options = trusting_options();
    options.server_name = "front.example";
    EXPECT_EQ(pair(settings_with(options)).server.server_name(), "front.example");
}

TEST_P(TlsEngineTest, SendsNoServerNameForAnAddress) {
    tls_options options = trusting_options();
    options.verify_name = "origin.example";
    tls_settings settings = settings_with(options);
    for (const std::string host : {"127.0.0.1", "::1"}) {
        settings.host = host;
        pair link(settings);
        EXPECT_TRUE(link.is_connected);
        EXPECT_EQ(link.server.server_name(), "");
    }
}

TEST_P(TlsEngineTest, HostThatCannotBeNamedFailsAtTheFirstStep) {
    for (const std::string& host :
         {std::string(), std::string("a b"), std::string("a\0b", 3), std::string(300, 'a')}) {
        tls_settings settings = settings_with();
        settings.host = host;
        tls_engine client(settings);
        EXPECT_EQ(client.step(), tls_step::failed);
        EXPECT_EQ(client.error_code(), errc::handshake_failed);
        EXPECT_TRUE(client.output().empty());
    }
}

TEST_P(TlsEngineTest, RefusesServersBelowTheMinimumVersion) {
    tls_server_options old;
    old.minimum_version = old.maximum_version = TLS1_1_VERSION;
    old.cipher_list = "ALL:@SECLEVEL=0";
    pair ancient(settings_with(), old);
    EXPECT_FALSE(ancient.is_connected);
    EXPECT_EQ(ancient.client.error_code(), errc::handshake_failed);

    tls_options demanding = trusting_options();
    demanding.minimum_version = tls_version::tls_1_3;
    old = {};
    old.maximum_version = TLS1_2_VERSION;
    pair link(settings_with(demanding), old);
    EXPECT_FALSE(link.is_connected);
    EXPECT_EQ(link.client.error_code(), errc::handshake_failed);
    EXPECT_NE(link.client.error_detail().find("origin.example:443"), std::string::npos);
}

TEST_P(TlsEngineTest, MaximumVersionIsObeyed) {
    tls_options options = trusting_options();
    options.maximum_version = tls_version::tls_1_2;
    EXPECT_EQ(pair(settings_with(options)).client.version(), "TLSv1.2");
}

TEST_P(TlsEngineTest, AlertOfThePeerIsNamed) {
    tls_options options = trusting_options();
    options.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256";
    options.minimum_version = tls_version::tls_1_3;
    tls_server_context context(origin_identity());
    SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
    tls_server server(context);
    tls_engine client(settings_with(options));
    EXPECT_FALSE(connect(client, server));
    EXPECT_EQ(client.error_code(), errc::handshake_failed);
    EXPECT_NE(client.error_detail().find("handshake failure"), std::string::npos)
        << client.error_detail();
}

TEST_P(TlsEngineTest, PresentsTheClientCertificate) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const key_kind key : {key_kind::ecdsa, key_kind::rsa}) {
            tls_server_options server_options;
            server_options.maximum_version = version;
            server_options.client_ca_pem = support::test_authority().certificate_pem();
            support::certificate_request request;
            request.key = key;
            const auto caller = support::issue(request, support::test_authority());
            tls_options options = trusting_options();
            options.certificate_pem = caller.certificate_pem();
            options.private_key_pem = caller.key_pem();
            pair link(settings_with(options), server_options);
            ASSERT_TRUE(link.is_connected) << link.client.error_detail() << link.server.error();
            EXPECT_TRUE(link.server.has_client_certificate());
        }
    }
}

// With TLS 1.3 the client is established before the server has looked (RFC 8446 4.4.2.4).
TEST_P(TlsEngineTest, MissingClientCertificateIsNamedByTheAlert) {
    tls_server_options options;
    options.client_ca_pem = support::test_authority().certificate_pem();
    pair link(settings_with(), options);
    EXPECT_FALSE(link.is_connected);
    ASSERT_TRUE(link.client.is_established());
    EXPECT_EQ(decrypt_all(link.client).status, tls_status::failed);
    EXPECT_EQ(link.client.error_code(), errc::peer_tls_error);
    EXPECT_NE(link.client.error_detail().find("certificate required"), std::string::npos)
        << link.client.error_detail();
    EXPECT_FALSE(link.client.encrypt(octets("x")));

    options.maximum_version = TLS1_2_VERSION;
    pair older(settings_with(), options);
    EXPECT_FALSE(older.is_connected);
    EXPECT_EQ(older.client.error_code(), errc::handshake_failed);
}

}  // namespace
}  // namespace hearth::proto
