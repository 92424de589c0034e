#include "interop/servers.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace hearth::interop {

using support::scratch_directory;
using support::server_process;

namespace {

testing::certificate_files issue(const scratch_directory& directory, testing::key_type key) {
    return authority().issue({.key = key}).write_files(directory.path());
}

// The program on Go's net/http, built once per run. It has no dependencies, so no network is
// needed.
std::string go_program() {
    static const scratch_directory directory;
    static const std::string program = [] {
        const std::string result = (directory.path() / "go_server").string();
        const std::string source = std::string(HEARTH_INTEROP_SOURCES) + "/go_server/main.go";
        ::setenv("GO111MODULE", "off", 1);
        ::setenv("GOFLAGS", "", 1);
        ::setenv("GOTOOLCHAIN", "local", 1);
        if (std::getenv("HOME") == nullptr) {
            ::setenv("GOCACHE", (directory.path() / "cache").c_str(), 1);
        }
        support::run_program({"go", "build", "-o", result, source}, directory.path() / "log");
        return result;
    }();
    return program;
}

std::string listen_on(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

std::string nginx_config(const nginx_server& server, const nginx_options& options,
                         const testing::certificate_files& files) {
    const std::string dir = server.www().string();
    const bool tls_1_2 = options.version == tls_version::tls_1_2;
    std::string text =
        "daemon off;\nmaster_process off;\nworker_rlimit_nofile 4096;\n"
        "pid " +
        dir + "/nginx.pid;\nerror_log " + dir +
        "/error.log;\n"
        "events { worker_connections 2048; }\nhttp {\naccess_log off;\n"
        "default_type text/plain;\nsendfile on;\nclient_max_body_size 0;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
        text += std::string(kind) + "_temp_path " + dir + "/" + kind + ";\n";
    }
    text += "keepalive_timeout " + options.keepalive + ";\nkeepalive_requests " +
            std::to_string(options.keepalive_requests) + ";\nserver {\nlisten " +
            listen_on(server.plain_port) + ";\nlisten " + listen_on(server.tls_port) + " ssl" +
            (options.http2 ? " http2" : "") + ";\n" + "ssl_certificate " + files.chain.string() +
            ";\nssl_certificate_key " + files.key.string() + ";\nssl_protocols " +
            (tls_1_2 ? "TLSv1.2" : "TLSv1.3") + ";\n";
    if (options.client_certificate) {
        text += "ssl_client_certificate " + files.ca.string() + ";\nssl_verify_client on;\n";
    }
    text +=
        "location = /hello { return 200 \"hello from nginx\\n\"; }\n"
        "location = /who { return 200 $ssl_client_s_dn; }\n"
        "location = /status/204 { return 204; }\nlocation = /status/304 { return 304; }\n"
        "location /file/ { alias " +
        dir + "/; }\nlocation /gzip/ { alias " + dir +
        "/; gzip on; gzip_types text/plain; }\nlocation /put/ { alias " + dir +
        "/; dav_methods PUT; client_body_buffer_size 1m; }\nlocation = /loop { return 302 /loop; "
        "}\n"
        "location = /to-tls { return 302 https://" +
        listen_on(server.tls_port) + "/hello; }\n";
    for (const char* status : {"301", "302", "303", "307", "308"}) {
        text += std::string("location = /moved/") + status + " { return " + status + " /hello; }\n";
    }
    if (options.upstream != 0) {
        text += "location /up/ { proxy_pass http://" + listen_on(options.upstream) +
                "/;\nproxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; }\n";
    }
    return text + "}\n}\n";
}

std::string apache_config(const apache_server& server, const apache_options& options,
                          const std::filesystem::path& directory,
                          const testing::certificate_files& files) {
    const std::string dir = directory.string();
    std::string text;
    for (const char* name : {"mpm_event", "authz_core", "socache_shmcb", "ssl", "mime", "alias",
                             "filter", "deflate", "brotli"}) {
        text += std::string("LoadModule ") + name + "_module /usr/lib/apache2/modules/mod_" + name +
                ".so\n";
    }
    text += "ServerName localhost\nServerRoot " + dir + "\nDefaultRuntimeDir " + dir +
            "\nPidFile " + dir + "/pid\nErrorLog " + dir + "/error.log\nMutex file:" + dir +
            "\nTypesConfig /dev/null\nListen " + listen_on(server.plain_port) + "\nListen " +
            listen_on(server.tls_port) + "\nStartServers 1\nMinSpareThreads 1\n" +
            "MaxSpareThreads 100\nThreadsPerChild 25\nMaxRequestWorkers 50\n" +
            "KeepAlive On\nMaxKeepAliveRequests " + std::to_string(options.keepalive_requests) +
            "\nKeepAliveTimeout " + options.keepalive_timeout + "\nDocumentRoot " + dir + "/www\n";
    if (::getuid() == 0) text += "User nobody\nGroup nogroup\n";
    text +=
        "<Location /gzip>\nSetOutputFilter DEFLATE\n</Location>\n"
        "<Location /br>\nSetOutputFilter BROTLI_COMPRESS\n</Location>\n"
        "Redirect permanent /moved /hello\nRedirect temp /gone-away /hello\n";
    return text + "<VirtualHost " + listen_on(server.tls_port) + ">\nSSLEngine on\n" +
           "SSLCertificateFile " + files.chain.string() + "\nSSLCertificateKeyFile " +
           files.key.string() + "\n</VirtualHost>\n";
}

}  // namespace

