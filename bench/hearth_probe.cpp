// hearth_probe: a set of requests, one after another, through one client. A JSON line for each on
// stdout.
//
//   hearth_probe --ca FILE [--timeout-ms N] [--max-body N] [--follow] [--decode] [--parallel N]
//       [--resolve HOST:PORT:ADDR[,ADDR..]]...
//       --url URL [--method M] [--body S | --body-size N] [--header "Name: value"]... [--ca FILE]
//                 [--insecure] [--client-cert CERT KEY] [--gap-ms N]
//       [--next --url URL ...]...

#include <openssl/evp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <latch>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include "hearth/client.hpp"
#include "json_line.hpp"
#include "process.hpp"

namespace {

using boost::system::error_code;
using std::chrono::milliseconds;

struct wanted_request {
    std::string url;
    std::string method = "GET";
    std::optional<std::string> body;
    std::vector<std::string> headers;
    std::string ca;  // Empty: the one of all requests.
    bool skips_verification = false;
    std::string certificate;
    std::string key;
    milliseconds gap{0};

    [[nodiscard]] bool has_own_trust() const {
        return !ca.empty() || skips_verification || !certificate.empty();
    }
};

struct options {
    std::string ca;
    milliseconds timeout{2000};
    std::optional<std::uint64_t> max_body_bytes;
    std::uint64_t parallel = 1;
    bool decodes = false;
    bool follows = false;
    bool offers_http2 = false;
    std::vector<hearth::name_override> overrides;
    std::vector<wanted_request> requests{1};
};

// HOST:PORT:ADDR[,ADDR..]; an IPv6 host or address may stand in brackets.
hearth::name_override parse_resolve(const std::string& text) {
    const std::size_t host_end = text.starts_with('[') ? text.find("]:") + 1 : text.find(':');
    const std::size_t port_end = text.find(':', host_end + 1);
    if (host_end == 0 || host_end == std::string::npos || port_end == std::string::npos) {
        bench::usage_error("--resolve takes HOST:PORT:ADDR[,ADDR..], not '" + text + "'.");
    }
    hearth::name_override result;
    result.host = text.substr(0, host_end);
    const std::string port = text.substr(host_end + 1, port_end - host_end - 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
    if (error != std::errc{} || end != port.data() + port.size()) {
        bench::usage_error("--resolve has no port in '" + text + "'.");
    }
    std::size_t at = port_end + 1;
    while (at <= text.size()) {
        const std::size_t next = std::min(text.find(',', at), text.size());
        std::string address = text.substr(at, next - at);
        if (address.starts_with('[') && address.ends_with(']')) {
            address = address.substr(1, address.size() - 2);
        }
        result.addresses.push_back(std::move(address));
        at = next + 1;
    }
    return result;
}

// Options of all requests, wherever they stand.
bool take_common_option(std::string_view option, bench::arguments& given, options& result) {
    if (option == "--timeout-ms") {
        result.timeout = milliseconds(given.take_number(1, 86'400'000));
    } else if (option == "--max-body") {
        result.max_body_bytes = given.take_number(0, ~0ULL);
    } else if (option == "--parallel") {
        result.parallel = given.take_number(1, 100'000);
    } else if (option == "--follow") {
        result.follows = true;
    } else if (option == "--decode") {
        result.decodes = true;
    } else if (option == "--resolve") {
        result.overrides.push_back(parse_resolve(given.take_value()));
    } else if (option == "--h2") {
        result.offers_http2 = true;
    } else {
        return false;
    }
    return true;
}

bool take_request_option(std::string_view option, bench::arguments& given, wanted_request& one) {
    if (option == "--url") {
        one.url = given.take_value();
    } else if (option == "--method") {
        one.method = given.take_value();
    } else if (option == "--body") {
        one.body = given.take_value();
    } else if (option == "--body-size") {
        one.body = std::string(given.take_number(0, 1ULL << 32), 'x');
    } else if (option == "--header") {
        one.headers.push_back(given.take_value());
    } else if (option == "--insecure") {
        one.skips_verification = true;
    } else if (option == "--client-cert") {
        one.certificate = given.take_value();
        one.key = given.take_value();
    } else if (option == "--gap-ms") {
        one.gap = milliseconds(given.take_number(0, 86'400'000));
    } else {
        return false;
    }
    return true;
}

options parse(int count, char** values) {
    options result;
    bench::arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--next") {
            result.requests.emplace_back();
        } else if (option == "--ca") {
            (result.ca.empty() ? result.ca : result.requests.back().ca) = given.take_value();
        } else if (!take_common_option(option, given, result) &&
                   !take_request_option(option, given, result.requests.back())) {
            given.refuse();
        }
    }
    for (const wanted_request& one : result.requests) {
        if (one.url.empty()) bench::usage_error("--url is missing.");
    }
    return result;
}

std::string sha256_hex(std::string_view bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1)
        return {};
    std::string hex;
    for (unsigned i = 0; i < size; ++i) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", digest[i]);
        hex += two;
    }
    return hex;
}

