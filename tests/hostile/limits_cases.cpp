// Floods: what never ends is cut off at the documented limit, and the client has taken no more from
// the network than that limit and what socket and receive buffers hold.
#include "hostile/catalogue.hpp"
#include "support/encoded.hpp"

namespace hearth::hostile {
namespace {

constexpr std::size_t mebi = std::size_t{1} << 20U;

// What the client may have read beyond the limit when it has noticed: two receive buffers (256 KiB
// each), a TLS handshake, and the polite answer afterwards.
constexpr std::uint64_t slack = 640 * 1024;

hostile_case flood(std::string name, std::string octets, outcome expected,
                   std::uint64_t limit = 64 * 1024) {
    hostile_case one = one_answer(std::move(name), std::move(octets), std::move(expected));
    one.max_received_bytes = limit + slack;
    return one;
}

std::vector<hostile_case> heads() {
    const auto too_large = refused(errc::header_limit);
    const auto too_many = refused(errc::informational_limit);
    const std::string hint = "HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n";
    return {
        flood("EndlessReason", "HTTP/1.1 200 " + std::string(16 * mebi, 'x'), too_large),
        flood("EndlessFieldName", "HTTP/1.1 200 OK\r\n" + std::string(16 * mebi, 'x'), too_large),
        flood("EndlessFieldValue", "HTTP/1.1 200 OK\r\nA: " + std::string(16 * mebi, 'x'),
              too_large),
        flood("EndlessFields", "HTTP/1.1 200 OK\r\n" + repeated("A: b\r\n", 2 * mebi), too_large),
        flood("EndlessEmptyFields", "HTTP/1.1 200 OK\r\n" + repeated("A:\r\n", 2 * mebi),
              too_large),
        flood("FieldsBeyondCount", head_with(repeated("A: b\r\n", 256) + "Content-Length: 0\r\n"),
              too_large),
        flood("EndlessCookies", "HTTP/1.1 200 OK\r\n" + repeated("Set-Cookie: a=b\r\n", mebi),
              too_large),
        flood("InformationalBeyondCount", repeated(hint, 17) + sized("hello"), too_many),
        flood("EndlessInformational", repeated(hint, mebi / 2), too_many),
        flood("EndlessContinue", repeated("HTTP/1.1 100 Continue\r\n\r\n", mebi / 2), too_many),
        flood("InformationalOfEndlessFields",
              "HTTP/1.1 103 Hints\r\n" + repeated("A: b\r\n", 2 * mebi), too_large),
        one_answer("InformationalUpToCount", repeated(hint, 16) + sized("hello"),
                   answered(200, "hello"), afterwards::same_connection),
        one_answer("InformationalWithLength",
                   "HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\nhello" + sized("evil"),
                   refused(errc::peer_protocol_error)),
        one_answer("InformationalWithCoding",
                   "HTTP/1.1 100 Go\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + sized("evil"),
                   refused(errc::peer_protocol_error)),
        one_answer("SwitchNobodyAskedFor",
                   "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + sized("evil"),
                   refused(errc::peer_protocol_error)),
    };
}
HEARTH_HOSTILE_CASES(Head, heads);

void small_bodies(config& values) { values.max_body_bytes = mebi; }

std::vector<hostile_case> bodies() {
    const auto too_large = broken(errc::body_limit);
    const auto small = [](hostile_case one) {
        one.adjust = small_bodies;
        return one;
    };
    const std::string piece = "10000\r\n" + std::string(65536, 'x') + "\r\n";
    return {
        small(flood("LengthBeyondLimit", head_with("Content-Length: 1048577\r\n"), too_large)),
        small(flood("LengthOfNearly2To64", head_with("Content-Length: 18446744073709551615\r\n"),
                    too_large)),
        small(flood("EndlessChunks", chunked(repeated(piece, 256)), too_large, mebi)),
        small(flood("ChunkOfNearly2To64",
                    chunked("ffffffffffffffff\r\n" + std::string(2 * mebi, 'x')), too_large, mebi)),
        small(flood("EndlessToClose", "HTTP/1.1 200 OK\r\n\r\n" + std::string(16 * mebi, 'x'),
                    too_large, mebi)),
        flood("EndlessChunkLine", chunked("5;a=" + std::string(16 * mebi, 'b')),
              broken(errc::peer_protocol_error)),
        flood("EndlessZerosOfChunkSize", chunked(std::string(16 * mebi, '0')),
              broken(errc::peer_protocol_error)),
        flood("EndlessTrailerField", chunked("0\r\nA: " + std::string(64 * mebi, 'x')),
              broken(errc::header_limit)),
        flood("EndlessTrailers", chunked("0\r\n" + repeated("A: b\r\n", 2 * mebi)),
              broken(errc::header_limit)),
        flood("TrailersBeyondCount", chunked("0\r\n" + repeated("A: b\r\n", 257) + "\r\n"),
              broken(errc::header_limit)),
    };
}
HEARTH_HOSTILE_CASES(Body, bodies);

void decoding(config& values) {
    values.decode.enabled = true;
    values.max_body_bytes = mebi;
}

hostile_case coded(std::string name, std::string_view coding, std::string body, outcome expected,
                   afterwards next = afterwards::other_connection) {
    hostile_case one =
        one_answer(std::move(name),
                   head_with("Content-Encoding: " + std::string(coding) +
                             "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n") +
                       body,
                   std::move(expected), next);
    one.max_received_bytes = body.size() + slack;
    one.adjust = decoding;
    return one;
}

// The whole coded body may have arrived when it turns out to be bad: then the connection is fine
// and may be used again.
std::vector<hostile_case> codings() {
    using namespace support;
    const std::string zeros(64 * mebi, '\0');
    const auto same = afterwards::same_connection;
    const auto either = afterwards::either;
    const auto failed = broken(errc::decode_failed);
    const auto too_large = broken(errc::body_limit);
    const std::string good = gzip_encoded("hello");
    const std::string nested = gzip_encoded(gzip_encoded(gzip_encoded("hello")));
    return {
        coded("GzipBomb", "gzip", gzip_bomb(64 * mebi), too_large, either),
        coded("BrotliBomb", "br", brotli_encoded(zeros), too_large, either),
        coded("ZstdBomb", "zstd", zstd_encoded(zeros), too_large, either),
        coded("DeflateBomb", "deflate", deflate_encoded(zeros), too_large, either),
        coded("BombInBomb", "gzip, gzip", gzip_encoded(gzip_bomb(64 * mebi)), too_large, either),
        coded("ThreeCodings", "gzip, gzip, gzip", nested, failed, either),
        coded("NoGzip", "gzip", "this is not gzip", failed, either),
        coded("GzipCut", "gzip", good.substr(0, good.size() - 1), failed, either),
        coded("GzipOfNothing", "gzip", "", answered(200, ""), same),
        coded(
            "GzipWrongSum", "gzip",
            [&] {
                std::string bad = good;
                bad[bad.size() - 6] = static_cast<char>(bad[bad.size() - 6] ^ 1);
                return bad;
            }(),
            failed, either),
        coded("GarbageBehindGzip", "gzip", good + "garbage", failed, either),
        coded("NoBrotli", "br", std::string(64, '\xff'), failed, either),
        coded("NoZstd", "zstd", "this is not zstd", failed, either),
        coded("Sound", "gzip", good, answered(200, "hello"), same),
        coded("UnknownCoding", "x-secret", good, answered(200, good), same),
    };
}
HEARTH_HOSTILE_CASES(ContentCoding, codings);

}  // namespace
}  // namespace hearth::hostile
