#include "support/dns_server.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <utility>

namespace hearth::support {
namespace {

namespace asio = boost::asio;

constexpr std::size_t header_bytes = 12;  // RFC 1035 4.1.1.
constexpr std::uint16_t type_cname = 5;

// The end of the question's name, type and class; 0 if it is cut off. Fills name and type.
std::size_t parse_question(const unsigned char* data, std::size_t size, std::string& name,
                           std::uint16_t& type) {
    std::size_t at = header_bytes;
    while (at < size && data[at] != 0) {
        const std::size_t label = data[at];
        if (at + 1 + label > size) return 0;
        if (!name.empty()) name += '.';
        name.append(reinterpret_cast<const char*>(data) + at + 1, label);
        at += 1 + label;
    }
    if (at + 5 > size) return 0;
    type = static_cast<std::uint16_t>(data[at + 1] << 8 | data[at + 2]);
    return at + 5;
}

void append_16(std::vector<unsigned char>& out, std::size_t value) {
    out.push_back(static_cast<unsigned char>(value >> 8));
    out.push_back(static_cast<unsigned char>(value));
}

using octets = std::vector<unsigned char>;

// A name without compression (RFC 1035 3.1).
octets encode_name(const std::string& name) {
    octets out;
    std::size_t begin = 0;
    while (begin < name.size()) {
        const std::size_t end = std::min(name.find('.', begin), name.size());
        out.push_back(static_cast<unsigned char>(end - begin));
        out.insert(out.end(), name.begin() + static_cast<long>(begin),
                   name.begin() + static_cast<long>(end));
        begin = end + 1;
    }
    out.push_back(0);
    return out;
}

octets encode_address(const std::string& text) {
    const auto address = asio::ip::make_address(text);
    const auto copy = [](const auto& bytes) { return octets(bytes.begin(), bytes.end()); };
    return address.is_v6() ? copy(address.to_v6().to_bytes()) : copy(address.to_v4().to_bytes());
}

struct record {
    std::string owner;
    std::uint16_t type;
    std::uint32_t ttl;
    octets data;
};

void append_record(octets& out, const record& one) {
    const octets owner = encode_name(one.owner);
    out.insert(out.end(), owner.begin(), owner.end());
    append_16(out, one.type);
    append_16(out, 1);
    append_16(out, one.ttl >> 16);
    append_16(out, one.ttl & 0xffff);
    append_16(out, one.data.size());
    out.insert(out.end(), one.data.begin(), one.data.end());
}

}  // namespace

dns_server::dns_server(asio::io_context& context)
    : socket_(context, {asio::ip::address_v4::loopback(), 0}) {
    receive();
}

dns_server::~dns_server() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

std::string dns_server::address() const {
    return "127.0.0.1:" + std::to_string(socket_.local_endpoint().port());
}

void dns_server::script(const std::string& name, std::uint16_t type, reply what) {
    replies_[{name, type}] = std::move(what);
}

unsigned dns_server::queries(const std::string& name) const {
    const auto found = queries_.find(name);
    return found == queries_.end() ? 0 : found->second;
}

void dns_server::receive() {
    socket_.async_receive_from(asio::buffer(buffer_), peer_,
                               [this](const boost::system::error_code& error, std::size_t size) {
                                   if (error == asio::error::operation_aborted) return;
                                   if (!error) handle(size);
                                   if (on_query_) on_query_();
                                   receive();
                               });
}

void dns_server::handle(std::size_t size) {
    std::string name;
    std::uint16_t type = 0;
    const std::size_t end = parse_question(buffer_.data(), size, name, type);
    if (end == 0) return;
    ++queries_[name];
    const auto found = replies_.find({name, type});
    const reply what = found == replies_.end() ? reply{.code = 3} : found->second;
    if (what.is_silent) return;

    octets out(buffer_.begin(), buffer_.begin() + header_bytes);
    const octets question = encode_name(what.question.empty() ? name : what.question);
    out.insert(out.end(), question.begin(), question.end());
    append_16(out, type);
    append_16(out, 1);
    out[2] = 0x81;                                          // A response, recursion was desired ...
    out[3] = static_cast<unsigned char>(0x80 | what.code);  // ... and is available.
    out[6] = 0;
    out[7] = static_cast<unsigned char>(what.aliases.size() + what.addresses.size());
    for (std::size_t i = 8; i < header_bytes; ++i) out[i] = 0;
    for (const auto& [from, to] : what.aliases) {
        append_record(out, {from, type_cname, what.ttl, encode_name(to)});
    }
    const std::string& owner = what.owner.empty() ? name : what.owner;
    for (const std::string& one : what.addresses) {
        append_record(out, {owner, type, what.ttl, encode_address(one)});
    }
    boost::system::error_code ignored;
    socket_.send_to(asio::buffer(out), peer_, 0, ignored);
}

}  // namespace hearth::support
