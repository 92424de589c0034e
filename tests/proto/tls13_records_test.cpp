#include "proto/tls13_records.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/tls_algorithms.hpp"
#include "proto/tls_engine.hpp"
#include "proto/tls_profile_impl.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::connect;
using support::decrypt_all;
using support::octets;
using support::origin_identity;
using support::receive_from;
using support::send_to;
using support::settings_with;
using support::take_output;
using support::tls_server;
using support::tls_server_context;
using support::tls_server_options;

using record_octets = std::vector<std::byte>;

constexpr std::uint8_t alert_type = 21;
constexpr std::uint8_t handshake_type = 22;
constexpr std::uint8_t data_type = 23;

record_octets from_hex(std::string_view text) {
    record_octets found;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        found.push_back(
            static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    }
    return found;
}

const tls13_aead& aead_of_suite(std::uint16_t number = 0x1301) {
    EXPECT_NE(tls_algorithms(), nullptr);
    return *tls13_aead_of(number);
}

tls13_traffic_keys::side side_of(const record_octets& key, const record_octets& iv) {
    tls13_traffic_keys::side side;
    std::transform(key.begin(), key.end(), side.key.begin(),
                   [](std::byte b) { return std::to_integer<unsigned char>(b); });
    std::transform(iv.begin(), iv.end(), side.iv.begin(),
                   [](std::byte b) { return std::to_integer<unsigned char>(b); });
    side.key_size = key.size();
    side.has_iv = true;
    return side;
}

// RFC 8448 3: the client's keys of application data, and its first record of it.
tls13_traffic_keys::side client_of_rfc() {
    return side_of(from_hex("17422dda596ed5d9acd890e3c63f5051"),
                   from_hex("5b78923dee08579033e523d9"));
}
constexpr std::string_view record_of_rfc =
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
    "2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";

record_octets plain_of_rfc() {
    record_octets plain(50);
    for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<std::byte>(i);
    return plain;
}

record_octets sealed(tls13_record_cipher& by, std::uint64_t number, std::uint8_t type,
                     const record_octets& plain) {
    record_octets out(plain.size() + tls13_record::overhead);
    EXPECT_TRUE(by.seal(number, type, plain, out));
    return out;
}

TEST(Tls13RecordCipherTest, SealsAsTheRfcDoes) {
    tls13_record_cipher cipher(aead_of_suite(), client_of_rfc(), tls13_record_cipher::use::seal);
    EXPECT_EQ(sealed(cipher, 0, data_type, plain_of_rfc()), from_hex(record_of_rfc));
}

TEST(Tls13RecordCipherTest, OpensWhatTheRfcHasSealed) {
    tls13_record_cipher cipher(aead_of_suite(), client_of_rfc(), tls13_record_cipher::use::open);
    record_octets plain(50);
    const auto got = cipher.open(0, from_hex(record_of_rfc), plain);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->type, data_type);
    EXPECT_EQ(got->size, plain.size());
    EXPECT_EQ(plain, plain_of_rfc());
    EXPECT_FALSE(cipher.open(1, from_hex(record_of_rfc), plain));
}

TEST(Tls13RecordCipherTest, EverySizeComesBackWithAndWithoutRoomBehindIt) {
    for (const int suite : {0x1301, 0x1302, 0x1303}) {
        const tls13_aead& aead = aead_of_suite(static_cast<std::uint16_t>(suite));
        const auto side = side_of(record_octets(aead.key_size, std::byte{5}),
                                  record_octets(tls13_aead::nonce_size, std::byte{6}));
        tls13_record_cipher sealer(aead, side, tls13_record_cipher::use::seal);
        tls13_record_cipher opener(aead, side, tls13_record_cipher::use::open);
        std::uint64_t number = 0xfedcba9876543210U;
        for (const std::size_t size : {1U, 2U, 15U, 16U, 17U, 511U, 512U, 513U, 16383U, 16384U}) {
            record_octets plain(size);
            for (std::size_t i = 0; i < size; ++i) plain[i] = static_cast<std::byte>(i * 7);
            plain.back() = std::byte{1};
            const record_octets record = sealed(sealer, ++number, data_type, plain);
            ASSERT_TRUE(tls13_record::is_whole(record));
            ASSERT_EQ(tls13_record_cipher::room_for(record), size);
            for (const std::size_t room : {size, size + 1, size + 100}) {
                record_octets into(room);
                const auto got = opener.open(number, record, into);
                ASSERT_TRUE(got) << suite << ' ' << size;
                ASSERT_EQ(got->size, size);
                ASSERT_EQ(got->type, data_type);
                into.resize(size);
                ASSERT_EQ(into, plain);
            }
        }
    }
}

