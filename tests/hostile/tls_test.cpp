// TLS that misbehaves: certificates that must not be believed, handshakes that must not end well,
// and records that must not be taken for an answer. Each against a real OpenSSL server, through the
// whole client.
#include <gtest/gtest.h>
#include <openssl/objects.h>

#include <ostream>

#include "hostile/catalogue.hpp"
#include "hostile/wire_peer.hpp"
#include "support/awaited.hpp"

namespace hearth::hostile {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using support::certificate_request;
using support::identity;
using support::key_kind;
using support::tls_server_context;
using support::tls_server_options;

const std::string host = "origin.example";
const std::string subdomain = "a.origin.example";

config client_config(const tls_options& trust = support::trusting_options()) {
    config values;
    values.io.threads = 1;
    values.protocol = protocol_policy::http1_only;
    values.tls.profile = tls_profile::make(trust);
    values.pool.dial_patience = milliseconds(0);
    for (const char* name : {"origin.example", "b.origin.example", "a.origin.example"}) {
        values.dns.overrides.push_back({.host = name, .addresses = {"127.0.0.1"}});
    }
    return values;
}

request get_from(const wire_peer& peer, const std::string& name = host) {
    return get("https://" + name + ":" + std::to_string(peer.port()) + "/");
}

/// One request; what must hold of it, and of the counts afterwards.
void expect(client& subject, request what, const outcome& expected) {
    const support::awaited_response done = support::begin_send(subject, std::move(what));
    const response& got = done.value();
    EXPECT_EQ(done.error(), expected.error) << done.error().message() << "; " << got.failure.detail;
    EXPECT_EQ(got.failure.phase, expected.phase) << got.failure.detail;
    EXPECT_EQ(got.status, expected.status);
    EXPECT_EQ(got.attempts, expected.attempts);
    if (expected.body) {
        EXPECT_EQ(got.body, *expected.body);
    }
    const stats seen = subject.stats();
    EXPECT_EQ(seen.calls, seen.completed);
    EXPECT_EQ(seen.internal_errors, 0U);
}

outcome not_begun(errc error) { return {.error = error, .phase = phase::handshake, .attempts = 0}; }

// Certificates.

/// A certificate as it is presented.
struct presented {
    identity leaf;
    std::vector<identity> chain{};
};

struct certificate_case {
    std::string name;
    presented (*make)();
    bool is_accepted = false;
    std::string asked = host;
};
std::ostream& operator<<(std::ostream& out, const certificate_case& one) { return out << one.name; }

certificate_request leaf_for(const std::vector<std::string>& names) {
    certificate_request what;
    what.names = names;
    return what;
}

certificate_request good_leaf() { return leaf_for({"DNS:origin.example"}); }

presented by_root(const certificate_request& leaf) {
    return {support::issue(leaf, support::test_authority())};
}

presented below(certificate_request authority, const certificate_request& leaf) {
    authority.common_name = "intermediate";
    authority.is_authority = true;
    presented made;
    made.chain.push_back(support::issue(authority, support::test_authority()));
    made.leaf = support::issue(leaf, made.chain.back());
    return made;
}

presented with_extension(int id, const char* value) {
    certificate_request leaf = good_leaf();
    leaf.extensions = {{id, value}};
    return by_root(leaf);
}

presented below_extension(int id, const char* value) {
    certificate_request authority;
    authority.extensions = {{id, value}};
    return below(authority, good_leaf());
}

std::vector<certificate_case> certificates() {
    return {
        {"Good", [] { return by_root(good_leaf()); }, true},
        {"Expired",
         [] {
             certificate_request leaf = good_leaf();
             leaf.valid_from = hours(-48);
             leaf.valid_to = hours(-24);
             return by_root(leaf);
         }},
        {"NotYetValid",
         [] {
             certificate_request leaf = good_leaf();
             leaf.valid_from = hours(24);
             leaf.valid_to = hours(48);
             return by_root(leaf);
         }},
        {"OtherHost", [] { return by_root(leaf_for({"DNS:other.example"})); }},
        {"NamePrefix", [] { return by_root(leaf_for({"DNS:origin.example.evil.example"})); }},
        {"NameSuffix", [] { return by_root(leaf_for({"DNS:example"})); }},
        {"CommonNameOnly",
         [] {
             certificate_request leaf;
             leaf.common_name = host;
             return by_root(leaf);
         }},
        {"CommonNameBesideOtherName",
         [] {
             certificate_request leaf = leaf_for({"DNS:other.example"});
             leaf.common_name = host;
             return by_root(leaf);
         }},
        {"NameInEmailOnly",
         [] {
             certificate_request leaf = leaf_for({"email:root@origin.example"});
             leaf.common_name = host;
             return by_root(leaf);
         }},
        {"NulInName",
         [] {
             certificate_request leaf;
             leaf.raw_name = std::string("origin.example\0.evil.example", 28);
             return by_root(leaf);
         }},
        {"NulBehindName",
         [] {
             certificate_request leaf;
             leaf.raw_name = std::string("origin.example\0", 15);
             return by_root(leaf);
         }},
        {"Wildcard", [] { return by_root(leaf_for({"DNS:*.origin.example"})); }, true, subdomain},
        {"WildcardBelowTopLevel", [] { return by_root(leaf_for({"DNS:*.example"})); }},
        {"WildcardForTwoLabels", [] { return by_root(leaf_for({"DNS:*.example"})); }, false,
         subdomain},
        {"WildcardForNoLabel", [] { return by_root(leaf_for({"DNS:*.origin.example"})); }},
        {"WildcardForAll", [] { return by_root(leaf_for({"DNS:*"})); }},
        {"WildcardForTopLevel", [] { return by_root(leaf_for({"DNS:origin.*"})); }},
        {"WildcardInTheMiddle", [] { return by_root(leaf_for({"DNS:a.*.example"})); }, false,
         subdomain},
        {"WildcardPart", [] { return by_root(leaf_for({"DNS:or*.example"})); }},
        {"WildcardTwice", [] { return by_root(leaf_for({"DNS:*.*"})); }},
        {"AddressForName", [] { return by_root(leaf_for({"IP:127.0.0.1"})); }},
        {"Address", [] { return by_root(leaf_for({"IP:127.0.0.1"})); }, true, "127.0.0.1"},
        {"OtherAddress", [] { return by_root(leaf_for({"IP:127.0.0.2"})); }, false, "127.0.0.1"},
        {"AddressAsName", [] { return by_root(leaf_for({"DNS:127.0.0.1"})); }, false, "127.0.0.1"},
        {"AddressByWildcard", [] { return by_root(leaf_for({"DNS:*.0.0.1"})); }, false,
         "127.0.0.1"},
        {"SelfSigned", [] { return presented{support::self_sign(good_leaf())}; }},
        {"SelfSignedAuthority",
         [] {
             certificate_request leaf = good_leaf();
             leaf.is_authority = true;
             leaf.key_usage = "critical,keyCertSign,digitalSignature";
             return presented{support::self_sign(leaf)};
         }},
        {"UnknownAuthority",
         [] { return presented{support::issue(good_leaf(), support::make_authority("other"))}; }},
        {"AuthorityOfTheSameName",
         [] { return presented{support::issue(good_leaf(), support::make_authority())}; }},
        {"UnknownAuthorityThatIsSent",
         [] {
             presented made;
             made.chain.push_back(support::make_authority("other"));
             made.leaf = support::issue(good_leaf(), made.chain.back());
             return made;
         }},
        {"Intermediate", [] { return below({}, good_leaf()); }, true},
        {"MissingIntermediate",
         [] {
             presented made = below({}, good_leaf());
             made.chain.clear();
             return made;
         }},
        {"ExpiredIntermediate",
         [] {
             certificate_request authority;
             authority.valid_from = hours(-48);
             authority.valid_to = hours(-24);
             return below(authority, good_leaf());
         }},
        {"LeafThatSigns",
         [] {
             certificate_request authority;
             authority.basic_constraints = "critical,CA:FALSE";
             return below(authority, good_leaf());
         }},
        {"AuthorityThatMayNotSign",
         [] {
             certificate_request authority;
             authority.key_usage = "critical,digitalSignature";
             return below(authority, good_leaf());
         }},
        {"PathTooLong",
         [] {
             certificate_request first;
             first.basic_constraints = "critical,CA:TRUE,pathlen:0";
             presented made = below(first, good_leaf());
             certificate_request second;
             second.common_name = "second";
             second.is_authority = true;
             made.chain.push_back(support::issue(second, made.chain.front()));
             made.leaf = support::issue(good_leaf(), made.chain.back());
             return made;
         }},
        {"NamePermitted",
         [] {
             return below_extension(NID_name_constraints, "critical,permitted;DNS:origin.example");
         },
         true},
        {"NameNotPermitted",
         [] {
             return below_extension(NID_name_constraints, "critical,permitted;DNS:other.example");
         }},
        {"NameExcluded",
         [] { return below_extension(NID_name_constraints, "critical,excluded;DNS:example"); }},
        {"ClientPurpose", [] { return with_extension(NID_ext_key_usage, "clientAuth"); }},
        {"CodeSigning", [] { return with_extension(NID_ext_key_usage, "codeSigning"); }},
        {"ServerPurpose", [] { return with_extension(NID_ext_key_usage, "serverAuth"); }, true},
        {"AuthorityForClientsOnly",
         [] { return below_extension(NID_ext_key_usage, "clientAuth"); }},
        {"UnknownCriticalExtension",
         [] {
             static const int id = OBJ_create("1.3.6.1.4.1.55555.1", "oddity", "an oddity");
             return with_extension(id, "critical,ASN1:UTF8String:odd");
         }},
        {"KeyOf1024Bits",
         [] {
             certificate_request leaf = good_leaf();
             leaf.key = key_kind::rsa_1024;
             return by_root(leaf);
         }},
        {"SignedBySha1",
         [] {
             certificate_request leaf = good_leaf();
             leaf.signs_by_sha1 = true;
             return by_root(leaf);
         }},
        {"AuthorityOf1024Bits",
         [] {
             certificate_request authority;
             authority.key = key_kind::rsa_1024;
             return below(authority, good_leaf());
         }},
    };
}

class HostileCertificateTest : public ::testing::TestWithParam<certificate_case> {};

TEST_P(HostileCertificateTest, IsBelievedOnlyIfGood) {
    const certificate_case& one = GetParam();
    const presented made = one.make();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_server_context context(
            made.leaf, {.maximum_version = version, .cipher_list = "DEFAULT@SECLEVEL=0"});
        for (auto at = made.chain.rbegin(); at != made.chain.rend(); ++at) context.add_chain(*at);
        std::atomic<bool> was_asked = false;
        wire_peer peer(context, [&](peer_connection& to, std::uint64_t) {
            if (!to.handshake()) return;
            while (to.await_request()) {
                was_asked = true;
                to.answer(sized(polite_body));
            }
        });
        client subject(client_config());
        expect(
            subject, get_from(peer, one.asked),
            one.is_accepted ? answered(200, polite_body) : not_begun(errc::certificate_rejected));
        EXPECT_EQ(was_asked, one.is_accepted);
        EXPECT_EQ(peer.accepted(), 1U) << "a bad certificate is not asked for again";
    }
}
HEARTH_HOSTILE_TABLE(HostileCertificateTest, Certificate, certificates);