const testing::certificate_authority& authority() {
    static const testing::certificate_authority one;
    return one;
}

std::shared_ptr<const tls_profile> trusted() {
    static const std::shared_ptr<const tls_profile> one = [] {
        tls_options options;
        options.ca_pem = authority().ca_pem();
        return tls_profile::make(options);
    }();
    return one;
}

config client_config(std::uint32_t threads) {
    config values;
    values.io.threads = threads;
    values.tls.profile = trusted();
    values.protocol = protocol_policy::http1_only;
    return values;
}

std::string served::plain(std::string_view path) const {
    return "http://" + listen_on(plain_port) + std::string(path);
}

std::string served::tls(std::string_view path) const {
    return "https://" + listen_on(tls_port) + std::string(path);
}

nginx_server::nginx_server(const nginx_options& options) {
    const auto files = issue(directory_, options.key);
    directory_.write("nginx.conf", nginx_config(*this, options, files));
    start();
}

void nginx_server::start() {
    const std::string dir = directory_.path().string();
    process_.emplace(std::vector<std::string>{"nginx", "-e", dir + "/error.log", "-p", dir, "-c",
                                              dir + "/nginx.conf"},
                     directory_.path() / "log");
    process_->await_port(plain_port);
    process_->await_port(tls_port);
}

go_server::go_server(const go_options& options) {
    const auto files = issue(directory_, options.key);
    std::vector<std::string> command{go_program(),        "-plain", listen_on(plain_port), "-tls",
                                     listen_on(tls_port), "-cert",  files.chain.string(),  "-key",
                                     files.key.string()};
    if (options.version == tls_version::tls_1_2) command.insert(command.end(), {"-version", "1.2"});
    if (!options.idle.empty()) command.insert(command.end(), {"-idle", options.idle});
    if (options.client_certificate) {
        command.insert(command.end(), {"-client-ca", files.ca.string()});
    }
    process_.emplace(command, directory_.path() / "log");
    process_->await_port(plain_port);
    process_->await_port(tls_port);
}

std::uint64_t go_server::counter(const std::string& name) const {
    config values;
    values.io.threads = 1;
    client asking(values);
    request what;
    what.url = plain("/counters");
    const std::string text = " " + asking.send(std::move(what)).body;
    const std::size_t at = text.find(" " + name + "=");
    if (at == std::string::npos) throw std::runtime_error("no counter " + name + " in " + text);
    return std::stoull(text.substr(at + name.size() + 2));
}

haproxy_server::haproxy_server(std::uint16_t upstream, const std::string& alpn) {
    const testing::certificate issued = authority().issue();
    const auto pem = directory_.write("both.pem", issued.chain_pem + issued.key_pem);
    const auto file = directory_.write(
        "haproxy.cfg",
        "global\n    maxconn 1000\n    nbthread 1\ndefaults\n    mode http\n    timeout connect "
        "5s\n"
        "    timeout client 60s\n    timeout server 60s\n    timeout http-keep-alive 60s\n"
        "frontend front\n    bind " +
            listen_on(plain_port) + "\n    bind " + listen_on(tls_port) + " ssl crt " +
            pem.string() + (alpn.empty() ? "" : " alpn " + alpn) +
            "\n    default_backend back\nbackend back\n"
            "    http-reuse always\n    server one " +
            listen_on(upstream) + "\n");
    process_.emplace(std::vector<std::string>{"haproxy", "-db", "-f", file.string()},
                     directory_.path() / "log");
    process_->await_port(plain_port);
    process_->await_port(tls_port);
}

apache_server::apache_server(const apache_options& options) {
    const auto files = issue(directory_, testing::key_type::ecdsa_p256);
    std::filesystem::create_directory(www());
    std::ofstream(www() / "hello") << "hello from apache\n";
    const auto file =
        directory_.write("apache.conf", apache_config(*this, options, directory_.path(), files));
    process_.emplace(std::vector<std::string>{"apache2", "-D", "FOREGROUND", "-f", file.string()},
                     directory_.path() / "log");
    process_->await_port(plain_port);
    process_->await_port(tls_port);
}

node_server::node_server() {
    process_.emplace(
        std::vector<std::string>{"node",
                                 std::string(HEARTH_INTEROP_SOURCES) + "/node_server/main.js",
                                 std::to_string(plain_port)},
        directory_.path() / "log");
    process_->await_port(plain_port);
}

}  // namespace hearth::interop
