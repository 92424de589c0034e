#include "client/identity_watch.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "client/scripted.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using namespace std::chrono_literals;

/// A directory that is gone with the test.
class scratch {
public:
    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "hearth-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory");
        path_ = name;
    }
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const {
        return (path_ / name).string();
    }
    /// As tools do: a new file takes the place of the old one.
    void replace(const std::string& name, const std::string& text) const {
        std::ofstream(file(name + ".new")) << text;
        std::filesystem::rename(file(name + ".new"), file(name));
    }

private:
    std::filesystem::path path_;
};

/// A client certificate in files, and an origin that asks for one.
struct rotating {
    rotating() {
        write();
        testing::origin_options options;
        options.listen.server_certificate = authority.issue();
        options.listen.client_ca_pem = authority.ca_pem();
        origin.emplace(options);
    }
    void write() {
        const testing::certificate own =
            authority.issue({.names = {"client"}, .client_auth = true});
        files.replace("key.pem", own.key_pem);
        files.replace("chain.pem", own.chain_pem);
    }
    [[nodiscard]] config values() {
        tls_options options;
        options.ca_pem = authority.ca_pem();
        options.certificate_file = files.file("chain.pem");
        options.private_key_file = files.file("key.pem");
        config result = one_thread();
        result.tls.profile = tls_profile::make(options);
        result.tls.watch_files = 50ms;
        result.tls.replace_within = 200ms;
        result.tls.on_identity = [this](const identity_report& one) {
            const std::lock_guard lock(mutex);
            reports.push_back(one);
        };
        return result;
    }
    [[nodiscard]] std::vector<identity_report> told() {
        const std::lock_guard lock(mutex);
        return reports;
    }

    testing::certificate_authority authority;
    scratch files;
    std::optional<testing::origin> origin;
    std::mutex mutex;
    std::vector<identity_report> reports;
};

TEST(IdentityWatchTest, ChangedFilesReplaceTheProfile) {
    rotating world;
    client subject(world.values());
    ASSERT_EQ(subject.send(get(world.origin->url("/d/0"))).status, 200U);
    const auto before = subject.current_config().tls.profile;
    world.write();
    EXPECT_TRUE(eventually([&] {
        const auto told = world.told();
        return !told.empty() && told.back().failure.empty();
    }));
    EXPECT_NE(subject.current_config().tls.profile, before);
    EXPECT_GE(subject.stats().identity, 2U);
    EXPECT_EQ(subject.stats().identity, world.told().back().generation);
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(subject.send(get(world.origin->url("/d/0"))).status, 200U);
        return closed_by(subject.stats(), close_reason::outdated) == 1;
    }));
}

TEST(IdentityWatchTest, BrokenFileKeepsTheOldIdentityAndIsReported) {
    rotating world;
    client subject(world.values());
    const auto before = subject.current_config().tls.profile;
    world.files.replace("chain.pem", "no certificate");
    ASSERT_TRUE(eventually([&] { return !world.told().empty(); }));
    const identity_report told = world.told().front();
    EXPECT_EQ(told.generation, 1U);
    EXPECT_NE(told.failure.find("certificate_file"), std::string::npos) << told.failure;
    EXPECT_EQ(subject.current_config().tls.profile, before);
    EXPECT_EQ(subject.stats().identity, 1U);
    EXPECT_EQ(subject.stats().identity_failures, 1U);
    EXPECT_EQ(subject.stats().identity_failure, told.failure);
    EXPECT_EQ(subject.send(get(world.origin->url("/d/0"))).status, 200U);
    world.write();
    EXPECT_TRUE(eventually([&] { return subject.stats().identity == 2; }));
    EXPECT_EQ(subject.stats().identity_failure, "");
}

TEST(IdentityWatchTest, SameFailureIsReportedOnce) {
    rotating world;
    client subject(world.values());
    std::filesystem::remove(world.files.file("chain.pem"));
    ASSERT_TRUE(eventually([&] { return !world.told().empty(); }));
    config values = subject.current_config();
    values.tls.watch_files = 60ms;  // wakes the thread, which looks again
    for (int i = 0; i < 5; ++i) subject.update(values);
    EXPECT_EQ(world.told().size(), 1U);
}

TEST(IdentityWatchTest, WatchingIsSwitchedOnAndOff) {
    rotating world;
    config values = world.values();
    values.tls.watch_files.reset();
    client subject(values);
    world.write();
    values.tls.watch_files = 50ms;
    subject.update(values);
    EXPECT_TRUE(eventually([&] { return subject.stats().identity == 2; }))
        << "also what changed before";
    values = subject.current_config();
    values.tls.watch_files.reset();
    subject.update(values);
    world.write();
    EXPECT_EQ(subject.stats().identity, 2U);
}

}  // namespace
}  // namespace hearth
