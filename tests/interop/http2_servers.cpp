#include "interop/http2_servers.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hearth::interop {
namespace {

void write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file) << text;
}

std::string address(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

}  // namespace

http2_server::http2_server(command_maker command) {
    const auto files = authority().issue().write_files(directory_.path());
    const std::filesystem::path www = directory_.path() / "www";
    std::filesystem::create_directory(www);
    write(www / "hello", "hello");
    write(www / "large", std::string(1'000'000, 'x'));
    const auto words =
        command({tls_port, files.key.string(), files.chain.string(), directory_.path()});
    process_.emplace(words, directory_.path() / "log");
    process_->await_port(tls_port);
}

std::vector<std::string> h2o_command(const http2_server::given& with) {
    const std::string dir = with.directory.string();
    std::string text =
        "listen:\n  host: 127.0.0.1\n  port: " + std::to_string(with.port) +
        "\n  ssl:\n    certificate-file: " + with.chain + "\n    key-file: " + with.key +
        "\nhosts:\n  default:\n    paths:\n      /:\n" + "        file.dir: " + dir +
        "/www\nnum-threads: 1\npid-file: " + dir + "/pid\nerror-log: " + dir + "/error.log\n";
    if (::getuid() == 0) text += "user: root\n";
    write(with.directory / "h2o.conf", text);
    return {"h2o", "-m", "worker", "-c", dir + "/h2o.conf"};
}

std::vector<std::string> nghttpd_command(const http2_server::given& with) {
    return {"nghttpd",
            "--address=127.0.0.1",
            "--htdocs=" + (with.directory / "www").string(),
            std::to_string(with.port),
            with.key,
            with.chain};
}

std::vector<std::string> node_command(const http2_server::given& with) {
    return {"node", std::string(HEARTH_INTEROP_SOURCES) + "/node_server.js",
            std::to_string(with.port), with.key, with.chain};
}

std::vector<std::string> apache_command(const http2_server::given& with) {
    const std::string dir = with.directory.string();
    std::string text;
    for (const char* name : {"mpm_event", "authz_core", "socache_shmcb", "ssl", "mime", "http2"}) {
        text += std::string("LoadModule ") + name + "_module /usr/lib/apache2/modules/mod_" + name +
                ".so\n";
    }
    text += "ServerName localhost\nServerRoot " + dir + "\nDefaultRuntimeDir " + dir +
            "\nPidFile " + dir + "/pid\nErrorLog " + dir + "/error.log\nMutex file:" + dir +
            "\nTypesConfig /dev/null\nProtocols h2 http/1.1\nListen " + address(with.port) +
            "\nStartServers 1\nThreadsPerChild 25\nMaxRequestWorkers 50\nDocumentRoot " + dir +
            "/www\n";
    if (::getuid() == 0) text += "User nobody\nGroup nogroup\n";
    text += "<VirtualHost " + address(with.port) + ">\nSSLEngine on\nSSLCertificateFile " +
            with.chain + "\nSSLCertificateKeyFile " + with.key + "\n</VirtualHost>\n";
    write(with.directory / "apache.conf", text);
    return {"apache2", "-D", "FOREGROUND", "-f", dir + "/apache.conf"};
}

std::vector<std::string> nginx_command(const http2_server::given& with) {
    const std::string dir = with.directory.string();
    std::string text = "daemon off;\nmaster_process off;\npid " + dir + "/pid;\nerror_log " + dir +
                       "/error.log;\nevents {}\nhttp {\naccess_log off;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
        text += std::string(kind) + "_temp_path " + dir + "/" + kind + ";\n";
    }
    text += "keepalive_requests 1000000;\nserver {\nlisten " + address(with.port) +
            " ssl http2;\nssl_certificate " + with.chain + ";\nssl_certificate_key " + with.key +
            ";\nroot " + dir + "/www;\n}\n}\n";
    write(with.directory / "nginx.conf", text);
    return {"nginx", "-e", dir + "/error.log", "-p", dir, "-c", dir + "/nginx.conf"};
}

}  // namespace hearth::interop
