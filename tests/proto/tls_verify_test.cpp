#include "proto/tls_verify.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using std::chrono::hours;
using support::certificate_request;
using support::connect;
using support::identity;
using support::issue;
using support::make_authority;
using support::origin_identity;
using support::self_sign;
using support::settings_with;
using support::test_authority;
using support::tls_server;
using support::tls_server_context;
using support::tls_server_options;
using support::trusting_options;

struct outcome {
    bool is_connected = false;
    errc code{};
    std::string detail;
    std::string server_error;
};

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

// One handshake with a server that presents `server` and, behind it, `intermediate`.
outcome try_with(const tls_settings& settings, const identity& server,
                 const identity* intermediate = nullptr) {
    const tls_server_options options;
    tls_server_context context(server, options);
    if (intermediate != nullptr) context.add_chain(*intermediate);
    tls_server peer(context);
    tls_engine client(settings);
    const bool is_connected = connect(client, peer);
    return {is_connected, client.error_code(), client.error_detail(), peer.error()};
}

identity leaf_for(const std::vector<std::string>& names,
                  const identity& issuer = test_authority()) {
    certificate_request request;
    request.names = names;
    return issue(request, issuer);
}

// The same for a host and the names of a certificate.
outcome try_host(const std::string& host, const std::vector<std::string>& names) {
    tls_settings settings = settings_with();
    settings.host = host;
    return try_with(settings, leaf_for(names));
}

TEST(TlsVerifyTest, AcceptsTheNameAndNoOther) {
    EXPECT_TRUE(try_host("a.example", {"DNS:b.example", "DNS:a.example"}).is_connected);
    EXPECT_TRUE(try_host("A.Example", {"DNS:a.example"}).is_connected);
    EXPECT_TRUE(try_host("a.example.", {"DNS:a.example"}).is_connected);
    for (const std::string name :
         {"b.example", "aa.example", "x.a.example", "example", "a.example.org"}) {
        const outcome result = try_host("a.example", {"DNS:" + name});
        EXPECT_FALSE(result.is_connected) << name;
        EXPECT_EQ(result.code, errc::certificate_rejected);
    }
}

TEST(TlsVerifyTest, RejectionNamesWhatWasExpectedAndWhatCame) {
    const outcome result = try_host("a.example", {"DNS:b.example", "IP:10.0.0.1"});
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_EQ(result.detail,
              "the certificate of a.example:443 was rejected: hostname mismatch; expected a "
              "certificate for \"a.example\", refused the one of \"CN=leaf\" at depth 0, which is "
              "for DNS:b.example, IP Address:10.0.0.1");
}

TEST(TlsVerifyTest, ControlCharactersOfACertificateAreEscaped) {
    certificate_request request;
    request.common_name = "evil\r\nname\x1b[31m";
    request.names = {"DNS:b.example"};
    const outcome result = try_with(settings_with(), issue(request, test_authority()));
    EXPECT_EQ(result.code, errc::certificate_rejected);
    for (const char each : result.detail) EXPECT_TRUE(each >= ' ' && each < '\x7f');
}

TEST(TlsVerifyTest, QuotesOfACertificateAreBounded) {
    std::vector<std::string> names;
    for (int i = 0; i < 500; ++i) names.push_back("DNS:n" + std::to_string(i) + ".example");
    const outcome result = try_host("a.example", names);
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_LT(result.detail.size(), 600U);
}

TEST(TlsVerifyTest, WildcardStandsForOneWholeLabel) {
    EXPECT_TRUE(try_host("a.origin.example", {"DNS:*.origin.example"}).is_connected);
    EXPECT_FALSE(try_host("origin.example", {"DNS:*.origin.example"}).is_connected);
    EXPECT_FALSE(try_host("a.b.origin.example", {"DNS:*.origin.example"}).is_connected);
    EXPECT_FALSE(try_host("foo.origin.example", {"DNS:f*.origin.example"}).is_connected);
    EXPECT_FALSE(try_host("foo.origin.example", {"DNS:*o.origin.example"}).is_connected);
    EXPECT_FALSE(try_host("foo.origin.example", {"DNS:foo.*.example"}).is_connected);
    EXPECT_FALSE(try_host("origin.example", {"DNS:*.example"}).is_connected);
}

TEST(TlsVerifyTest, CommonNameIsNeverLookedAt) {
    certificate_request request;
    request.common_name = "origin.example";
    EXPECT_FALSE(try_with(settings_with(), issue(request, test_authority())).is_connected);
    request.names = {"IP:127.0.0.1"};
    EXPECT_FALSE(try_with(settings_with(), issue(request, test_authority())).is_connected);
}

