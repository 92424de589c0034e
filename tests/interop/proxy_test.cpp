// Real proxies: tinyproxy and squid (absolute form, CONNECT, Basic credentials), apache2 (CONNECT,
// and TLS to the proxy), microsocks (SOCKS5 with and without a login) and dante (SOCKS5), in front
// of an embedded origin, and of nginx for HTTP/2 inside the tunnel.
#include <gtest/gtest.h>
#include <unistd.h>

#include "hearth/testing/testing.hpp"
#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;
using support::scratch_directory;
using support::server_process;

class running_proxy {
public:
    running_proxy(const std::vector<std::string>& command, std::uint16_t port) : port_(port) {
        process_.emplace(command, directory_.path() / "log");
        process_->await_port(port);
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }

private:
    std::uint16_t port_;
    scratch_directory directory_;
    std::optional<server_process> process_;
};

class ProxyTest : public ::testing::Test {
protected:
    // Many requests by one proxy, over few connections.
    void expect_served(proxy via, const std::string& url) {
        config values = client_config();
        values.tls.profile = tls_origin_profile();
        values.proxy.for_http = via;
        values.proxy.for_https = via;
        client subject(values);
        std::vector<support::awaited_response> calls(100);
        for (auto& one : calls) {
            request what;
            what.url = url;
            subject.async_send(std::move(what), one.handler());
        }
        for (auto& one : calls) {
            ASSERT_FALSE(one.error()) << one.error().message() << " " << one.value().failure.detail;
            EXPECT_EQ(one.value().body.size(), 1000U);
        }
        EXPECT_EQ(subject.stats().internal_errors, 0U);
    }
    // Many exchanges on one connection, which ALPN chose inside the tunnel.
    void expect_http2(proxy via, const nginx_server& server) {
        config values = client_config();
        values.protocol = protocol_policy::automatic;
        values.proxy.for_https = std::move(via);
        client subject(values);
        std::vector<support::awaited_response> calls(100);
        for (auto& one : calls) {
            request what;
            what.url = server.tls("/hello");
            subject.async_send(std::move(what), one.handler());
        }
        for (auto& one : calls) {
            ASSERT_FALSE(one.error()) << one.error().message() << " " << one.value().failure.detail;
            EXPECT_EQ(one.value().body, "hello from nginx\n");
            EXPECT_EQ(one.value().version, 20U);
        }
        // One, unless the proxy takes seconds: the dial that finds out is repeated then.
        EXPECT_LE(subject.stats().total().opened, 8U);
        EXPECT_EQ(subject.stats().internal_errors, 0U);
    }
    error_code result_of(proxy via, const std::string& url) {
        config values = client_config();
        values.tls.profile = tls_origin_profile();
        values.pool.dial_patience = 0ms;
        values.proxy.for_http = via;
        values.proxy.for_https = std::move(via);
        request what;
        what.url = url;
        error_code error;
        (void)client(values).send(std::move(what), error);
        return error;
    }
    std::shared_ptr<const tls_profile> tls_origin_profile() {
        tls_options options;
        options.ca_pem = secure_.ca_pem();
        return tls_profile::make(options);
    }

    static testing::origin_options without_tls() {
        testing::origin_options options;
        options.listen.tls = false;
        return options;
    }
    testing::origin plain_{without_tls()};
    testing::origin secure_;
    nginx_server http2_{{.http2 = true}};
    scratch_directory directory_;
};

TEST_F(ProxyTest, TinyproxyServesBothSchemesWithCredentials) {
    const std::uint16_t port = support::free_port();
    const auto file = directory_.write(
        "tinyproxy.conf", "Port " + std::to_string(port) +
                              "\nListen 127.0.0.1\nTimeout 60\nMaxClients 200\nAllow 127.0.0.1\n"
                              "BasicAuth me secret\nConnectPort " +
                              std::to_string(secure_.port()) + "\nConnectPort " +
                              std::to_string(http2_.tls_port) + "\n");
    const running_proxy running({"tinyproxy", "-d", "-c", file.string()}, port);
    const proxy good{proxy_kind::http, "127.0.0.1", port, "me", "secret"};
    expect_served(good, plain_.url("/bytes/1000"));
    expect_served(good, secure_.url("/bytes/1000"));
    expect_http2(good, http2_);
    EXPECT_EQ(
        result_of({proxy_kind::http, "127.0.0.1", port, "me", "wrong"}, secure_.url("/bytes/1000")),
        errc::proxy_failed);
    EXPECT_EQ(result_of(good, "https://127.0.0.1:9/"), errc::proxy_failed);
}

TEST_F(ProxyTest, SquidServesBothSchemesWithCredentials) {
    const std::uint16_t port = support::free_port();
    const std::string dir = directory_.path().string();
    const auto helper = directory_.write("helper",
                                         "#!/bin/sh\nwhile read -r line; do\n    [ \"$line\" = "
                                         "\"me secret\" ] && echo OK || echo ERR\n"
                                         "done\n");
    std::filesystem::permissions(helper, std::filesystem::perms(0755));
    std::filesystem::permissions(directory_.path(), std::filesystem::perms(0777));  // for its log
    const auto file = directory_.write(
        "squid.conf",
        "http_port 127.0.0.1:" + std::to_string(port) + "\npid_filename none\ncache deny all\n" +
            "cache_mem 8 MB\naccess_log none\ncache_log " + dir + "/cache.log\ncoredump_dir " +
            dir + "\npinger_enable off\nvisible_hostname localhost\nshutdown_lifetime 0 seconds\n" +
            "max_filedescriptors 4096\nauth_param basic program " + helper.string() +
            "\nauth_param basic children 2 startup=1 idle=1\n" +
            "acl known proxy_auth REQUIRED\nacl open port " + std::to_string(secure_.port()) + " " +
            std::to_string(http2_.tls_port) + " " + std::to_string(plain_.port()) +
            "\nhttp_access deny !open\nhttp_access allow known\nhttp_access deny all\n");
    const running_proxy running({"squid", "-N", "-f", file.string()}, port);
    const proxy good{proxy_kind::http, "127.0.0.1", port, "me", "secret"};
    expect_served(good, plain_.url("/bytes/1000"));
    expect_served(good, secure_.url("/bytes/1000"));
    expect_http2(good, http2_);
    EXPECT_EQ(
        result_of({proxy_kind::http, "127.0.0.1", port, "me", "wrong"}, secure_.url("/bytes/1000")),
        errc::proxy_failed);
    EXPECT_EQ(result_of({proxy_kind::http, "127.0.0.1", port}, secure_.url("/bytes/1000")),
              errc::proxy_failed);
    EXPECT_EQ(result_of(good, "https://127.0.0.1:9/"), errc::proxy_failed);
}

