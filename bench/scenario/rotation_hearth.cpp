// Identity that changes under load: GETs from an own client while its certificate, its key and its
// trusted authorities are replaced in the files they came from, again and again. Client and origin
// in one process, in real time; the origin asks for a client certificate. A line of JSON per
// rotation, and one that sums up; exit status 1 if a promise does not hold:
//   - no request fails;
//   - no connection of the old identity is left when `replace_within` and two looks at the files
//     are over;
//   - never more handshakes past their ClientHello than `handshake.max_concurrent`;
//   - never fewer connections than `min_ready`.
//
//   rotation_hearth [--concurrency N] [--handshakes N] [--within-ms N]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <hearth/hearth.hpp>
#include <hearth/testing/testing.hpp>
#include <string>
#include <thread>

#include "../command_line.hpp"
#include "../json_line.hpp"

namespace {

using namespace std::chrono_literals;
using boost::system::error_code;
using clock_type = std::chrono::steady_clock;
namespace testing = hearth::testing;

struct options {
    std::uint32_t concurrency = 64;
    std::uint32_t handshakes = 2;
    std::uint32_t within_ms = 1500;
};

options parse(int argc, char** argv) {
    options result;
    bench::arguments given(argc, argv);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--concurrency") {
            result.concurrency = static_cast<std::uint32_t>(given.take_number(1, 200));
        } else if (option == "--handshakes") {
            result.handshakes = static_cast<std::uint32_t>(given.take_number(1, 1000));
        } else if (option == "--within-ms") {
            result.within_ms = static_cast<std::uint32_t>(given.take_number(100, 60'000));
        } else {
            given.refuse();
        }
    }
    return result;
}

/// A directory with the files of the identity; gone at the end.
class identity_files {
public:
    identity_files() {
        std::string name = (std::filesystem::temp_directory_path() / "rotation-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory");
        path_ = name;
    }
    ~identity_files() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    identity_files(const identity_files&) = delete;
    identity_files& operator=(const identity_files&) = delete;

    [[nodiscard]] std::string path(const std::string& name) const {
        return (path_ / name).string();
    }
    void replace(const std::string& name, const std::string& text) const {
        std::ofstream(path(name + ".new")) << text;
        std::filesystem::rename(path(name + ".new"), path(name));
    }

private:
    std::filesystem::path path_;
};

struct load {
    std::atomic<std::uint64_t> ok{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> running{0};
    std::atomic<bool> stop{false};
};

void send_next(hearth::client& client, const std::string& url, load& all) {
    if (all.stop) {
        --all.running;
        return;
    }
    client.async_send({hearth::method::get, url},
                      [&, url](error_code error, const hearth::response& response) {
                          const bool is_ok = !error && response.status == 200;
                          ++(is_ok ? all.ok : all.failed);
                          if (!is_ok) {
                              std::fprintf(stderr, "%s %s\n", error.message().c_str(),
                                           response.failure.dial_detail.c_str());
                          }
                          send_next(client, url, all);
                      });
}

double ms_since(clock_type::time_point from) {
    return std::chrono::duration<double, std::milli>(clock_type::now() - from).count();
}

/// Everything that a run has.
struct world {
    explicit world(const options& values)
        : asked(values), origin([this] {
              testing::origin_options result;
              result.listen.server_certificate = authority.issue({.by_intermediate = true});
              result.listen.client_ca_pem = authority.ca_pem();
              result.listen.tickets = 0;  // every handshake is a full one
              chain = result.listen.server_certificate->chain_pem;
              return result;
          }()) {
        renew_certificate();
        files.replace("ca.pem", authority.ca_pem());
    }
    void renew_certificate() const {
        const testing::certificate own =
            authority.issue({.names = {"client"}, .client_auth = true});
        files.replace("key.pem", own.key_pem);
        files.replace("chain.pem", own.chain_pem);
    }
    /// The issuer of the origin's certificate, which is sent behind it.
    [[nodiscard]] std::string intermediate() const {
        return chain.substr(chain.rfind("-----BEGIN CERTIFICATE-----"));
    }
    [[nodiscard]] hearth::config config() const {
        hearth::tls_options identity;
        identity.ca_file = files.path("ca.pem");
        identity.certificate_file = files.path("chain.pem");
        identity.private_key_file = files.path("key.pem");
        hearth::config result;
        result.tls.profile = hearth::tls_profile::make(identity);
        result.tls.watch_files = look;
        result.tls.replace_within = std::chrono::milliseconds(asked.within_ms);
        result.handshake.max_concurrent = asked.handshakes;
        result.pool.max_connections_per_origin = asked.concurrency * 2;
        result.pool.min_ready = asked.concurrency / 2;
        result.io.threads = 1;
        return result;
    }

