#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "hearth/tls.hpp"
#include "support/tls_server.hpp"

namespace hearth::proto {
namespace {

using support::connect;
using support::identity;
using support::origin_identity;
using support::settings_with;
using support::test_authority;
using support::tls_server;
using support::tls_server_context;
using support::trusting_options;

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

// The sentence with which a profile of these options is refused; empty if it is made.
std::string refusal(const tls_options& options) {
    try {
        (void)tls_profile::make(options);
    } catch (const boost::system::system_error& error) {
        EXPECT_EQ(error.code(), make_error_code(errc::invalid_config));
        return error.what();
    }
    return {};
}

// A directory that is gone after the test.
class scratch {
public:
    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "hearth-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~scratch() { std::filesystem::remove_all(path_); }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;

    [[nodiscard]] std::string path(const std::string& name) const { return path_ / name; }
    [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name)) << text;
        return path(name);
    }

private:
    std::filesystem::path path_;
};

std::string read_all(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool connects(const tls_options& options) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with(options));
    return connect(client, server);
}

TEST(TlsProfileTest, DefaultsAreSafe) {
    const tls_options options;
    EXPECT_TRUE(options.system_trust);
    EXPECT_FALSE(options.danger_skip_verification);
    EXPECT_EQ(options.minimum_version, tls_version::tls_1_2);
    EXPECT_EQ(refusal(options), "");
}

TEST(TlsProfileTest, TheCheapestSuiteComesFirst) {
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with(trusting_options()));
    ASSERT_TRUE(connect(client, server));
    EXPECT_EQ(client.cipher(), "TLS_AES_128_GCM_SHA256");
}

TEST(TlsProfileTest, SystemDefaultIsBuiltOnce) {
    EXPECT_EQ(tls_profile::system_default(), tls_profile::system_default());
    EXPECT_TRUE(tls_profile::system_default()->options().system_trust);
}

TEST(TlsProfileTest, KeepsItsOptions) {
    tls_options options = trusting_options();
    options.verify_name = "a.example";
    EXPECT_EQ(tls_profile::make(options)->options().verify_name, "a.example");
}

TEST(TlsProfileTest, FilesAndTextsAreTheSame) {
    const scratch files;
    tls_options options;
    options.ca_file =
        files.write("ca.pem", "some words before\n" + test_authority().certificate_pem());
    EXPECT_TRUE(connects(options));
    options.certificate_file = files.write(
        "chain.pem", origin_identity().certificate_pem() + test_authority().certificate_pem());
    options.private_key_file = files.write("key.pem", origin_identity().key_pem());
    EXPECT_TRUE(connects(options));
}

TEST(TlsProfileTest, CaFileAndTextAreBothTrusted) {
    const scratch files;
    tls_options options;
    options.ca_file = files.write("ca.pem", support::make_authority("another").certificate_pem());
    EXPECT_FALSE(connects(options));
    options.ca_pem = test_authority().certificate_pem();
    EXPECT_TRUE(connects(options));
}

TEST(TlsProfileTest, MissingFilesAreNamed) {
    const scratch files;
    const std::string path = files.path("nowhere.pem");
    tls_options options;
    options.ca_file = path;
    EXPECT_TRUE(contains(refusal(options), "ca_file: cannot read \"" + path + "\": No such file"))
        << refusal(options);
    options = trusting_options();
    options.certificate_file = path;
    EXPECT_TRUE(contains(refusal(options), "certificate_file: cannot read \"" + path));
    options.certificate_file = files.write("leaf.pem", origin_identity().certificate_pem());
    options.private_key_file = path;
    EXPECT_TRUE(contains(refusal(options), "private_key_file: cannot read \"" + path));
    options = trusting_options();
    options.keylog_file = path + "/impossible";
    EXPECT_TRUE(contains(refusal(options), "keylog_file: cannot open \"" + path));
}

TEST(TlsProfileTest, UnusableFilesAreNamed) {
    const scratch files;
    tls_options options;
    options.ca_file = files.path("");  // a directory
    EXPECT_TRUE(contains(refusal(options), "ca_file: cannot read")) << refusal(options);
    options.ca_file = files.write("empty.pem", "");
    EXPECT_TRUE(contains(refusal(options), "empty")) << refusal(options);
    options.ca_file = files.write("words.pem", "no certificate in here");
    EXPECT_TRUE(contains(refusal(options), "holds no certificate")) << refusal(options);
    std::string damaged = test_authority().certificate_pem();
    damaged[damaged.size() / 2] = '!';
    options.ca_file = files.write("damaged.pem", damaged);
    EXPECT_TRUE(contains(refusal(options), "damaged.pem\" does not parse")) << refusal(options);
}

TEST(TlsProfileTest, KeyMustBelongToTheCertificate) {
    tls_options options = trusting_options();
    options.certificate_pem = origin_identity().certificate_pem();
    options.private_key_pem = test_authority().key_pem();
    EXPECT_TRUE(contains(refusal(options), "does not belong")) << refusal(options);
    options.private_key_pem.clear();
    EXPECT_TRUE(contains(refusal(options), "no private key")) << refusal(options);
    options.private_key_pem = "not a key";
    EXPECT_TRUE(contains(refusal(options), "no usable private key")) << refusal(options);
    options = trusting_options();
    options.private_key_pem = origin_identity().key_pem();
    EXPECT_TRUE(contains(refusal(options), "no client certificate")) << refusal(options);
}

