// OCSP staples made and served by OpenSSL's own tools.
#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <memory>
#include <optional>
#include <string>

#include "client/scripted.hpp"
#include "proto/openssl_ptr.hpp"
#include "support/certificates.hpp"
#include "support/server_process.hpp"

namespace hearth::interop {
namespace {

using namespace hearth::support;
using boost::system::error_code;

std::string serial_of(const identity& one) {
    const std::unique_ptr<BIGNUM, proto::openssl_deleter<BN_free>> number(
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(one.certificate.get()), nullptr));
    const proto::openssl_text_ptr text(BN_bn2hex(number.get()));
    return text.get();
}

/// `openssl s_server` with a staple that `openssl ocsp` made from a line of an index of a CA.
class stapling_server {
public:
    explicit stapling_server(bool is_revoked) {
        const std::string ca = directory_.write("ca.pem", authority_.certificate_pem()).string();
        const std::string ca_key = directory_.write("ca.key", authority_.key_pem()).string();
        const std::string cert = directory_.write("cert.pem", leaf_.certificate_pem()).string();
        const std::string key = directory_.write("cert.key", leaf_.key_pem()).string();
        const std::string revoked = is_revoked ? "200101000000Z,keyCompromise" : "";
        const std::string index =
            directory_
                .write("index.txt", std::string(is_revoked ? "R" : "V") + "\t491231235959Z\t" +
                                        revoked + "\t" + serial_of(leaf_) + "\tunknown\t/CN=leaf\n")
                .string();
        const std::string asked = path("request.der");
        const std::string answer = path("response.der");
        run_program({"openssl", "ocsp", "-issuer", ca, "-cert", cert, "-reqout", asked},
                    path("log"));
        run_program({"openssl", "ocsp", "-index", index, "-CA", ca, "-rsigner", ca, "-rkey", ca_key,
                     "-reqin", asked, "-respout", answer, "-ndays", "1"},
                    path("log"));
        process_.emplace(
            std::vector<std::string>{"openssl", "s_server", "-accept", std::to_string(port_),
                                     "-cert", cert, "-key", key, "-status_file", answer, "-www"},
            path("log"));
        process_->await_port(port_);
    }
    /// What `GET /` comes to.
    [[nodiscard]] std::pair<error_code, response> ask(ocsp_policy policy,
                                                      tls_version version) const {
        tls_options options;
        options.ca_pem = authority_.certificate_pem();
        options.ocsp_staple = policy;
        options.maximum_version = version;
        config values = one_thread();
        values.tls.profile = tls_profile::make(options);
        client subject(values);
        error_code error;
        response got = subject.send(get("https://127.0.0.1:" + std::to_string(port_) + "/"), error);
        return {error, std::move(got)};
    }

private:
    [[nodiscard]] std::string path(const std::string& name) const {
        return (directory_.path() / name).string();
    }
    static identity issue_leaf(const identity& issuer) {
        certificate_request request;
        request.names = {"IP:127.0.0.1"};
        return issue(request, issuer);
    }

    scratch_directory directory_;
    identity authority_ = make_authority();
    identity leaf_ = issue_leaf(authority_);
    std::uint16_t port_ = free_port();
    std::optional<server_process> process_;
};

TEST(InteropRevocationTest, StapleOfOpensslIsUnderstood) {
    const stapling_server good(false);
    const stapling_server revoked(true);
    for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        const auto accepted = good.ask(ocsp_policy::required, version);
        EXPECT_FALSE(accepted.first) << accepted.second.failure.dial_detail;
        EXPECT_EQ(accepted.second.status, 200U);
        const auto refused = revoked.ask(ocsp_policy::if_present, version);
        EXPECT_EQ(refused.first, errc::certificate_rejected);
        EXPECT_EQ(refused.second.failure.phase, phase::handshake);
        EXPECT_NE(refused.second.failure.dial_detail.find("was revoked on "), std::string::npos)
            << refused.second.failure.dial_detail;
        EXPECT_FALSE(revoked.ask(ocsp_policy::off, version).first);
    }
}

}  // namespace
}  // namespace hearth::interop