// Handshakes and records.

struct tls_case {
    std::string name;
    tls_server_options options;
    void (*play)(peer_connection&);
    outcome expected;
    void (*adjust)(config&) = nullptr;
};
std::ostream& operator<<(std::ostream& out, const tls_case& one) { return out << one.name; }

/// Waits for the ClientHello, and sends these octets in place of an answer.
template <class Make>
void instead_of_hello(peer_connection& to, Make octets) {
    std::string hello;
    if (!to.receive(hello)) return;
    to.send_wire(octets());
    to.await_end();
}

/// Shakes hands, takes the request, and does something in place of an answer.
template <class Then>
void instead_of_answer(peer_connection& to, Then then) {
    if (!to.handshake() || !to.await_request()) return;
    then();
    to.await_end();
}

void hide_version_13(std::string& hello) {
    // The type of supported_versions (43) followed by its length; it becomes one nobody knows.
    const std::size_t at = hello.find(std::string("\x00\x2b\x00", 3));
    if (at != std::string::npos) hello.replace(at, 2, "\xfa\xfa");
}

void hasty_handshake(config& values) { values.timeouts.handshake = milliseconds(200); }
void hasty_answer(config& values) { values.timeouts.first_byte = milliseconds(200); }

/// The first flight of a server for this ClientHello, in full.
std::string flight_for(peer_connection& to) {
    std::string hello;
    if (!to.receive(hello)) return {};
    to.tls().receive(hello);
    to.tls().advance();
    return to.tls().take_output();
}