TEST(TlsVerifyTest, AddressesMatchAddressesOnly) {
    EXPECT_TRUE(try_host("127.0.0.1", {"IP:127.0.0.1"}).is_connected);
    EXPECT_TRUE(try_host("2001:db8::1", {"IP:2001:DB8:0:0:0:0:0:1"}).is_connected);
    EXPECT_TRUE(try_host("fe80::1%eth0", {"IP:fe80::1"}).is_connected);
    EXPECT_FALSE(try_host("127.0.0.2", {"IP:127.0.0.1"}).is_connected);
    EXPECT_FALSE(try_host("127.0.0.1", {"DNS:127.0.0.1"}).is_connected);
    EXPECT_FALSE(try_host("127.0.0.1", {"DNS:*.0.0.1"}).is_connected);
    const outcome result = try_host("10.0.0.1", {"IP:10.0.0.2"});
    EXPECT_TRUE(contains(result.detail, "IP address mismatch")) << result.detail;
}

TEST(TlsVerifyTest, RejectsCertificatesOutsideTheirValidity) {
    certificate_request request;
    request.names = {"DNS:origin.example"};
    request.valid_from = hours(-48);
    request.valid_to = hours(-24);
    outcome result = try_with(settings_with(), issue(request, test_authority()));
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(result.detail, "certificate has expired")) << result.detail;
    EXPECT_TRUE(contains(result.detail, "valid from ")) << result.detail;
    EXPECT_TRUE(contains(result.server_error, "expired")) << result.server_error;

    request.valid_from = hours(24);
    request.valid_to = hours(48);
    result = try_with(settings_with(), issue(request, test_authority()));
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(result.detail, "not yet valid")) << result.detail;
}

TEST(TlsVerifyTest, RejectsStrangersAndTellsThem) {
    certificate_request request;
    request.names = {"DNS:origin.example"};
    outcome result = try_with(settings_with(), self_sign(request));
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(result.detail, "self-signed")) << result.detail;
    EXPECT_TRUE(contains(result.server_error, "unknown ca")) << result.server_error;

    const identity stranger = make_authority("another root");
    result = try_with(settings_with(), issue(request, stranger));
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(result.detail, "local issuer")) << result.detail;
}

// An authority of the same name, but with another key, signed it.
TEST(TlsVerifyTest, RejectsAForgedAuthority) {
    const identity forged = make_authority("test root");
    const outcome result = try_with(settings_with(), leaf_for({"DNS:origin.example"}, forged));
    EXPECT_FALSE(result.is_connected);
    EXPECT_EQ(result.code, errc::certificate_rejected);
}

TEST(TlsVerifyTest, LeafMayNotSign) {
    const identity& leaf = origin_identity();
    certificate_request request;
    request.names = {"DNS:victim.example"};
    tls_settings settings = settings_with();
    settings.host = "victim.example";
    const outcome result = try_with(settings, issue(request, leaf), &leaf);
    EXPECT_FALSE(result.is_connected);
    EXPECT_EQ(result.code, errc::certificate_rejected);
}

TEST(TlsVerifyTest, IntermediateMustBeSent) {
    certificate_request request;
    request.common_name = "intermediate";
    request.is_authority = true;
    const identity intermediate = issue(request, test_authority());
    const identity leaf = leaf_for({"DNS:origin.example"}, intermediate);
    EXPECT_TRUE(try_with(settings_with(), leaf, &intermediate).is_connected);
    const outcome result = try_with(settings_with(), leaf);
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(result.detail, "local issuer")) << result.detail;
    // Named as the authority it is trusted by itself, without its root.
    tls_options options;
    options.ca_pem = intermediate.certificate_pem();
    EXPECT_TRUE(try_with(settings_with(options), leaf).is_connected);
}

TEST(TlsVerifyTest, SelfSignedServerIsTrustedWhenNamedAsAuthority) {
    certificate_request request;
    request.names = {"DNS:origin.example"};
    const identity server = self_sign(request);
    tls_options options;
    options.ca_pem = server.certificate_pem();
    EXPECT_TRUE(try_with(settings_with(options), server).is_connected);
}

TEST(TlsVerifyTest, PrivateAuthorityReplacesTheSystems) {
    const identity other = make_authority("other root");
    tls_options options;
    options.ca_pem = other.certificate_pem();
    EXPECT_FALSE(try_with(settings_with(options), origin_identity()).is_connected);
    EXPECT_FALSE(try_with(settings_with(tls_options{}), origin_identity()).is_connected);
}

