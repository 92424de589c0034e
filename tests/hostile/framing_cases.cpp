// Heads and their framing: everything two readers could understand differently is refused, before
// the caller sees any of it, and costs the connection.
#include "hostile/catalogue.hpp"

namespace hearth::hostile {
namespace {

hostile_case bad_head(std::string name, std::string octets) {
    return one_answer(std::move(name), std::move(octets), refused(errc::peer_protocol_error));
}

hostile_case bad_fields(std::string name, std::string_view fields) {
    return bad_head(std::move(name), head_with(fields) + "hello");
}

hostile_case bad_length(std::string name, std::string value) {
    return bad_fields(std::move(name), "Content-Length: " + std::move(value) + "\r\n");
}

// RFC 9112 6.3, RFC 9110 8.6. The values are those in which parsers have differed: strtol's signs,
// prefixes and wrap-around, lists, and repetitions.
std::vector<hostile_case> lengths() {
    return {
        bad_length("Plus", "+5"),
        bad_length("Minus", "-5"),
        bad_length("MinusZero", "-0"),
        bad_length("Hexadecimal", "0x5"),
        bad_length("TwoTo64", "18446744073709551616"),
        bad_length("TwoTo64PlusFive", "18446744073709551621"),
        bad_length("TwoTo65PlusFive", "36893488147419103237"),
        bad_length("ThirtyTwoDigits", "99999999999999999999999999999999"),
        bad_length("Empty", ""),
        bad_length("SpaceWithin", "5 5"),
        bad_length("TabWithin", "5\t5"),
        bad_length("List", "5, 5"),
        bad_length("ListOfDifferent", "5, 10"),
        bad_length("CommaBehind", "5,"),
        bad_length("Decimal", "5.0"),
        bad_length("Exponent", "5e0"),
        bad_length("Underscore", "1_0"),
        bad_length("Quoted", "\"5\""),
        bad_length("Word", "five"),
        bad_length("Superscript", "\xC2\xB2"),
        bad_length("NulBehind", raw("5\0")),
        bad_fields("TwiceDifferent", "Content-Length: 10\r\nContent-Length: 5\r\n"),
        bad_fields("TwiceReversed", "Content-Length: 5\r\nContent-Length: 10\r\n"),
        bad_fields("TwiceEqual", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        bad_fields("TwiceWithZero", "Content-Length: 0\r\nX: y\r\ncontent-length: 5\r\n"),
        bad_fields("SpaceBeforeColon", "Content-Length : 5\r\n"),
        bad_fields("Folded", "Content-Length:\r\n 5\r\n"),
        bad_fields("BesideChunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        bad_fields("BehindChunked", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    };
}
HEARTH_HOSTILE_CASES(Length, lengths);

hostile_case bad_coding(std::string name, std::string value) {
    return bad_head(std::move(name), head_with("Transfer-Encoding: " + std::move(value) + "\r\n") +
                                         "5\r\nhello\r\n0\r\n\r\n");
}

// RFC 9112 6.1, 7: we never send TE, so nothing but exactly "chunked" can be meant.
std::vector<hostile_case> codings() {
    return {
        bad_coding("Empty", ""),
        bad_coding("Identity", "identity"),
        bad_coding("Gzip", "gzip"),
        bad_coding("GzipThenChunked", "gzip, chunked"),
        bad_coding("ChunkedThenGzip", "chunked, gzip"),
        bad_coding("ChunkedTwice", "chunked, chunked"),
        bad_coding("CommaBehind", "chunked,"),
        bad_coding("CommaBefore", ", chunked"),
        bad_coding("Parameter", "chunked;q=1"),
        bad_coding("Quoted", "\"chunked\""),
        bad_coding("UnknownThatEndsInChunked", "xchunked"),
        bad_coding("VerticalTab",
                   "\x0b"
                   "chunked"),
        bad_head("TwoFields", head_with("Transfer-Encoding: chunked\r\n"
                                        "Transfer-Encoding: chunked\r\n") +
                                  "0\r\n\r\n"),
        bad_head("SecondFieldIdentity", head_with("Transfer-Encoding: chunked\r\n"
                                                  "Transfer-Encoding: identity\r\n") +
                                            "0\r\n\r\n"),
        bad_head("SpaceBeforeColon", head_with("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n"),
        bad_head("Folded", head_with("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n"),
        bad_head("InHttp10",
                 "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    };
}
HEARTH_HOSTILE_CASES(Coding, codings);

// RFC 9112 2.2, 4.
std::vector<hostile_case> status_lines() {
    const std::string rest = "Content-Length: 0\r\n\r\n";
    const auto line = [&](std::string name, std::string text) {
        return bad_head(std::move(name), std::move(text) + rest);
    };
    return {
        line("NoVersion", "200 OK\r\n"),
        line("Http09Body", "<html>hello</html>\r\n\r\n"),
        line("LowerCase", "http/1.1 200 OK\r\n"),
        line("Http2", "HTTP/2 200 OK\r\n"),
        line("Http20", "HTTP/2.0 200 OK\r\n"),
        line("Http12Digits", "HTTP/1.10 200 OK\r\n"),
        line("TwoSpaces", "HTTP/1.1  200 OK\r\n"),
        line("Tab", "HTTP/1.1\t200 OK\r\n"),
        line("TwoDigits", "HTTP/1.1 20 OK\r\n"),
        line("FourDigits", "HTTP/1.1 2000 OK\r\n"),
        line("Sign", "HTTP/1.1 +20 OK\r\n"),
        line("Status000", "HTTP/1.1 000 OK\r\n"),
        line("Status600", "HTTP/1.1 600 OK\r\n"),
        line("NoSpaceBehindCode", "HTTP/1.1 200OK\r\n"),
        line("BareLf", "HTTP/1.1 200 OK\n"),
        line("BareCr", "HTTP/1.1 200 O\rK\r\n"),
        line("NulInReason", raw("HTTP/1.1 200 O\0K\r\n")),
        line("EscapeInReason", "HTTP/1.1 200 \x1b[2J\r\n"),
        line("EmptyLineBefore", "\r\nHTTP/1.1 200 OK\r\n"),
        line("SpaceBefore", " HTTP/1.1 200 OK\r\n"),
        line("ByteOrderMark", "\xEF\xBB\xBFHTTP/1.1 200 OK\r\n"),
        line("Shoutcast", "ICY 200 OK\r\n"),
        line("Rtsp", "RTSP/1.0 200 OK\r\n"),
        line("Ssh", "SSH-2.0-OpenSSH_9.2\r\n"),
        line("Smtp", "220 mail.example.com ESMTP\r\n"),
        line("TlsAlert", raw("\x15\x03\x03\x00\x02\x02\x28")),
        line("Http2Settings", raw("\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80")),
    };
}
HEARTH_HOSTILE_CASES(StatusLine, status_lines);

// RFC 9112 5: what makes one field of another reader's two, or hides one.
std::vector<hostile_case> fields() {
    const auto with = [](std::string name, std::string_view text) {
        return bad_fields(std::move(name), std::string(text) + "Content-Length: 5\r\n");
    };
    return {
        with("FoldedBySpace", "A: b\r\n c\r\n"),
        with("FoldedByTab", "A: b\r\n\tc\r\n"),
        with("FirstLineFolded", " A: b\r\n"),
        with("SpaceBeforeColon", "A : b\r\n"),
        with("NoName", ": b\r\n"),
        with("NoColon", "no colon here\r\n"),
        with("SpaceInName", "A b: c\r\n"),
        with("ParenthesisInName", "A(b): c\r\n"),
        with("NulInName", raw("A\0b: c\r\n")),
        with("NonAsciiName", "\xC3\x84: b\r\n"),
        with("NulInValue", raw("A: b\0c\r\n")),
        with("ControlInValue", "A: b\x01\r\n"),
        with("DelInValue", "A: b\x7f\r\n"),
        with("BareLfSplits", "A: b\nTransfer-Encoding: chunked\r\n"),
        with("BareCrSplits", "A: b\rTransfer-Encoding: chunked\r\n"),
        with("CrCrLf", "A: b\r\r\n"),
        with("LfBefore", "\nA: b\r\n"),
        with("ConnectionNoToken", "Connection: a b\r\n"),
        bad_head("HeadEndsWithLfs", "HTTP/1.1 200 OK\r\nContent-Length: 5\n\nhello"),
    };
}
HEARTH_HOSTILE_CASES(Field, fields);

// Sound answers that look odd must be taken: strictness is no excuse.
std::vector<hostile_case> sound() {
    const auto same = afterwards::same_connection;
    const auto takes = [](std::string name, std::string octets, std::string body, afterwards next) {
        return one_answer(std::move(name), std::move(octets), answered(200, std::move(body)), next);
    };
    return {
        takes("NoReason", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", "hello", same),
        takes("NoSpaceBehindStatus", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello",
              same),
        takes("ObsText", head_with("A: \xE4\xF6\r\nContent-Length: 5\r\n") + "hello", "hello",
              same),
        takes("EmptyValue", head_with("A:\r\nContent-Length:5\r\n") + "hello", "hello", same),
        takes("SpacesAroundValue", head_with("Content-Length: \t 5 \t\r\n") + "hello", "hello",
              same),
        takes("LeadingZeros", head_with("Content-Length: 0005\r\n") + "hello", "hello", same),
        takes("ChunkedUpperCase",
              head_with("transfer-encoding: CHUNKED\r\n") + "5\r\nhello\r\n0\r\n\r\n", "hello",
              same),
        takes("ChunkExtensions", chunked("5;a=b;c=\"d;\\\"e\";f\r\nhello\r\n000;x\r\n\r\n"),
              "hello", same),
        takes("ChunkSizeZeros", chunked("0000000005\r\nhello\r\n0000\r\n\r\n"), "hello", same),
        takes("Trailers", chunked("5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), "hello", same),
        takes("Http10WithLength", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello",
              afterwards::other_connection),
        takes("Http10KeepAlive",
              "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
              "hello", same),
        takes("CloseAmongTokens",
              head_with("Connection: foo, CLOSE\r\nContent-Length: 5\r\n") + "hello", "hello",
              afterwards::other_connection),
        takes("HintsBefore", "HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" + sized("hello"), "hello",
              same),
        takes("ManyFields",
              head_with(repeated("X: y\r\n", 255) + "Content-Length: 5\r\n") + "hello", "hello",
              same),
        one_answer("UnknownStatus", "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nhi",
                   answered(299, "hi"), same),
        one_answer("Status599", "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", answered(599, ""),
                   same),
        closing_answer("CloseDelimited", "HTTP/1.1 200 OK\r\n\r\nhello", close_kind::clean,
                       answered(200, "hello")),
    };
}
HEARTH_HOSTILE_CASES(Sound, sound);

}  // namespace
}  // namespace hearth::hostile