std::vector<tls_case> handshakes() {
    const outcome failed = not_begun(errc::handshake_failed);
    const auto only = [](int version) {
        return tls_server_options{.minimum_version = version,
                                  .maximum_version = version,
                                  .cipher_list = "ALL@SECLEVEL=0"};
    };
    const auto alpn = [](std::string protocol) {
        return tls_server_options{.forced_alpn = std::move(protocol)};
    };
    const auto until_end = [](peer_connection& to) {
        (void)to.handshake();
        to.await_end();
    };
    return {
        {"Tls10", only(TLS1_VERSION), until_end, failed},
        {"Tls11", only(TLS1_1_VERSION), until_end, failed},
        {"WeakCiphersOnly",
         {.maximum_version = TLS1_2_VERSION, .cipher_list = "AES128-SHA:@SECLEVEL=0:aNULL"},
         until_end,
         failed},
        {"DowngradeBySomeoneBetween",
         {},
         [](peer_connection& to) {
             std::string hello;
             if (!to.receive(hello)) return;
             hide_version_13(hello);
             to.tls().receive(hello);
             to.tls().advance();
             to.flush();
             (void)to.handshake();
             to.await_end();
         },
         failed},
        {"AlpnNotOffered", alpn("h2"), until_end, failed},
        {"AlpnUnknown", alpn("spdy/3"), until_end, failed},
        {"AlpnPrefix", alpn("http/1.10"), until_end, failed},
        {"NoAlpn", {.alpn = {}}, play_politely, answered(200, polite_body)},
        {"Plaintext400",
         {},
         [](peer_connection& to) {
             instead_of_hello(to, [] { return "HTTP/1.1 400 Bad Request\r\n\r\n"; });
         },
         failed},
        {"Garbage",
         {},
         [](peer_connection& to) {
             instead_of_hello(to, [] { return std::string(4096, '\xaa'); });
         },
         failed},
        {"FatalAlert",
         {},
         [](peer_connection& to) {
             instead_of_hello(to, [] { return raw("\x15\x03\x03\x00\x02\x02\x28"); });
         },
         failed},
        {"WarningAlertsWithoutEnd",
         {},
         [](peer_connection& to) {
             instead_of_hello(
                 to, [] { return repeated(raw("\x15\x03\x03\x00\x02\x01\x70"), 100'000); });
         },
         failed},
        {"EmptyRecordsWithoutEnd",
         {},
         [](peer_connection& to) {
             instead_of_hello(to, [] { return repeated(raw("\x16\x03\x03\x00\x00"), 100'000); });
         },
         failed},
        {"RecordBeyondTheLargest",
         {},
         [](peer_connection& to) {
             instead_of_hello(to,
                              [] { return raw("\x16\x03\x03\xff\xff") + std::string(65535, 'x'); });
         },
         failed},
        {"MessageOf16Mebibytes",
         {},
         [](peer_connection& to) {
             instead_of_hello(to, [] {
                 return raw("\x16\x03\x03\x40\x00\x02\xff\xff\xff") +
                        repeated(std::string(16380, 'x') + raw("\x16\x03\x03\x40\x00"), 1024);
             });
         },
         failed},
        {"ChangeCipherSpecsWithoutEnd",
         {},
         [](peer_connection& to) {
             instead_of_hello(to,
                              [] { return repeated(raw("\x14\x03\x03\x00\x01\x01"), 100'000); });
         },
         failed},
        {"ApplicationDataInTheHandshake",
         {},
         [](peer_connection& to) {
             instead_of_hello(to, [] { return raw("\x17\x03\x03\x00\x05hello"); });
         },
         failed},
        {"ClosedBeforeHello", {}, [](peer_connection&) {}, failed},
        {"ClosedBehindHello",
         {},
         [](peer_connection& to) {
             std::string hello;
             (void)to.receive(hello);
         },
         failed},
        {"Silence",
         {},
         [](peer_connection& to) { to.await_end(); },
         not_begun(errc::handshake_timeout),
         hasty_handshake},
        {"SlowFlight",
         {},
         [](peer_connection& to) {
             for (const char octet : flight_for(to)) {
                 if (!to.send_wire({&octet, 1})) return;
                 ::poll(nullptr, 0, 2);
             }
             to.await_end();
         },
         not_begun(errc::handshake_timeout),
         hasty_handshake},
        {"SplitFlight",
         {},
         [](peer_connection& to) {
             for (const char octet : flight_for(to)) (void)to.send_wire({&octet, 1});
             play_politely(to);
         },
         answered(200, polite_body)},
        {"FlightTwice",
         {},
         [](peer_connection& to) {
             const std::string flight = flight_for(to);
             to.send_wire(flight + flight);
             to.await_end();
         },
         // The handshake is complete, but the connection is no good.
         not_begun(errc::peer_tls_error)},
        {"CertificateWanted12",
         {.maximum_version = TLS1_2_VERSION,
          .client_ca_pem = support::test_authority().certificate_pem()},
         until_end,
         failed},
        {"CertificateWanted13",
         {.client_ca_pem = support::test_authority().certificate_pem()},
         until_end,
         // Nothing tells a TLS 1.3 client before its request is out.
         {.error = errc::peer_tls_error, .phase = phase::first_byte}},
    };
}

std::vector<tls_case> records() {
    const outcome broken_before = refused(errc::peer_tls_error);
    const outcome broken_within = broken(errc::peer_tls_error);
    const tls_server_options tls12{.maximum_version = TLS1_2_VERSION};
    static const std::string half = head_with("Content-Length: 10\r\n") + "hello";
    return {
        {"AnswerInPlaintext",
         {},
         [](peer_connection& to) { instead_of_answer(to, [&] { to.send_wire(sized("evil")); }); },
         broken_before},
        {"UnencryptedRecord",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] { to.send_wire(raw("\x17\x03\x03\x00\x05hello")); });
         },
         broken_before},
        {"FlippedOctet",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 to.tls().write(sized("hello"));
                 std::string record = to.tls().take_output();
                 record.back() = static_cast<char>(record.back() ^ 1);
                 to.send_wire(record);
             });
         },
         broken_before},
        {"FlippedOctetInBody",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 to.answer(half);
                 to.tls().write("world");
                 std::string record = to.tls().take_output();
                 record.back() = static_cast<char>(record.back() ^ 1);
                 to.send_wire(record);
             });
         },
         broken_within},
        {"RecordTwice",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 to.tls().write(half);
                 const std::string record = to.tls().take_output();
                 to.send_wire(record + record);
             });
         },
         broken_within},
        {"RecordsInWrongOrder", tls12,
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 to.tls().write(half);
                 const std::string first = to.tls().take_output();
                 to.tls().write("world");
                 to.send_wire(to.tls().take_output() + first);
             });
         },
         broken_before},
        {"RecordCut",
         {},
         [](peer_connection& to) {
             if (!to.handshake() || !to.await_request()) return;
             to.answer(half);
             to.tls().write("world");
             std::string record = to.tls().take_output();
             record.pop_back();
             to.send_wire(record);
         },
         broken(errc::peer_truncated)},
        {"FatalAlert", tls12,
         [](peer_connection& to) {
             instead_of_answer(to, [&] { to.send_wire(raw("\x15\x03\x03\x00\x02\x02\x50")); });
         },
         broken_before},
        {"CloseNotifyInBody",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 to.answer(half);
                 to.tls().close();
                 to.flush();
             });
         },
         broken(errc::peer_truncated)},
        {"CloseNotifyInPlaceOfAnAnswer",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 to.tls().close();
                 to.flush();
             });
         },
         refused(errc::peer_closed)},
        {"KeyUpdatesWithoutEnd",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 for (int i = 0; i < 10'000; ++i) {
                     to.tls().update_keys(i % 2 == 0);
                     if (!to.send_wire(to.tls().take_output())) return;
                 }
             });
         },
         broken_before},
        {"TicketsWithoutEnd",
         {},
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 for (int i = 0; i < 10'000; ++i) {
                     to.tls().send_ticket();
                     if (!to.send_wire(to.tls().take_output())) return;
                 }
             });
         },
         broken_before},
        {"FewKeyUpdatesAndTickets",
         {},
         [](peer_connection& to) {
             if (!to.handshake() || !to.await_request()) return;
             for (int i = 0; i < 8; ++i) {
                 to.tls().update_keys(true);
                 to.tls().send_ticket();
                 to.flush();
             }
             to.answer(sized(polite_body));
             to.await_end();
         },
         answered(200, polite_body)},
        {"RenegotiationWanted", tls12,
         [](peer_connection& to) {
             if (!to.handshake() || !to.await_request()) return;
             to.tls().ask_for_renegotiation();
             to.flush();
             // What the client says to that is no request.
             to.send_wire({});
             to.await_end();
         },
         // Refused by a warning; the request stands, and the server says nothing more.
         refused(errc::first_byte_timeout), hasty_answer},
        {"WarningAlertsWithoutEnd", tls12,
         [](peer_connection& to) {
             instead_of_answer(to, [&] {
                 (void)to.send_wire(repeated(raw("\x15\x03\x03\x00\x02\x01\x70"), 1000));
             });
         },
         broken_before},
        {"SilenceBehindTheHandshake",
         {},
         [](peer_connection& to) { instead_of_answer(to, [] {}); },
         refused(errc::first_byte_timeout),
         hasty_answer},
    };
}

