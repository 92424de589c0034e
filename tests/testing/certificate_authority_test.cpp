// Certificates as a TLS client judges them: good, expired, for another name, without intermediate.
#include "hearth/testing/certificate_authority.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "testing/plain_client.hpp"

namespace {

using namespace hearth::testing;
using hearth::support::client_tls;
using hearth::support::plain_client;

// What a client that trusts `ca_pem` says about an origin with that certificate.
long verify(const certificate& presented, const std::string& ca_pem,
            const std::string& name = "localhost") {
    origin server({.listen = {.server_certificate = presented}});
    client_tls tls(ca_pem);
    tls.verify_name = name;
    const plain_client client(server.port(), &tls);
    return client.verify_result();
}

TEST(CertificateAuthorityTest, IssuesACertificateThatVerifiesAgainstItsRoot) {
    const certificate_authority authority;
    const certificate issued = authority.issue();
    EXPECT_EQ(issued.ca_pem, authority.ca_pem());
    EXPECT_EQ(verify(issued, authority.ca_pem()), X509_V_OK);
}

TEST(CertificateAuthorityTest, IssuesForIpAddresses) {
    const certificate_authority authority;
    EXPECT_EQ(verify(authority.issue(), authority.ca_pem(), "127.0.0.1"), X509_V_OK);
    EXPECT_EQ(verify(authority.issue({.ips = {"10.0.0.1"}}), authority.ca_pem(), "127.0.0.1"),
              X509_V_ERR_IP_ADDRESS_MISMATCH);
}

TEST(CertificateAuthorityTest, IssuesWildcards) {
    const certificate_authority authority;
    const certificate issued = authority.issue({.names = {"*.example.test"}});
    EXPECT_EQ(verify(issued, authority.ca_pem(), "a.example.test"), X509_V_OK);
    EXPECT_EQ(verify(issued, authority.ca_pem(), "example.test"), X509_V_ERR_HOSTNAME_MISMATCH);
}

TEST(CertificateAuthorityTest, SignsWithRsaRootsAndKeys) {
    const certificate_authority authority(key_type::rsa_2048);
    const certificate issued =
        authority.issue({.key = key_type::rsa_2048, .by_intermediate = true});
    EXPECT_EQ(verify(issued, authority.ca_pem()), X509_V_OK);
}

TEST(CertificateAuthorityTest, MakesExpiredAndFutureCertificates) {
    const certificate_authority authority;
    const auto day = std::chrono::hours{24};
    const certificate expired = authority.issue({.not_before = -2 * day, .not_after = -day});
    EXPECT_EQ(verify(expired, authority.ca_pem()), X509_V_ERR_CERT_HAS_EXPIRED);
    const certificate future = authority.issue({.not_before = day, .not_after = 2 * day});
    EXPECT_EQ(verify(future, authority.ca_pem()), X509_V_ERR_CERT_NOT_YET_VALID);
}

TEST(CertificateAuthorityTest, AnotherNameDoesNotVerify) {
    const certificate_authority authority;
    const certificate other = authority.issue({.names = {"other.test"}});
    EXPECT_EQ(verify(other, authority.ca_pem()), X509_V_ERR_HOSTNAME_MISMATCH);
}

TEST(CertificateAuthorityTest, AnotherRootDoesNotVerify) {
    const certificate_authority authority;
    const certificate_authority stranger(key_type::ecdsa_p256, "stranger");
    EXPECT_EQ(verify(authority.issue(), stranger.ca_pem()),
              X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

TEST(CertificateAuthorityTest, PresentsOrOmitsTheIntermediate) {
    const certificate_authority authority;
    EXPECT_EQ(verify(authority.issue({.by_intermediate = true}), authority.ca_pem()), X509_V_OK);
    const certificate bare = authority.issue({.by_intermediate = true, .omit_intermediate = true});
    EXPECT_EQ(verify(bare, authority.ca_pem()), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

TEST(CertificateAuthorityTest, AClientCertificateIsNotForServers) {
    const certificate_authority authority;
    const certificate client = authority.issue({.client_auth = true});
    EXPECT_EQ(verify(client, authority.ca_pem()), X509_V_ERR_INVALID_PURPOSE);
}

TEST(CertificateAuthorityTest, RefusesNamesThatWouldAddOthers) {
    const certificate_authority authority;
    EXPECT_THROW(static_cast<void>(authority.issue({.names = {"a.test,DNS:b.test"}})),
                 std::invalid_argument);
    EXPECT_THROW(static_cast<void>(authority.issue({.names = {""}})), std::invalid_argument);
    EXPECT_THROW(static_cast<void>(authority.issue({.ips = {"1.2.3"}})), std::invalid_argument);
}

TEST(CertificateAuthorityTest, WritesFilesOthersCanRead) {
    namespace fs = std::filesystem;
    const fs::path directory = fs::path(::testing::TempDir()) / "hearth-certificates";
    fs::create_directories(directory);
    const certificate_authority authority;
    const certificate issued = authority.issue();
    const certificate_files files = issued.write_files(directory, "server");
    const auto content = [](const fs::path& path) {
        std::ifstream file(path);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    EXPECT_EQ(content(files.chain), issued.chain_pem);
    EXPECT_EQ(content(files.key), issued.key_pem);
    EXPECT_EQ(content(files.ca), issued.ca_pem);
    EXPECT_EQ(content(authority.write_files(directory)), authority.ca_pem());
    EXPECT_EQ(fs::status(files.key).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    fs::remove_all(directory);
    EXPECT_THROW(issued.write_files(directory), fs::filesystem_error);
}

}  // namespace