// The harness's word for a code.
const char* error_word(error_code error) {
    using hearth::errc;
    using hearth::errc_condition;
    if (error == errc_condition::timeout) return "timeout";
    if (error == errc_condition::tls) return "tls";
    if (error == errc::name_not_found || error == errc::name_failed ||
        error == errc::connect_failed || error == errc::descriptor_limit) {
        return "connect";
    }
    if (error == errc::peer_closed || error == errc::peer_reset || error == errc::peer_truncated) {
        return "truncated";
    }
    if (error == errc::peer_protocol_error || error == errc::informational_limit) return "protocol";
    if (error == errc::body_limit || error == errc::header_limit) return "too_large";
    if (error == errc::too_many_redirects || error == errc::redirect_refused) return "redirects";
    if (error == errc::decode_failed) return "decode";
    if (error == errc_condition::invalid_input) return "refused_input";
    return "other";
}

std::string detail_of(error_code error, const hearth::response& got) {
    return error ? hearth::send_error(error, got.failure).what() : std::string();
}

class probe {
public:
    explicit probe(options given) : given_(std::move(given)), client_(make_config(given_)) {}

    void run() {
        for (const wanted_request& one : given_.requests) {
            std::this_thread::sleep_for(one.gap);
            try {
                send(to_request(one));
            } catch (const boost::system::system_error& error) {  // A certificate or key is bad.
                hearth::response none;
                for (std::uint64_t i = 0; i < given_.parallel; ++i) {
                    print(error.code(), none, error.what());
                }
            }
        }
    }

private:
    struct result {
        error_code error;
        hearth::response response;
    };

    static hearth::config make_config(const options& given) {
        hearth::config config;
        config.io.threads = 1;
        config.protocol = given.offers_http2 ? hearth::protocol_policy::automatic
                                             : hearth::protocol_policy::http1_only;
        config.dns.overrides = given.overrides;
        config.max_body_bytes = ~0ULL;
        config.decode.enabled = given.decodes;
        config.redirect.enabled = given.follows;
        if (!given.ca.empty())
            config.tls.profile = hearth::tls_profile::make({.ca_file = given.ca});
        return config;
    }

    hearth::request to_request(const wanted_request& one) {
        hearth::request request;
        request.url = one.url;
        if (given_.offers_http2 && one.url.starts_with("http://")) {
            request.protocol = hearth::protocol_policy::http2_only;  // prior knowledge
        }
        request.method = hearth::method(one.method);
        if (one.body) request.body = *one.body;
        for (const std::string& header : one.headers) {
            const std::size_t colon = std::min(header.find(':'), header.size());
            std::string_view value =
                std::string_view(header).substr(std::min(colon + 1, header.size()));
            if (value.starts_with(' ')) value.remove_prefix(1);
            request.headers.add(std::string_view(header).substr(0, colon), value);
        }
        request.max_body_bytes = given_.max_body_bytes;
        if (one.has_own_trust()) request.tls = profile_of(one);
        return request;
    }

    // One profile per set of options, so that requests that say the same share connections.
    std::shared_ptr<const hearth::tls_profile> profile_of(const wanted_request& one) {
        auto& profile =
            profiles_[{one.ca, one.skips_verification, one.certificate + '\n' + one.key}];
        if (!profile) {
            profile = hearth::tls_profile::make({
                .ca_file = one.ca.empty() ? given_.ca : one.ca,
                .certificate_file = one.certificate,
                .private_key_file = one.key,
                .danger_skip_verification = one.skips_verification,
            });
        }
        return profile;
    }

    void send(hearth::request request) {
        std::vector<result> results(given_.parallel);
        // Shared with the handlers, so that the last one can leave it in peace.
        const auto left = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(results.size()));
        request.deadline = hearth::in(given_.timeout);
        for (result& slot : results) {
            client_.async_send(request, [&slot, left](error_code error, hearth::response got) {
                slot = {error, std::move(got)};
                left->count_down();
            });
        }
        left->wait();
        for (const result& each : results) {
            print(each.error, each.response, detail_of(each.error, each.response));
        }
    }

    void print(error_code error, const hearth::response& got, std::string_view detail) {
        const hearth::origin_stats total = client_.stats().total();
        bench::json_line line;
        line.number("status", got.status)
            .text("body_sha256", sha256_hex(got.body))
            .number("body_len", got.body.size());
        if (error) {
            line.text("error", error_word(error));
        } else {
            line.null("error");
        }
        line.text("detail", detail)
            .number("connections_used", total.opened - total.failed_dials)
            .print();
    }

    const options given_;
    hearth::client client_;
    std::map<std::tuple<std::string, bool, std::string>, std::shared_ptr<const hearth::tls_profile>>
        profiles_;
};

}  // namespace

int main(int count, char** values) {
    options given = parse(count, values);
    try {
        probe(std::move(given)).run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