class HostileTlsTest : public ::testing::TestWithParam<tls_case> {};

TEST_P(HostileTlsTest, Holds) {
    const tls_case& one = GetParam();
    tls_server_context context(support::origin_identity(), one.options);
    // Only the first connection is hostile.
    wire_peer peer(context, [&](peer_connection& to, std::uint64_t index) {
        if (index == 0) {
            one.play(to);
        } else {
            play_politely(to);
        }
    });
    config values = client_config();
    if (one.adjust != nullptr) one.adjust(values);
    client subject(values);
    expect(subject, get_from(peer), one.expected);
    EXPECT_LE(subject.stats().bytes_received, std::uint64_t{1} << 20U);
}
HEARTH_HOSTILE_TABLE(HostileTlsTest, Handshake, handshakes);
HEARTH_HOSTILE_TABLE(HostileTlsTest, Record, records);

// Every way to cut the server's flight fails, and the next dial is a good one.
TEST(HostileTlsCutTest, FlightCutAtEveryPlace) {
    tls_server_context context(support::origin_identity(), {});
    // The flight's size differs by some octets from time to time: signatures do.
    constexpr std::size_t step = 29;
    std::size_t cut = 0;
    std::size_t flight_size = 1;
    wire_peer peer(context, [&](peer_connection& to, std::uint64_t index) {
        if (index % 2 == 1) return play_politely(to);
        const std::string flight = flight_for(to);
        flight_size = flight.size();
        to.send_wire(flight.substr(0, cut));
    });
    for (; cut < flight_size; cut += step) {
        client subject(client_config());
        expect(subject, get_from(peer), not_begun(errc::handshake_failed));
        expect(subject, get_from(peer), answered(200, polite_body));
    }
    EXPECT_GT(cut, 500U);
}