TEST(Tls13RecordCipherTest, PaddingIsTakenOff) {
    tls13_record_cipher sealer(aead_of_suite(), client_of_rfc(), tls13_record_cipher::use::seal);
    tls13_record_cipher opener(aead_of_suite(), client_of_rfc(), tls13_record_cipher::use::open);
    // Its type is that of the content as far as sealing goes: what follows is padding.
    record_octets padded = from_hex("616263");
    padded.push_back(std::byte{alert_type});
    padded.resize(40);
    const record_octets record = sealed(sealer, 3, 0, padded);
    for (const std::size_t room : {40U, 41U}) {
        record_octets into(room);
        const auto got = opener.open(3, record, into);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->type, alert_type);
        EXPECT_EQ(got->size, 3U);
    }
    record_octets into(41);
    const auto nothing = opener.open(4, sealed(sealer, 4, 0, record_octets(40)), into);
    ASSERT_TRUE(nothing);
    EXPECT_EQ(nothing->type, 0);
}

TEST(Tls13RecordCipherTest, NothingThatWasChangedIsOpened) {
    tls13_record_cipher cipher(aead_of_suite(), client_of_rfc(), tls13_record_cipher::use::open);
    const record_octets good = from_hex(record_of_rfc);
    record_octets into(200);
    for (std::size_t i = 0; i < good.size(); ++i) {
        record_octets bad = good;
        bad[i] ^= std::byte{4};
        std::ranges::fill(into, std::byte{7});
        EXPECT_FALSE(cipher.open(0, bad, into)) << i;
        for (const std::byte octet : into) {
            EXPECT_TRUE(octet == std::byte{7} || octet == std::byte{0});
        }
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(cipher.open(0, std::span(good).first(size), into)) << size;
    }
    EXPECT_TRUE(cipher.open(0, good, into));
}

// What libssl and the peer are, with keys that the test knows.
struct numbered_pair {
    tls13_traffic_keys keys;
    std::optional<tls13_records> records;
    std::optional<tls13_record_cipher> peer;            // seals what is received
    std::optional<tls13_record_cipher> libssl_sending;  // and what libssl sends
    std::optional<tls13_record_cipher> libssl_reading;

    struct numbers {
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
    };
    explicit numbered_pair(numbers by_libssl) {
        const tls13_aead& aead = aead_of_suite();
        keys.client = client_of_rfc();
        keys.server = side_of(record_octets(16, std::byte{9}), record_octets(12, std::byte{8}));
        records.emplace(aead, keys);
        EXPECT_TRUE(records->start_sealing(by_libssl.sent));
        EXPECT_TRUE(records->start_opening(by_libssl.received));
        peer.emplace(aead, keys.server, tls13_record_cipher::use::seal);
        libssl_sending.emplace(aead, keys.client, tls13_record_cipher::use::seal);
        libssl_reading.emplace(aead, keys.server, tls13_record_cipher::use::open);
    }
    tls13_records::received open(const record_octets& record) {
        into.resize(record.size());
        return records->open(record, into);
    }
    record_octets into;
};

TEST(Tls13RecordsTest, ControlRecordsReachLibsslUnderItsOwnNumbers) {
    numbered_pair link({.sent = 0, .received = 2});
    for (std::uint64_t number = 2; number < 7; ++number) {  // data that libssl never sees
        const auto got = link.open(sealed(*link.peer, number, data_type, from_hex("aabb")));
        ASSERT_EQ(got.what, tls13_records::content::data);
        ASSERT_EQ(got.size, 2U);
    }
    for (std::uint64_t number = 7; number < 10; ++number) {
        const record_octets ticket = from_hex("04000001ff");
        const auto got = link.open(sealed(*link.peer, number, handshake_type, ticket));
        ASSERT_EQ(got.what, tls13_records::content::control);
        record_octets seen(64);
        const auto read = link.libssl_reading->open(number - 5, got.for_libssl, seen);
        ASSERT_TRUE(read);
        EXPECT_EQ(read->type, handshake_type);
        seen.resize(read->size);
        EXPECT_EQ(seen, ticket);
    }
}

