// The paths every origin answers by itself.
#include "testing/builtin_paths.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "hearth/testing/origin.hpp"
#include "testing/openssl_handles.hpp"

HEARTH_BEGIN_NAMESPACE
namespace testing {
namespace internal {
namespace {

using exchange_ptr = std::shared_ptr<exchange>;

// Octets a streamed body is made in: a few TLS records.
constexpr std::size_t piece_bytes = std::size_t{64} << 10U;
// How much longer than the cut an answer claims to be that is cut.
constexpr std::uint64_t missing_bytes = 1024;
constexpr std::uint64_t pattern_period = 251;
// The longest wait a path may ask for, about 11 days, and the largest body, 1 PiB: far from
// overflow.
constexpr std::uint64_t max_wait_ms = 1'000'000'000;
constexpr std::uint64_t max_size_bytes = std::uint64_t{1} << 50U;

// What follows the first segment of a path: "" or up to two numbers.
struct arguments {
    std::array<std::uint64_t, 2> numbers{};
    std::size_t count = 0;
};

bool parse_arguments(std::string_view text, arguments& parsed) {
    while (!text.empty()) {
        if (parsed.count == parsed.numbers.size()) return false;
        const std::size_t end = std::min(text.find('/'), text.size());
        const char* last = text.data() + end;
        const auto [stop, error] = std::from_chars(text.data(), last, parsed.numbers[parsed.count]);
        if (error != std::errc{} || stop != last) return false;
        ++parsed.count;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return true;
}

body_source pattern_source(std::uint64_t size) {
    return [at = std::uint64_t{0}, size]() mutable {
        const auto piece =
            static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, size - at));
        std::string octets = pattern_octets(at, piece);
        at += piece;
        return octets;
    };
}

void stream(const exchange_ptr& owner, reply head, body_source source) {
    owner->add(begin_step{std::move(head)});
    owner->add(source_step{std::move(source), {}});
    owner->add(finish_step{});
    owner->run();
}

void serve_delay(const exchange_ptr& owner, const arguments& given) {
    if (given.numbers[0] != 0) owner->add(wait_step{std::chrono::milliseconds(given.numbers[0])});
    owner->answer({.body = "ok\n"});
}

void serve_bytes(const exchange_ptr& owner, const arguments& given) {
    reply head;
    head.headers.push_back({"content-type", "application/octet-stream"});
    head.content_length = given.numbers[0];
    stream(owner, std::move(head), pattern_source(given.numbers[0]));
}

void serve_chunked(const exchange_ptr& owner, const arguments& given) {
    stream(owner, {.chunked = true}, pattern_source(given.numbers[0]));
}

void serve_drip(const exchange_ptr& owner, const arguments& given) {
    owner->add(begin_step{{.content_length = given.numbers[0]}});
    body_source octets = [at = std::uint64_t{0}, size = given.numbers[0]]() mutable {
        return at < size ? pattern_octets(at++, 1) : std::string();
    };
    owner->add(source_step{std::move(octets), std::chrono::milliseconds(given.numbers[1])});
    owner->add(finish_step{});
    owner->run();
}

void serve_status(const exchange_ptr& owner, const arguments& given) {
    const auto status = static_cast<int>(given.numbers[0]);
    if (status == 101) return owner->answer({.status = 400, .body = "See /upgrade.\n"});
    if (status < 200) {
        owner->add(interim_step{status, {{"link", "</style.css>; rel=preload"}}});
        return owner->answer({.body = "ok\n"});
    }
    owner->answer({.status = status, .body = "status " + std::to_string(status) + "\n"});
}

void serve_echo(const exchange_ptr& owner, std::size_t max_body_bytes) {
    owner->collect_body(max_body_bytes, [request = &owner->request(), raw = owner.get()] {
        std::string text(request->method);
        text += ' ';
        text += request->target;
        text += " HTTP/";
        text += request->version_major == 2   ? "2\n"
                : request->version_minor == 0 ? "1.0\n"
                                              : "1.1\n";
        for (const header_view& field : request->headers) {
            text.append(field.name).append(": ").append(field.value).append("\n");
        }
        text += '\n';
        text += request->body;
        for (const header_field& field : request->trailers) {
            text.append("\n").append(field.name).append(": ").append(field.value);
        }
        raw->answer({.headers = {{"content-type", "text/plain"}}, .body = std::move(text)});
    });
}

// The length and digest of a body that is read and not kept.
struct body_digest {
    digest_ptr context{EVP_MD_CTX_new()};
    std::uint64_t size = 0;