TEST(TlsVerifyTest, SkippingAcceptsAnything) {
    tls_options options;
    options.danger_skip_verification = true;
    certificate_request request;
    request.names = {"DNS:somebody.else"};
    request.valid_from = hours(-48);
    request.valid_to = hours(-24);
    EXPECT_TRUE(try_with(settings_with(options), self_sign(request)).is_connected);
}

TEST(TlsVerifyTest, VerifyNameReplacesTheHost) {
    tls_options options = trusting_options();
    options.verify_name = "real.example";
    EXPECT_TRUE(try_with(settings_with(options), leaf_for({"DNS:real.example"})).is_connected);
    const outcome result = try_with(settings_with(options), origin_identity());
    EXPECT_FALSE(result.is_connected);
    EXPECT_TRUE(contains(result.detail, "expected a certificate for \"real.example\""));
    options.verify_name = "10.1.2.3";
    EXPECT_TRUE(try_with(settings_with(options), leaf_for({"IP:10.1.2.3"})).is_connected);
}

TEST(TlsVerifyTest, ServerNameIsNotWhatIsVerified) {
    tls_options options = trusting_options();
    options.server_name = "front.example";
    EXPECT_TRUE(try_with(settings_with(options), origin_identity()).is_connected);
    EXPECT_FALSE(try_with(settings_with(options), leaf_for({"DNS:front.example"})).is_connected);
}

TEST(TlsVerifyTest, PinMatchesAnyCertificateOfTheChain) {
    tls_options options = trusting_options();
    options.pins = {make_authority().pin(), origin_identity().pin()};
    EXPECT_TRUE(try_with(settings_with(options), origin_identity()).is_connected);
    options.pins = {test_authority().pin()};
    EXPECT_TRUE(try_with(settings_with(options), origin_identity()).is_connected);
}

TEST(TlsVerifyTest, WrongPinRejectsAValidCertificate) {
    tls_options options = trusting_options();
    options.pins = {make_authority().pin()};
    const outcome result = try_with(settings_with(options), origin_identity());
    EXPECT_FALSE(result.is_connected);
    EXPECT_EQ(result.code, errc::certificate_rejected);
    EXPECT_TRUE(contains(result.detail, "pinned key")) << result.detail;
}

TEST(TlsVerifyTest, PinDoesNotReplaceVerification) {
    certificate_request request;
    request.names = {"DNS:origin.example"};
    const identity stranger = self_sign(request);
    tls_options options = trusting_options();
    options.pins = {stranger.pin()};
    EXPECT_FALSE(try_with(settings_with(options), stranger).is_connected);
}

// A pinned certificate that is sent along, but is no part of the chain, proves nothing.
TEST(TlsVerifyTest, PinOfAnUnrelatedSentCertificateDoesNotCount) {
    const identity bait = make_authority("bait");
    tls_options options = trusting_options();
    options.pins = {bait.pin()};
    EXPECT_FALSE(try_with(settings_with(options), origin_identity(), &bait).is_connected);
}

TEST(TlsVerifyTest, PeerNamesAreNormalised) {
    EXPECT_EQ(make_peer_name("a.example.")->text, "a.example");
    EXPECT_FALSE(make_peer_name("a.example.")->is_address());
    EXPECT_TRUE(make_peer_name("192.0.2.1")->is_address());
    EXPECT_TRUE(make_peer_name("::1")->is_address());
    EXPECT_EQ(make_peer_name("fe80::1%eth0")->text, "fe80::1");
    for (const std::string& bad : {std::string(), std::string("."), std::string("a b"),
                                   std::string("a\0b", 3), std::string(254, 'a')}) {
        EXPECT_FALSE(make_peer_name(bad).has_value());
    }
}

TEST(TlsVerifyTest, PinsParseStrictly) {
    const std::string good = test_authority().pin();
    ASSERT_TRUE(parse_pin(good).has_value());
    EXPECT_EQ(*parse_pin(good), *digest_spki(test_authority().certificate.get()));
    EXPECT_FALSE(parse_pin("").has_value());
    EXPECT_FALSE(parse_pin("sha256//" + good).has_value());
    EXPECT_FALSE(parse_pin(good.substr(0, 43)).has_value());
    EXPECT_FALSE(parse_pin(good.substr(0, 42) + "==").has_value());
    EXPECT_FALSE(parse_pin("!" + good.substr(1)).has_value());
    EXPECT_FALSE(parse_pin(good + good).has_value());
}

}  // namespace
}  // namespace hearth::proto