TEST_F(ProxyTest, DanteServesBothSchemes) {
    const std::uint16_t port = support::free_port();
    std::string text = "logoutput: stderr\ninternal: 127.0.0.1 port = " + std::to_string(port) +
                       "\nexternal: 127.0.0.1\nclientmethod: none\nsocksmethod: none\n";
    if (::getuid() == 0) text += "user.privileged: root\nuser.unprivileged: nobody\n";
    text +=
        "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n"
        "socks block { from: 127.0.0.0/8 to: 127.0.0.1/32 port = 9 }\n"
        "socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 protocol: tcp }\n";
    const auto file = directory_.write("danted.conf", text);
    const running_proxy running({"danted", "-f", file.string(), "-p", file.string() + ".pid"},
                                port);
    for (const auto kind : {proxy_kind::socks5, proxy_kind::socks5h}) {
        const proxy good{kind, "127.0.0.1", port};
        expect_served(good, plain_.url("/bytes/1000"));
        expect_served(good, secure_.url("/bytes/1000"));
        expect_http2(good, http2_);
        EXPECT_EQ(result_of(good, "https://127.0.0.1:9/"), errc::proxy_failed);
    }
}

TEST_F(ProxyTest, ApacheServesConnectAndTlsToItself) {
    const std::uint16_t port = support::free_port();
    const std::uint16_t tls_port = support::free_port();
    std::string text;
    for (const char* name : {"mpm_event", "authz_core", "proxy", "proxy_http", "proxy_connect",
                             "socache_shmcb", "ssl"}) {
        text += std::string("LoadModule ") + name + "_module /usr/lib/apache2/modules/mod_" + name +
                ".so\n";
    }
    const std::string dir = directory_.path().string();
    const auto files = authority().issue().write_files(directory_.path());
    text += "ServerName localhost\nServerRoot " + dir + "\nDefaultRuntimeDir " + dir +
            "\nPidFile " + dir + "/pid\nErrorLog " + dir + "/error.log\nMutex file:" + dir +
            "\nListen 127.0.0.1:" + std::to_string(port) +
            "\nListen 127.0.0.1:" + std::to_string(tls_port) + "\nProxyRequests On\nAllowCONNECT " +
            std::to_string(secure_.port()) + " " + std::to_string(http2_.tls_port) +
            "\nThreadsPerChild 25\nMaxRequestWorkers 200\nServerLimit 8\nStartServers 8\n" +
            "<VirtualHost 127.0.0.1:" + std::to_string(tls_port) +
            ">\nSSLEngine on\nSSLCertificateFile " + files.chain.string() +
            "\nSSLCertificateKeyFile " + files.key.string() +
            "\nProxyRequests On\n</VirtualHost>\n";
    if (::getuid() == 0) text += "User nobody\nGroup nogroup\n";
    const auto file = directory_.write("apache.conf", text);
    const running_proxy running({"apache2", "-X", "-f", file.string()}, port);
    const proxy good{proxy_kind::http, "127.0.0.1", port};
    const proxy secure{proxy_kind::https, "127.0.0.1", tls_port, {}, {}, trusted()};
    for (const proxy& one : {good, secure}) {
        expect_served(one, plain_.url("/bytes/1000"));
        expect_served(one, secure_.url("/bytes/1000"));
        expect_http2(one, http2_);
        EXPECT_EQ(result_of(one, "https://127.0.0.1:9/"), errc::proxy_failed);
    }
    EXPECT_EQ(result_of({proxy_kind::https, "127.0.0.1", tls_port}, secure_.url("/bytes/1000")),
              errc::certificate_rejected);
}

TEST_F(ProxyTest, MicrosocksServesBothSchemesWithAndWithoutLogin) {
    for (const bool with_login : {false, true}) {
        const std::uint16_t port = support::free_port();
        std::vector<std::string> command{"microsocks", "-i", "127.0.0.1", "-p",
                                         std::to_string(port)};
        if (with_login) command.insert(command.end(), {"-u", "me", "-P", "secret"});
        const running_proxy running(command, port);
        for (const auto kind : {proxy_kind::socks5, proxy_kind::socks5h}) {
            proxy good{kind, "127.0.0.1", port};
            if (with_login) good = {kind, "127.0.0.1", port, "me", "secret"};
            expect_served(good, plain_.url("/bytes/1000"));
            expect_served(good, secure_.url("/bytes/1000"));
            expect_http2(good, http2_);
        }
        if (with_login) {
            EXPECT_EQ(result_of({proxy_kind::socks5h, "127.0.0.1", port, "me", "wrong"},
                                plain_.url("/bytes/1000")),
                      errc::proxy_failed);
        }
    }
}

}  // namespace
}  // namespace hearth::interop
