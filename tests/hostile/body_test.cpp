// Bodies: chunks two readers could cut differently, ends that are no ends, and truncation at every
// octet on every wire.
#include "hostile/catalogue.hpp"

namespace hearth::hostile {
namespace {

hostile_case bad_chunks(std::string name, std::string rest) {
    return one_answer(std::move(name), chunked(rest), broken(errc::peer_protocol_error));
}

hostile_case bad_size(std::string name, std::string line) {
    return bad_chunks(std::move(name), std::move(line) + "hello\r\n0\r\n\r\n");
}

// RFC 9112 7.1.
std::vector<hostile_case> chunk_lines() {
    return {
        bad_size("Plus", "+5\r\n"),
        bad_size("Minus", "-5\r\n"),
        bad_size("Prefix", "0x5\r\n"),
        bad_size("SpaceBefore", " 5\r\n"),
        bad_size("SpaceBehind", "5 \r\n"),
        bad_size("TabBehind", "5\t\r\n"),
        bad_size("Empty", "\r\n"),
        bad_size("NoHexDigit", "5h\r\n"),
        bad_size("FullWidthDigit", "\xEF\xBC\x95\r\n"),
        bad_size("Comma", "5,5\r\n"),
        bad_size("SeventeenDigits", "00000000000000005\r\n"),
        bad_size("TwoTo64", "10000000000000000\r\n"),
        bad_size("TwoTo64PlusFive", "10000000000000005\r\n"),
        bad_size("BareLf", "5\n"),
        bad_size("BareCr", "5\rx\r\n"),
        bad_size("CrCrLf", "5\r\r\n"),
        bad_size("NulBehind", raw("5\0\r\n")),
        bad_size("EmptyExtension", "5;\r\n"),
        bad_size("ExtensionBareLf", "5;a\n"),
        bad_size("ExtensionLfInQuotes", "5;a=\"\n\"\r\n"),
        bad_size("ExtensionQuoteOpen", "5;a=\"b\r\n"),
        bad_size("ExtensionControl", "5;\x01\r\n"),
        bad_chunks("NoCrlfBehindData", "5\r\nhello0\r\n\r\n"),
        bad_chunks("LfBehindData", "5\r\nhello\n0\r\n\r\n"),
        bad_chunks("DataLongerThanSize", "5\r\nhello!\r\n0\r\n\r\n"),
        bad_chunks("DataShorterThanSize", "6\r\nhello\r\n0\r\n\r\n"),
        bad_chunks("LastChunkWithBareLf", "5\r\nhello\r\n0\n\n"),
    };
}
HEARTH_HOSTILE_CASES(ChunkLine, chunk_lines);

// RFC 9110 6.5.1, RFC 9112 7.1.2.
std::vector<hostile_case> trailers() {
    const auto bad = [](std::string name, std::string text) {
        return bad_chunks(std::move(name), "5\r\nhello\r\n0\r\n" + std::move(text));
    };
    return {
        bad("ContentLength", "Content-Length: 5\r\n\r\n"),
        bad("TransferEncoding", "Transfer-Encoding: chunked\r\n\r\n"),
        bad("Host", "Host: x\r\n\r\n"),
        bad("Folded", "A: b\r\n c\r\n\r\n"),
        bad("BareLf", "A: b\n\r\n"),
        bad("SpaceBeforeColon", "A : b\r\n\r\n"),
        bad("NextStatusLine", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
    };
}
HEARTH_HOSTILE_CASES(Trailer, trailers);

// RFC 9112 6.3, 8; RFC 8446 6.1: what ends early is never given as whole.
std::vector<hostile_case> early_ends() {
    const auto truncated = broken(errc::peer_truncated);
    // A reset may overtake what is still to be sent, so it comes behind one send.
    const auto resetting = [](std::string name, const std::string& octets, outcome expected) {
        hostile_case one =
            closing_answer(std::move(name), octets, close_kind::reset, std::move(expected));
        one.deliveries = deliveries::whole_only;
        return one;
    };
    const auto tls_only = [](hostile_case one) {
        one.wires = wires::tls_only;
        return one;
    };
    const std::string length = head_with("Content-Length: 10\r\n") + "hello";
    const std::string to_close = "HTTP/1.1 200 OK\r\n\r\nhello";
    const std::string half_head = "HTTP/1.1 200 OK\r\nContent-Le";
    return {
        closing_answer("LengthClean", length, close_kind::clean, truncated),
        closing_answer("LengthWithoutCloseNotify", length, close_kind::without_close_notify,
                       truncated),
        resetting("LengthReset", length, truncated),
        closing_answer("InChunk", chunked("6\r\nhello"), close_kind::clean, truncated),
        closing_answer("InChunkLine", chunked("5\r\nhello\r\n1"), close_kind::clean, truncated),
        closing_answer("BeforeLastChunk", chunked("5\r\nhello\r\n"), close_kind::clean, truncated),
        closing_answer("BehindLastChunk", chunked("5\r\nhello\r\n0\r\n"), close_kind::clean,
                       truncated),
        closing_answer("InTrailers", chunked("5\r\nhello\r\n0\r\nA: b\r\n"), close_kind::clean,
                       truncated),
        resetting("CloseDelimitedReset", to_close, truncated),
        tls_only(closing_answer("CloseDelimitedWithoutCloseNotify", to_close,
                                close_kind::without_close_notify, truncated)),
        closing_answer("InHead", half_head, close_kind::clean, refused(errc::peer_closed)),
        closing_answer("NoHead", "", close_kind::clean, refused(errc::peer_closed)),
        closing_answer("BehindHints", "HTTP/1.1 103 Hints\r\n\r\n", close_kind::clean,
                       refused(errc::peer_closed)),
        resetting("ResetInHead", half_head, refused(errc::peer_reset)),
        resetting("ResetBeforeHead", "", refused(errc::peer_reset)),
    };
}
HEARTH_HOSTILE_CASES(EarlyEnd, early_ends);

/// The same answer cut at each of its octets.
void cut_everywhere(const std::string& answer, close_kind how, wires where) {
    const std::size_t head = answer.find("\r\n\r\n") + 4;
    for (std::size_t at = 1; at < answer.size(); ++at) {
        hostile_case one =
            closing_answer("CutAt" + std::to_string(at), answer.substr(0, at), how,
                           at < head ? refused(errc::peer_closed) : broken(errc::peer_truncated));
        one.wires = where;
        one.deliveries = deliveries::whole_only;
        run(one);
    }
}

TEST(HostileBodyTest, NoTruncatedLengthIsWhole) {
    const std::string answer = head_with("Content-Length: 5\r\n") + "hello";
    cut_everywhere(answer, close_kind::clean, wires::both);
    cut_everywhere(answer, close_kind::without_close_notify, wires::tls_only);
}

TEST(HostileBodyTest, NoTruncatedChunksAreWhole) {
    const std::string answer = chunked("5;x=\"y\"\r\nhello\r\n0\r\nA: b\r\n\r\n");
    cut_everywhere(answer, close_kind::clean, wires::both);
    cut_everywhere(answer, close_kind::without_close_notify, wires::tls_only);
}

TEST(HostileBodyTest, NoCloseDelimitedBodyIsWholeWithoutCloseNotify) {
    const std::string answer = "HTTP/1.1 200 OK\r\n\r\nhello";
    const std::size_t head = answer.find("\r\n\r\n") + 4;
    for (std::size_t at = head; at <= answer.size(); ++at) {
        hostile_case one =
            closing_answer("CutAt" + std::to_string(at), answer.substr(0, at),
                           close_kind::without_close_notify, broken(errc::peer_truncated));
        one.wires = wires::tls_only;
        run(one);
    }
}

}  // namespace
}  // namespace hearth::hostile