TEST(Tls13RecordsTest, ControlRecordIsPassedOnAsItIsWhileTheNumbersAgree) {
    numbered_pair link({.sent = 0, .received = 4});
    const record_octets ticket = sealed(*link.peer, 4, handshake_type, from_hex("04000001ff"));
    EXPECT_EQ(link.open(ticket).for_libssl.data(), ticket.data());
    (void)link.open(sealed(*link.peer, 5, data_type, from_hex("aa")));
    const record_octets other = sealed(*link.peer, 6, handshake_type, from_hex("04000001ff"));
    EXPECT_NE(link.open(other).for_libssl.data(), other.data());
}

TEST(Tls13RecordsTest, WholeTicketsAreKnownFromAllElse) {
    struct content_case {
        std::uint8_t type = handshake_type;
        std::string_view plain;
        bool is_tickets = false;
    };
    const std::vector<content_case> cases = {
        {handshake_type, "04000001ff", true},
        {handshake_type, "0400000004000002aabb", true},
        {handshake_type, "04000002ff", false},            // a part of one
        {handshake_type, "04000001ff04", false},          // and of the next
        {handshake_type, "04000001ff040000", false},      //
        {handshake_type, "04000001ff1800000100", false},  // a key update behind it
        {handshake_type, "1800000100", false},            //
        {handshake_type, "", false},                      //
        {alert_type, "04000000", false},                  //
    };
    numbered_pair link({});
    std::uint64_t number = 0;
    for (const content_case& one : cases) {
        const auto got = link.open(sealed(*link.peer, number++, one.type, from_hex(one.plain)));
        EXPECT_EQ(got.what, tls13_records::content::control);
        EXPECT_EQ(got.is_tickets, one.is_tickets) << one.plain;
    }
    const auto data = link.open(sealed(*link.peer, number, data_type, from_hex("04000001ff")));
    EXPECT_FALSE(data.is_tickets);
}

TEST(Tls13RecordsTest, WithheldRecordsHaveNoNumberForLibssl) {
    numbered_pair link({});
    for (std::uint64_t number = 0; number < 3; ++number) {
        (void)link.open(sealed(*link.peer, number, handshake_type, from_hex("04000001ff")));
        link.records->withhold_control();
    }
    const auto got = link.open(sealed(*link.peer, 3, alert_type, from_hex("0100")));
    record_octets seen(64);
    const auto read = link.libssl_reading->open(0, got.for_libssl, seen);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->type, alert_type);
}

// Else an old record would be taken for the one that libssl waits for.
TEST(Tls13RecordsTest, NothingThatIsNotTheNextRecordReachesLibssl) {
    numbered_pair link({});
    const record_octets first = sealed(*link.peer, 0, handshake_type, from_hex("04000001ff"));
    const record_octets second = sealed(*link.peer, 1, data_type, from_hex("aa"));
    ASSERT_EQ(link.open(sealed(*link.peer, 0, data_type, from_hex("aa"))).what,
              tls13_records::content::data);
    const auto replayed = link.open(first);
    ASSERT_EQ(replayed.what, tls13_records::content::failed);
    EXPECT_EQ(replayed.for_libssl.size(), first.size());
    record_octets seen(64);
    EXPECT_FALSE(link.libssl_reading->open(0, replayed.for_libssl, seen));
    EXPECT_EQ(link.open(second).what, tls13_records::content::data);
}

TEST(Tls13RecordsTest, TooMuchInARecordAndARecordOfNothingAreLibsslsToRefuse) {
    numbered_pair link({});
    EXPECT_EQ(link.open(sealed(*link.peer, 0, data_type, record_octets(16385, std::byte{1}))).what,
              tls13_records::content::control);
    EXPECT_EQ(link.open(sealed(*link.peer, 1, 0, record_octets(3))).what,
              tls13_records::content::control);
    EXPECT_EQ(link.open(sealed(*link.peer, 2, data_type, record_octets(17000))).what,
              tls13_records::content::failed);
}