    body_digest() { EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr); }
    void add(std::string_view piece) {
        EVP_DigestUpdate(context.get(), piece.data(), piece.size());
        size += piece.size();
    }
    std::string text() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
        unsigned int count = 0;
        EVP_DigestFinal_ex(context.get(), octets.data(), &count);
        std::string line = std::to_string(size) + " ";
        for (unsigned int i = 0; i < count; ++i) {
            line += "0123456789abcdef"[octets[i] >> 4U];
            line += "0123456789abcdef"[octets[i] & 15U];
        }
        return line + "\n";
    }
};

void serve_upload(const exchange_ptr& owner) {
    const auto digest = std::make_shared<body_digest>();
    owner->read_body([digest](std::string_view piece) { digest->add(piece); },
                     [digest, raw = owner.get()] { raw->answer({.body = digest->text()}); });
}

void serve_continue(const exchange_ptr& owner, const arguments& given) {
    if (!owner->head().expects_continue) {
        return owner->answer({.status = 417, .body = "This path needs expect: 100-continue.\n"});
    }
    owner->delay_invitation();
    serve_upload(owner);
    owner->after(std::chrono::milliseconds(given.numbers[0]),
                 [raw = owner.get()] { raw->invite_body(); });
}

void serve_trailers(const exchange_ptr& owner) {
    owner->answer({.headers = {{"trailer", "x-checksum, x-end"}},
                   .body = "body before trailers\n",
                   .trailers = {{"x-checksum", "1234"}, {"x-end", "true"}}});
}

void serve_cut(const exchange_ptr& owner, const arguments& given, close_kind kind) {
    const std::uint64_t size = given.numbers[0] + missing_bytes;
    owner->add(cut_step{given.numbers[0], kind});
    stream(owner, {.content_length = size}, pattern_source(size));
}

void serve_upgrade(const exchange_ptr& owner) {
    if (!owner->request().protocol.empty()) {
        owner->add(begin_step{{.chunked = true}});
        owner->add(tunnel_step{});
        return owner->run();
    }
    const auto wanted = owner->request().header("upgrade");
    if (!wanted) {
        return owner->answer(
            {.status = 426, .headers = {{"upgrade", "echo"}}, .body = "upgrade\n"});
    }
    owner->add(interim_step{101, {{"connection", "upgrade"}, {"upgrade", std::string(*wanted)}}});
    owner->add(tunnel_step{});
    owner->run();
}

void serve_reset(const exchange_ptr& owner, const arguments& given) {
    owner->add(reset_step{static_cast<std::uint32_t>(given.numbers[0])});
    owner->run();
}

void serve_garbage(const exchange_ptr& owner) {
    owner->add(raw_step{"\x16\x03 this is not HTTP \x01\x02\r\n\r\n"});
    owner->add(close_step{close_kind::clean});
    owner->run();
}

void serve_redirect(const exchange_ptr& owner, const arguments& given) {
    if (given.numbers[0] == 0) return owner->answer({.body = "arrived\n"});
    const std::string location = "/redirect/" + std::to_string(given.numbers[0] - 1);
    owner->answer({.status = 302, .headers = {{"location", location}}, .body = "go on\n"});
}

enum class path_kind : std::uint8_t {
    delay,
    bytes,
    chunked,
    drip,
    status,
    echo,
    upload,
    continued,
    trailers,
    stall,
    close_at,
    truncate_at,
    reset_at,
    no_keepalive,
    upgrade,
    reset,
    garbage,
    redirect,
};

// How many numbers each path takes, and how large the first may be.
struct path_rule {
    std::string_view name;
    path_kind kind;
    std::size_t min_count;
    std::size_t max_count;
    std::uint64_t min_number;
    std::uint64_t max_number;
};