// It must not ask the terminal for the pass phrase, which would hang a service.
TEST(TlsProfileTest, EncryptedKeyIsRefusedWithoutAsking) {
    const bio_ptr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PKCS8PrivateKey(bio.get(), origin_identity().key.get(), EVP_aes_128_cbc(),
                                  "secret", 6, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    tls_options options = trusting_options();
    options.certificate_pem = origin_identity().certificate_pem();
    options.private_key_pem.assign(text, static_cast<std::size_t>(size));
    EXPECT_TRUE(contains(refusal(options), "pass phrase")) << refusal(options);
}

TEST(TlsProfileTest, ContradictionsAreExplained) {
    tls_options options;
    options.system_trust = false;
    EXPECT_TRUE(contains(refusal(options), "nobody is trusted"));
    options.danger_skip_verification = true;
    EXPECT_EQ(refusal(options), "");
    options.pins = {test_authority().pin()};
    EXPECT_TRUE(contains(refusal(options), "danger_skip_verification"));
    options = trusting_options();
    options.minimum_version = tls_version::tls_1_3;
    options.maximum_version = tls_version::tls_1_2;
    EXPECT_TRUE(contains(refusal(options), "minimum_version"));
    options = trusting_options();
    options.certificate_pem = origin_identity().certificate_pem();
    options.certificate_file = "also.pem";
    EXPECT_TRUE(contains(refusal(options), "certificate_file and certificate_pem"));
}

TEST(TlsProfileTest, ListsThatDoNotParseAreNamed) {
    tls_options options = trusting_options();
    options.cipher_list = "NONSENSE";
    EXPECT_TRUE(contains(refusal(options), "cipher_list \"NONSENSE\"")) << refusal(options);
    options = trusting_options();
    options.cipher_suites = "TLS_NONSENSE";
    EXPECT_TRUE(contains(refusal(options), "cipher_suites \"TLS_NONSENSE\""));
    options = trusting_options();
    options.groups = "P-257";
    EXPECT_TRUE(contains(refusal(options), "groups \"P-257\""));
    options = trusting_options();
    options.pins = {"short"};
    EXPECT_TRUE(contains(refusal(options), "\"short\" is not the base64"));
    options = trusting_options();
    options.server_name = "192.0.2.1";
    EXPECT_TRUE(contains(refusal(options), "SNI"));
    options.server_name = "a b";
    EXPECT_TRUE(contains(refusal(options), "server_name"));
    options = trusting_options();
    options.verify_name = "a b";
    EXPECT_TRUE(contains(refusal(options), "verify_name"));
}

TEST(TlsProfileTest, ListsAreUsed) {
    tls_options options = trusting_options();
    options.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256";
    const tls_server_context context(origin_identity());
    tls_server server(context);
    tls_engine client(settings_with(options));
    ASSERT_TRUE(connect(client, server));
    EXPECT_EQ(client.cipher(), "TLS_CHACHA20_POLY1305_SHA256");

    options = trusting_options();
    options.maximum_version = tls_version::tls_1_2;
    options.cipher_list = "ECDHE-ECDSA-AES256-GCM-SHA384";
    tls_server older_server(context);
    tls_engine older(settings_with(options));
    ASSERT_TRUE(connect(older, older_server));
    EXPECT_EQ(older.cipher(), "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST(TlsProfileTest, KeyLogIsAppendedAndPrivate) {
    const scratch files;
    tls_options options = trusting_options();
    options.keylog_file = files.path("keys");
    EXPECT_TRUE(connects(options));
    const std::string first = read_all(options.keylog_file);
    EXPECT_TRUE(contains(first, "CLIENT_TRAFFIC_SECRET_0 ")) << first;
    EXPECT_EQ(first.back(), '\n');
    EXPECT_TRUE(connects(options));
    const std::string second = read_all(options.keylog_file);
    EXPECT_EQ(second.substr(0, first.size()), first);
    EXPECT_GT(second.size(), first.size());
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(options.keylog_file).permissions(),
              perms::owner_read | perms::owner_write);
}

TEST(TlsProfileTest, IsSharedByThreads) {
    constexpr int threads = 4;
    constexpr int rounds = 20;
    const scratch files;
    tls_options options = trusting_options();
    options.keylog_file = files.path("keys");
    const tls_settings shared = settings_with(options);
    const tls_server_context context(origin_identity());
    std::atomic<int> connected{0};
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
        all.emplace_back([&] {
            tls_session_cache cache(4);
            tls_settings settings = shared;
            settings.sessions = &cache;
            for (int round = 0; round < rounds; ++round) {
                tls_server server(context);
                tls_engine client(settings);
                connected += connect(client, server) ? 1 : 0;
                (void)support::receive_from(client, server);
            }
        });
    }
    for (auto& each : all) each.join();
    EXPECT_EQ(connected, threads * rounds);
    std::ifstream log(options.keylog_file);
    for (std::string line; std::getline(log, line);) {
        EXPECT_EQ(line.find("SECRET", line.find("SECRET") + 1), std::string::npos) << line;
    }
}

}  // namespace
}  // namespace hearth::proto