TEST(Tls13RecordsTest, EmptyRecordsAreSkippedButNotForEver) {
    numbered_pair link({});
    std::uint64_t number = 0;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 32; ++i) {
            const auto got = link.open(sealed(*link.peer, number++, data_type, {}));
            ASSERT_EQ(got.what, tls13_records::content::data);
            ASSERT_EQ(got.size, 0U);
        }
        ASSERT_EQ(link.open(sealed(*link.peer, number++, data_type, from_hex("aa"))).size, 1U);
    }
    for (int i = 0; i < 32; ++i) (void)link.open(sealed(*link.peer, number++, data_type, {}));
    EXPECT_EQ(link.open(sealed(*link.peer, number++, data_type, {})).what,
              tls13_records::content::control);
}

TEST(Tls13RecordsTest, WhatLibsslSendsTakesTheNextNumberUntilItUpdatesItsKey) {
    numbered_pair link({.sent = 1, .received = 0});
    base::byte_queue out;
    ASSERT_TRUE(link.records->seal(from_hex("aabbcc"), out));
    base::byte_queue from_libssl;
    const record_octets warning = from_hex("0100");
    const record_octets update = from_hex("1800000100");
    from_libssl.append(sealed(*link.libssl_sending, 1, alert_type, warning));
    from_libssl.append(sealed(*link.libssl_sending, 2, handshake_type, update));
    const record_octets under_next_key = from_hex("1703030001ff");
    from_libssl.append(under_next_key);
    ASSERT_TRUE(link.records->forward(from_libssl, out));
    EXPECT_FALSE(link.records->seals());
    EXPECT_TRUE(from_libssl.empty());

    tls13_record_cipher reader(aead_of_suite(), link.keys.client, tls13_record_cipher::use::open);
    std::span<const std::byte> wire = out.data();
    const std::array<std::uint8_t, 3> types = {data_type, alert_type, handshake_type};
    for (std::size_t i = 0; i < types.size(); ++i) {
        const std::size_t size =
            tls13_record::header_size +
            (std::to_integer<std::size_t>(wire[3]) << 8U | std::to_integer<std::size_t>(wire[4]));
        record_octets into(size);
        const auto got = reader.open(i + 1, wire.first(size), into);
        ASSERT_TRUE(got) << i;
        EXPECT_EQ(got->type, types[i]);
        wire = wire.subspan(size);
    }
    EXPECT_EQ(record_octets(wire.begin(), wire.end()), under_next_key);
}

TEST(Tls13RecordsTest, LibsslsOutputThatIsNotItsNextRecordIsNotSent) {
    for (const std::string_view bad : {"17030300", "1703030011", "15030300020100"}) {
        numbered_pair link({});
        base::byte_queue from_libssl;
        base::byte_queue out;
        from_libssl.append(from_hex(bad));
        EXPECT_FALSE(link.records->forward(from_libssl, out)) << bad;
        EXPECT_TRUE(out.empty());
    }
    numbered_pair link({});
    base::byte_queue from_libssl;
    base::byte_queue out;
    from_libssl.append(sealed(*link.libssl_sending, 1, alert_type, from_hex("0100")));
    EXPECT_FALSE(link.records->forward(from_libssl, out));
    EXPECT_TRUE(out.empty());
}

// With a real peer.

struct tls_pair {
    explicit tls_pair(unsigned libssl_calls,
                      const tls_options& options = support::trusting_options())
        : context(origin_identity()), server(context), settings(settings_with(options)) {
        settings.libssl_calls = libssl_calls;
        settings.sessions = &sessions;
        client.emplace(settings);
        is_connected = connect(*client, server);
    }
    // True if both got what the other said.
    bool exchange(const std::string& there, const std::string& back) {
        if (!client->encrypt(octets(there)) || send_to(server, *client) != there) return false;
        server.write(back);
        return receive_from(*client, server).plain == back;
    }

    tls_server_context context;
    tls_server server;
    tls_session_cache sessions{16};
    tls_settings settings;
    std::optional<tls_engine> client;
    bool is_connected = false;
};

std::string text_of(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 % 253);
    return text;
}

