#include "interop/name_servers.hpp"

#include <unistd.h>

#include <csignal>

namespace hearth::interop {

unbound_server::unbound_server(const std::vector<std::string>& records,
                               const std::vector<unbound_zone>& zones, std::uint16_t port)
    : port_(port) {
    const std::string dir = directory_.path().string();
    std::string text =
        "server:\n  interface: 127.0.0.1@" + std::to_string(port_) +
        "\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"" + dir +
        "\"\n  pidfile: \"\"\n  use-syslog: no\n  module-config: \"iterator\"\n"
        "  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n"
        "  local-zone: \"test.\" static\n  local-zone: \"fails.test.\" transparent\n";
    for (const unbound_zone& zone : zones) {
        text += "  local-zone: \"" + zone.name + ".\" " + zone.kind + "\n";
    }
    for (const std::string& record : records) text += "  local-data: \"" + record + "\"\n";
    // It may not ask the loopback, so it fails at once.
    text +=
        "forward-zone:\n  name: \"fails.test.\"\n  forward-addr: 127.0.0.1@9\n"
        "remote-control:\n  control-enable: no\n";
    const auto file = directory_.write("unbound.conf", text);
    // A copy: AppArmor lets the installed one read its own directory only.
    const auto program = directory_.path() / "unbound";
    std::filesystem::copy_file("/usr/sbin/unbound", program);
    process_.emplace(std::vector<std::string>{program.string(), "-d", "-c", file.string()},
                     directory_.path() / "log");
    process_->await_port(port_);
}

dnsmasq_server::dnsmasq_server(const std::string& hosts, unsigned ttl,
                               const std::vector<std::string>& aliases) {
    const auto names = directory_.write("hosts", hosts);
    std::vector<std::string> command{"dnsmasq",
                                     "--conf-file=/dev/null",
                                     "--keep-in-foreground",
                                     "--log-facility=-",
                                     "--pid-file",
                                     "--no-resolv",
                                     "--no-hosts",
                                     "--bind-interfaces",
                                     "--listen-address=127.0.0.1",
                                     "--local=/test/",
                                     "--port=" + std::to_string(port_),
                                     "--local-ttl=" + std::to_string(ttl),
                                     "--addn-hosts=" + names.string()};
    for (const std::string& one : aliases) command.push_back("--cname=" + one);
    if (::getuid() == 0) command.insert(command.end(), {"--user=root", "--group=root"});
    process_.emplace(command, directory_.path() / "log");
    process_->await_port(port_);
}

void dnsmasq_server::change(const std::string& hosts) {
    directory_.write("hosts", hosts);
    ::kill(process_->pid(), SIGHUP);
}

}  // namespace hearth::interop