    static constexpr std::chrono::milliseconds look{50};
    options asked;
    testing::certificate_authority authority;
    std::string chain;
    identity_files files;
    testing::origin origin;
};

/// Replaces something and watches until the old identity is gone. False: a promise was broken.
template <class Change>
bool rotate(const char* what, hearth::client& client, const world& all, load& running,
            Change change) {
    const hearth::stats before = client.stats();
    const std::uint64_t failed_before = running.failed;
    const auto began = clock_type::now();
    change();
    double seen_ms = 0;
    double gone_ms = 0;
    std::uint64_t least = before.total().open;
    const double most_ms = all.asked.within_ms + 2.0 * static_cast<double>(world::look.count());
    while (gone_ms == 0 && ms_since(began) < most_ms + 1000) {
        std::this_thread::sleep_for(5ms);
        const hearth::stats now = client.stats();
        least = std::min(least, now.total().open);
        if (seen_ms == 0 && now.identity > before.identity) seen_ms = ms_since(began);
        if (seen_ms != 0 && now.total().outdated == 0) gone_ms = ms_since(began);
    }
    const hearth::stats after = client.stats();
    const auto outdated = static_cast<std::size_t>(hearth::close_reason::outdated);
    const std::uint64_t failed = running.failed - failed_before;
    const bool is_kept = failed == 0 && gone_ms != 0 && gone_ms <= most_ms &&
                         after.handshakes_at_once <= all.asked.handshakes &&
                         least >= all.asked.concurrency / 2;
    bench::json_line()
        .text("rotation", what)
        .number("failed", failed)
        .number("seen_ms", seen_ms)
        .number("old_gone_ms", gone_ms)
        .number("allowed_ms", most_ms)
        .number("replaced", after.total().closed_by_reason[outdated] -
                                before.total().closed_by_reason[outdated])
        .number("handshakes_at_once", after.handshakes_at_once)
        .number("handshake_limit", all.asked.handshakes)
        .number("least_open", least)
        .number("min_ready", all.asked.concurrency / 2)
        .number("kept", is_kept ? 1 : 0)
        .print();
    return is_kept;
}

}  // namespace

int main(int argc, char** argv) {
    const world all(parse(argc, argv));
    hearth::client client(all.config());
    load running;
    running.running = all.asked.concurrency;
    const auto began = clock_type::now();
    for (std::uint32_t i = 0; i < all.asked.concurrency; ++i) {
        send_next(client, all.origin.url("/d/40"), running);
    }
    std::this_thread::sleep_for(500ms);
    bool is_kept =
        rotate("certificate and key", client, all, running, [&] { all.renew_certificate(); });
    is_kept &= rotate("both authorities", client, all, running, [&] {
        all.files.replace("ca.pem", all.authority.ca_pem() + all.intermediate());
    });
    is_kept &= rotate("the new authority only", client, all, running,
                      [&] { all.files.replace("ca.pem", all.intermediate()); });
    const double took_s = ms_since(began) / 1000;
    running.stop = true;
    while (running.running != 0) std::this_thread::sleep_for(1ms);
    bench::json_line()
        .number("requests", running.ok + running.failed)
        .number("failed", running.failed.load())
        .number("per_second", static_cast<double>(running.ok) / took_s)
        .print();
    return is_kept && running.failed == 0 ? 0 : 1;
}