constexpr std::array path_rules = {
    path_rule{"d", path_kind::delay, 1, 1, 0, max_wait_ms},
    path_rule{"bytes", path_kind::bytes, 1, 1, 0, max_size_bytes},
    path_rule{"chunked", path_kind::chunked, 1, 1, 0, max_size_bytes},
    path_rule{"drip", path_kind::drip, 2, 2, 0, max_size_bytes},
    path_rule{"status", path_kind::status, 1, 1, 100, 999},
    path_rule{"echo", path_kind::echo, 0, 0, 0, 0},
    path_rule{"upload", path_kind::upload, 0, 0, 0, 0},
    path_rule{"continue", path_kind::continued, 0, 1, 0, max_wait_ms},
    path_rule{"trailers", path_kind::trailers, 0, 0, 0, 0},
    path_rule{"stall", path_kind::stall, 0, 0, 0, 0},
    path_rule{"close-at", path_kind::close_at, 1, 1, 0, max_size_bytes},
    path_rule{"truncate-at", path_kind::truncate_at, 1, 1, 0, max_size_bytes},
    path_rule{"reset-at", path_kind::reset_at, 1, 1, 0, max_size_bytes},
    path_rule{"no-keepalive", path_kind::no_keepalive, 0, 0, 0, 0},
    path_rule{"upgrade", path_kind::upgrade, 0, 0, 0, 0},
    path_rule{"rst", path_kind::reset, 1, 1, 0, 0xffffffff},
    path_rule{"garbage", path_kind::garbage, 0, 0, 0, 0},
    path_rule{"redirect", path_kind::redirect, 1, 1, 0, 1'000'000},
};

void serve_path(const exchange_ptr& owner, path_kind kind, const arguments& given,
                std::size_t max_body_bytes) {
    switch (kind) {
        case path_kind::delay: return serve_delay(owner, given);
        case path_kind::bytes: return serve_bytes(owner, given);
        case path_kind::chunked: return serve_chunked(owner, given);
        case path_kind::drip: return serve_drip(owner, given);
        case path_kind::status: return serve_status(owner, given);
        case path_kind::echo: return serve_echo(owner, max_body_bytes);
        case path_kind::upload: return serve_upload(owner);
        case path_kind::continued: return serve_continue(owner, given);
        case path_kind::trailers: return serve_trailers(owner);
        case path_kind::stall: return owner->never_answer();
        case path_kind::close_at: return serve_cut(owner, given, close_kind::clean);
        case path_kind::truncate_at:
            return serve_cut(owner, given, close_kind::without_close_notify);
        case path_kind::reset_at: return serve_cut(owner, given, close_kind::reset);
        case path_kind::no_keepalive: return owner->answer({.body = "bye\n", .close = true});
        case path_kind::upgrade: return serve_upgrade(owner);
        case path_kind::reset: return serve_reset(owner, given);
        case path_kind::garbage: return serve_garbage(owner);
        case path_kind::redirect: return serve_redirect(owner, given);
    }
}

}  // namespace

void serve_builtin_path(const std::shared_ptr<exchange>& owner, std::size_t max_body_bytes) {
    const std::string_view path = owner->request().path;
    const std::string_view rest = path.substr(std::min<std::size_t>(1, path.size()));
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view name = rest.substr(0, slash);
    const auto* const rule = std::ranges::find(path_rules, name, &path_rule::name);
    if (rule == path_rules.end()) return owner->answer({.status = 404, .body = "no such path\n"});
    arguments given;
    const bool is_legal = parse_arguments(rest.substr(std::min(slash + 1, rest.size())), given) &&
                          given.count >= rule->min_count && given.count <= rule->max_count &&
                          given.numbers[0] >= rule->min_number &&
                          given.numbers[0] <= rule->max_number && given.numbers[1] <= max_wait_ms;
    if (!is_legal) {
        return owner->answer({.status = 400, .body = "bad number in the path\n"});
    }
    serve_path(owner, rule->kind, given, max_body_bytes);
}

}  // namespace internal

std::string pattern_octets(std::uint64_t offset, std::size_t size) {
    static const std::string table = [] {
        std::string octets(internal::piece_bytes + internal::pattern_period, '\0');
        for (std::size_t i = 0; i < octets.size(); ++i) {
            octets[i] = static_cast<char>(i % internal::pattern_period);
        }
        return octets;
    }();
    std::string octets;
    octets.reserve(size);
    while (octets.size() < size) {
        const auto from =
            static_cast<std::size_t>((offset + octets.size()) % internal::pattern_period);
        octets.append(table, from, std::min(internal::piece_bytes, size - octets.size()));
    }
    return octets;
}

}  // namespace testing
HEARTH_END_NAMESPACE