// Tickets (RFC 8446 8, 4.6.1): good for the name and the trust they were got under, and no other.

struct resumption_count {
    tls_server_context context{by_root(leaf_for({"DNS:*.origin.example"})).leaf};
    std::atomic<unsigned> resumed = 0;
    wire_peer peer{context, [this](peer_connection& to, std::uint64_t) {
                       if (!to.handshake()) return;
                       if (to.tls().resumed()) ++resumed;
                       while (to.await_request()) {
                           to.answer(
                               "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
                               "6\r\n\r\npolite");
                       }
                   }};
};

TEST(HostileTicketTest, StaysWithItsHost) {
    resumption_count server;
    client subject(client_config());
    expect(subject, get_from(server.peer, subdomain), answered());
    expect(subject, get_from(server.peer, "b.origin.example"), answered());
    EXPECT_EQ(server.resumed, 0U);
    expect(subject, get_from(server.peer, subdomain), answered());
    EXPECT_EQ(server.resumed, 1U) << "else this test shows nothing";
}

TEST(HostileTicketTest, StaysWithItsProfile) {
    resumption_count server;
    tls_options skipping = support::trusting_options();
    skipping.danger_skip_verification = true;
    client subject(client_config());
    for (const tls_options& options : {skipping, support::trusting_options()}) {
        request first = get_from(server.peer, subdomain);
        first.tls = tls_profile::make(options);
        expect(subject, std::move(first), answered());
    }
    expect(subject, get_from(server.peer, subdomain), answered());
    EXPECT_EQ(server.resumed, 0U);
}

TEST(HostileTicketTest, OfAForgedHostOpensNothing) {
    // A server without a good certificate first serves one who does not verify; its ticket must not
    // carry that trust to one who does.
    const identity forged = support::self_sign(good_leaf());
    tls_server_context context(forged, {});
    wire_peer peer(context, [](peer_connection& to, std::uint64_t) { play_politely(to); });
    tls_options skipping = support::trusting_options();
    skipping.danger_skip_verification = true;
    client subject(client_config());
    request careless = get_from(peer);
    careless.tls = tls_profile::make(skipping);
    expect(subject, std::move(careless), answered(200, polite_body));
    expect(subject, get_from(peer), not_begun(errc::certificate_rejected));
}

}  // namespace
}  // namespace hearth::hostile