TEST(TlsTakeOverTest, HappensUnnoticedAfterAnyNumberOfCallsAndWithEachSuite) {
    for (const char* suite :
         {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
        tls_options options = support::trusting_options();
        options.cipher_suites = suite;
        for (unsigned calls = 0; calls < 14; ++calls) {
            tls_pair link(calls, options);
            ASSERT_TRUE(link.is_connected);
            ASSERT_EQ(link.client->cipher(), suite);
            for (const std::size_t size : {1U, 100U, 20'000U, 3U, 70'000U, 16'384U}) {
                ASSERT_TRUE(link.exchange(text_of(size), text_of(size + 1))) << calls;
            }
            link.client->shut_down();
            (void)send_to(link.server, *link.client);
            ASSERT_TRUE(link.server.saw_close()) << calls;
        }
    }
}

TEST(TlsTakeOverTest, TicketsAfterItAreStockedAndGood) {
    tls_pair link(support::never);
    ASSERT_TRUE(link.is_connected);
    ASSERT_TRUE(link.exchange("a", "b"));
    const std::string key = tls_session_key(link.settings);
    const std::size_t before = link.sessions.count(*link.settings.profile, key);
    ASSERT_TRUE(link.exchange("a", "b"));
    link.server.send_ticket();
    ASSERT_TRUE(link.exchange("a", "b"));
    EXPECT_EQ(link.sessions.count(*link.settings.profile, key), before + 1);
    for (std::size_t i = 0; i <= before; ++i) {
        tls_server server(link.context);
        tls_engine client(link.settings);
        ASSERT_TRUE(connect(client, server));
        EXPECT_TRUE(client.resumed());
    }
}

TEST(TlsTakeOverTest, KeysAreUpdatedByEitherSideBeforeAndAfterIt) {
    for (const unsigned calls : {0U, 3U, 8U}) {
        for (const bool asks : {false, true}) {
            tls_pair link(calls);
            ASSERT_TRUE(link.is_connected);
            for (int round = 0; round < 5; ++round) {
                for (int i = 0; i < 3; ++i) {
                    ASSERT_TRUE(link.exchange(text_of(5000), text_of(40'000))) << calls << round;
                }
                // Behind the update, data under the new key in the same octets.
                link.server.update_keys(asks);
                link.server.write("new key");
                ASSERT_EQ(receive_from(*link.client, link.server).plain, "new key");
            }
        }
    }
}

// The type of the messages that the peer has read, by its message callback.
void note_key_updates(tls_server_context& context, int& count) {
    SSL_CTX_set_msg_callback_arg(context.get(), &count);
    SSL_CTX_set_msg_callback(context.get(), [](int is_sent, int, int type, const void* message,
                                               std::size_t size, SSL*, void* counter) {
        const bool is_update = type == SSL3_RT_HANDSHAKE && size != 0 &&
                               *static_cast<const unsigned char*>(message) == SSL3_MT_KEY_UPDATE;
        if (is_sent == 0 && is_update) ++*static_cast<int*>(counter);
    });
}

TEST(TlsTakeOverTest, EachKeyUpdateThatIsAskedForIsAnsweredBeforeMoreData) {
    for (const unsigned calls : {support::never, support::always}) {
        tls_server_context context(origin_identity());
        int answers = 0;
        note_key_updates(context, answers);
        tls_server server(context);
        tls_settings settings = settings_with();
        settings.libssl_calls = calls;
        tls_engine client(settings);
        ASSERT_TRUE(connect(client, server));
        int asked = 0;
        for (const bool asks : {false, false, true, false, true, true}) {
            server.update_keys(asks);
            if (asks) ++asked;
            server.write("new key");
            ASSERT_EQ(receive_from(client, server).plain, "new key");
            for (int i = 0; i < 2; ++i) {
                ASSERT_TRUE(client.encrypt(octets("data")));
                ASSERT_EQ(send_to(server, client), "data");
                ASSERT_EQ(answers, asked) << calls;
            }
        }
        client.retain();
        EXPECT_EQ(client.memory(), 0U);
    }
}

TEST(TlsTakeOverTest, BuffersOfAnAnswerAndOfControlRecordsAreGivenBack) {
    tls_pair link(support::never);
    ASSERT_TRUE(link.is_connected);
    ASSERT_TRUE(link.exchange("a", "b"));
    for (int i = 0; i < 4; ++i) link.server.send_ticket();
    ASSERT_EQ(receive_from(*link.client, link.server).plain, "");
    link.client->retain();
    EXPECT_EQ(link.client->memory(), 0U);
    link.server.update_keys(true);
    ASSERT_TRUE(link.exchange(text_of(1 << 20), text_of(10)));
    link.client->retain();
    EXPECT_EQ(link.client->memory(), 0U);
}

// An administrator may have OpenSSL pad all records; that is not to end after a few calls.
TEST(TlsTakeOverTest, DoesNotHappenWhereLibsslPads) {
    tls_pair link(20);
    ASSERT_TRUE(link.is_connected);
    SSL_CTX_set_block_padding(link.settings.profile->internals().context(), 512);
    tls_server server(link.context);
    link.settings.libssl_calls = 2;
    tls_engine client(link.settings);
    ASSERT_TRUE(connect(client, server));
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(client.encrypt(octets("short")));
        const std::string sent = take_output(client);
        EXPECT_GE(sent.size(), 512U);
        server.receive(sent);
        EXPECT_EQ(server.read(), "short");
    }
}

TEST(TlsTakeOverTest, PeerCanReadTheAlertForADamagedRecord) {
    tls_pair link(support::never);
    ASSERT_TRUE(link.is_connected);
    ASSERT_TRUE(link.exchange("a", "b"));
    link.server.write("damaged");
    std::string sent = link.server.take_output();
    sent.back() = static_cast<char>(sent.back() ^ 1);
    link.client->receive(octets(sent));
    EXPECT_EQ(decrypt_all(*link.client).status, tls_status::failed);
    EXPECT_NE(link.client->error_detail().find("bad record mac"), std::string::npos)
        << link.client->error_detail();
    link.server.receive(take_output(*link.client));
    (void)link.server.read();
    EXPECT_NE(link.server.error().find("the alert \"bad record mac\""), std::string::npos)
        << link.server.error();
}

TEST(TlsTakeOverTest, OldRecordsAreNotTakenAgain) {
    tls_pair link(support::never);
    ASSERT_TRUE(link.is_connected);
    link.server.write("one");
    const std::string one = link.server.take_output();
    link.client->receive(octets(one));
    EXPECT_EQ(decrypt_all(*link.client).plain, "one");
    link.client->receive(octets(one));
    const auto again = decrypt_all(*link.client);
    EXPECT_EQ(again.plain, "");
    EXPECT_EQ(again.status, tls_status::failed);
}

TEST(TlsTakeOverTest, PaddedRecordsAreReadLikeOthers) {
    tls_pair link(support::never);
    SSL_CTX_set_block_padding(link.context.get(), 1024);
    tls_server server(link.context);
    tls_engine client(link.settings);
    ASSERT_TRUE(connect(client, server));
    for (const std::size_t size : {1U, 1000U, 1023U, 1024U, 20'000U}) {
        server.write(text_of(size));
        ASSERT_EQ(receive_from(client, server).plain, text_of(size));
    }
}

TEST(TlsTakeOverTest, SmallBuffersLoseNothing) {
    for (const std::size_t room : {1U, 7U, 1000U, 16'383U, 16'384U, 16'385U}) {
        tls_pair link(support::never);
        ASSERT_TRUE(link.is_connected);
        link.server.write(text_of(60'000));
        const std::string sent = link.server.take_output();
        link.client->receive(octets(sent));
        std::string plain;
        std::vector<std::byte> buffer(room);
        while (plain.size() < 60'000) {
            const auto got = link.client->decrypt(buffer);
            ASSERT_NE(got.status, tls_status::failed);
            ASSERT_NE(got.size, 0U);
            plain.append(reinterpret_cast<const char*>(buffer.data()), got.size);
        }
        EXPECT_EQ(plain, text_of(60'000));
        link.client->retain();
        EXPECT_FALSE(link.client->has_complete_record());
        EXPECT_EQ(link.client->pending(), 0U);
        EXPECT_EQ(link.client->memory(), 0U);
    }
}

}  // namespace
}  // namespace hearth::proto
