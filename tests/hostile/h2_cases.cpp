// Answers that break RFC 9113: of frames, of streams, of messages. What the engine makes of them is
// in proto/h2_hostile_test; here is what becomes of calls, connections and repeats.
#include "hostile/h2_catalogue.hpp"

namespace hearth::hostile {
namespace {

using s = std::uint32_t;

const outcome bad_behind_head = broken(errc::peer_protocol_error);

std::string begin_block(s stream) {
    return h2::frame(h2::headers_frame, 0, stream, h2::block({{":status", "200"}}));
}

/// A frame of that type and payload, on the stream of the request or on stream 0.
frames_for on_stream(unsigned type, std::string payload, unsigned flags = 0) {
    return [=](s n) { return h2::frame(type, flags, n, payload); };
}
frames_for on_connection(unsigned type, std::string payload, unsigned flags = 0) {
    return [=](s) { return h2::frame(type, flags, 0, payload); };
}
frames_for always(std::string frames) {
    return [frames = std::move(frames)](s) { return frames; };
}

// RFC 9113 4.2, 4.3, 5.1, 6: what is wrong with frames concerns everybody on the connection.
std::vector<h2_case> frames_of_wrong_size() {
    const h2_code size = frame_size_error;
    return {
        breaks_connection("Data", size, on_stream(h2::data_frame, std::string(16'385, 'x'))),
        breaks_connection("Huge", size,
                          [](s n) {
                              return h2::frame_head(0xffffff, h2::data_frame, 0, n) +
                                     std::string(1000, 'x');
                          }),
        breaks_connection("HugeUnknown", size, on_connection(77, std::string(16'385, 'x'))),
        breaks_connection("Settings", size, on_connection(h2::settings_frame, "abcde")),
        breaks_connection("SettingsAck", size,
                          on_connection(h2::settings_frame, "abcdef", h2::ack)),
        breaks_connection("Ping", size, on_connection(h2::ping_frame, "abcdefg")),
        breaks_connection("Goaway", size, on_connection(h2::goaway_frame, "abcdefg")),
        breaks_connection("RstStream", size, on_stream(h2::rst_stream_frame, "abc")),
        breaks_connection("WindowUpdate", size, on_stream(h2::window_update_frame, "abcde")),
        breaks_connection("HttpOneAnswer", size, always(sized("evil"))),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, FrameSize, frames_of_wrong_size);

std::vector<h2_case> frames_out_of_place() {
    const h2_code wrong = protocol_error;
    return {
        breaks_connection("DataOnStreamZero", wrong, always(h2::data(0, "x"))),
        breaks_connection("HeadersOnStreamZero", wrong, always(h2::status(0, "200"))),
        breaks_connection("ResetOfStreamZero", wrong, always(h2::rst_stream(0, 0))),
        breaks_connection("PriorityOfStreamZero", wrong, always(h2::priority(0))),
        breaks_connection("SettingsOnStream", wrong, on_stream(h2::settings_frame, "")),
        breaks_connection("PingOnStream", wrong, on_stream(h2::ping_frame, h2::number(0, 8))),
        breaks_connection("GoawayOnStream", wrong, on_stream(h2::goaway_frame, h2::number(0, 8))),
        breaks_connection("DataOnIdleStream", wrong, [](s n) { return h2::data(n + 2, "x"); }),
        breaks_connection("HeadersOnIdleStream", wrong,
                          [](s n) { return h2::status(n + 2, "200"); }),
        breaks_connection("ResetOfIdleStream", wrong,
                          [](s n) { return h2::rst_stream(n + 2, cancel); }),
        breaks_connection("WindowOfIdleStream", wrong,
                          [](s n) { return h2::window_update(n + 2, 1); }),
        breaks_connection("HeadersOnEvenStream", wrong, always(h2::status(2, "200"))),
        breaks_connection("DataOnEvenStream", wrong, always(h2::data(2, "x"))),
        breaks_connection("PushPromise", wrong,
                          [](s n) {
                              return h2::frame(h2::push_promise_frame, h2::end_headers, n,
                                               h2::number(2, 4) + h2::block({{":method", "GET"}}));
                          }),
        breaks_connection(
            "PushPromiseBehindHead", wrong,
            [](s n) {
                return head_of(n) +
                       h2::frame(h2::push_promise_frame, h2::end_headers, n, h2::number(2, 4));
            },
            bad_behind_head),
        breaks_connection("ContinuationAlone", wrong,
                          on_stream(h2::continuation_frame, "", h2::end_headers)),
        breaks_connection(
            "ContinuationBehindHead", wrong,
            [](s n) { return head_of(n) + h2::frame(h2::continuation_frame, h2::end_headers, n); },
            bad_behind_head),
        breaks_connection("BlockInterruptedByPing", wrong,
                          [](s n) { return begin_block(n) + h2::ping(1); }),
        breaks_connection("BlockInterruptedByData", wrong,
                          [](s n) { return begin_block(n) + h2::data(n, "x"); }),
        breaks_connection("BlockInterruptedByUnknown", wrong,
                          [](s n) { return begin_block(n) + h2::frame(99, 0, 0); }),
        breaks_connection("BlockContinuedElsewhere", wrong,
                          [](s n) {
                              return begin_block(n) +
                                     h2::frame(h2::continuation_frame, h2::end_headers, n + 2);
                          }),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Frame, frames_out_of_place);

std::vector<h2_case> frames_of_wrong_content() {
    const h2_code wrong = protocol_error;
    return {
        breaks_connection(
            "PaddingBeyondFrame", wrong,
            [](s n) { return head_of(n) + h2::frame(h2::data_frame, h2::padded, n, "\x09x"); },
            bad_behind_head),
        breaks_connection(
            "PaddingOfNothing", wrong,
            [](s n) { return head_of(n) + h2::frame(h2::data_frame, h2::padded, n); },
            bad_behind_head),
        breaks_connection("HeadersPaddedBeyondFrame", wrong,
                          on_stream(h2::headers_frame, "\x09x", h2::padded | h2::end_headers)),
        breaks_connection(
            "InMidBody", wrong,
            [](s n) { return head_of(n) + h2::data(n, "part") + h2::data(0, "x"); },
            bad_behind_head),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, FrameContent, frames_of_wrong_content);

std::vector<h2_case> settings_and_windows() {
    const auto setting = [](unsigned id, std::uint32_t value) {
        return always(h2::settings({{id, value}}));
    };
    return {
        breaks_connection("PushEnabled", protocol_error, setting(2, 1)),
        breaks_connection("PushOfTwo", protocol_error, setting(2, 2)),
        breaks_connection("InitialWindowBeyondMaximum", flow_control_error, setting(4, 0x80000000)),
        breaks_connection("FrameSizeTooSmall", protocol_error, setting(5, 16'383)),
        breaks_connection("FrameSizeTooLarge", protocol_error, setting(5, 0x1000000)),
        breaks_connection("ConnectOfTwo", protocol_error, setting(8, 2)),
        says(
            "UnknownSetting",
            [](s n) {
                return h2::settings({{0xbad, 7}}) + polite_answer(n);
            },
            answered(200, polite_body)),
        breaks_connection("WindowBeyondMaximum", flow_control_error,
                          always(h2::window_update(0, 0x7fffffff))),
        breaks_connection("WindowOfNothing", protocol_error, always(h2::window_update(0, 0))),
        breaks_stream(
            "WindowOfStreamBeyondMaximum", [](s n) { return h2::window_update(n, 0x7fffffff); },
            refused(errc::peer_protocol_error), flow_control_error),
        // A stream's fault that nghttp2 takes for one of the connection (RFC 9113 5.4.2 lets it).
        breaks_connection("WindowOfStreamOfNothing", protocol_error,
                          [](s n) { return h2::window_update(n, 0); }),
        breaks_stream(
            "WindowsBeyondMaximumBySettings",
            [](s n) {
                return h2::window_update(n, 0x7fff0000) + h2::settings({{4, 0x7fffffff}});
            },
            refused(errc::peer_protocol_error), flow_control_error),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Setting, settings_and_windows);

std::vector<h2_case> compression() {
    const auto block = [](std::string octets) {
        return on_stream(h2::headers_frame, std::move(octets), h2::end_headers);
    };
    const h2_code wrong = compression_error;
    return {
        breaks_connection("IndexOfNothing", wrong, block("\x80")),
        breaks_connection("IndexBeyondTable", wrong, block("\xff\xff\xff\x7f")),
        breaks_connection("IntegerWithoutEnd", wrong, block("\xff\xff\xff\xff\xff\xff\xff\xff")),
        breaks_connection("StringCut", wrong, block(raw("\x08\x05xy"))),
        breaks_connection("HuffmanWithEnd", wrong, block("\x08\x84\xff\xff\xff\xff")),
        breaks_connection("TableBeyondLimit", wrong, block("\x3f\xe1\x7f\x88")),
        breaks_connection("TableChangedBehindField", wrong, block("\x88\x20")),
        breaks_connection(
            "InTrailers", wrong,
            [](s n) {
                return head_of(n) + h2::frame(h2::headers_frame, h2::end_headers | h2::end_stream,
                                              n, "\xff\xff\xff\x7f");
            },
            bad_behind_head),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Compression, compression);

// RFC 9113 3.4: SETTINGS first, and nothing else.
std::vector<h2_case> greetings() {
    const auto greeting = [](std::string name, std::string octets) {
        h2_case one = breaks_connection(std::move(name), protocol_error, always(""));
        one.greeting = std::move(octets);
        return one;
    };
    return {
        greeting("Ping", h2::ping(1)),
        greeting("SettingsAck", h2::settings_ack()),
        greeting("Answer", polite_answer(1)),
        greeting("Goaway", h2::goaway(0, 0)),
        greeting("Unknown", h2::frame(77, 0, 0)),
        greeting("SettingsOnStream", h2::frame(h2::settings_frame, 0, 1)),
        greeting("HttpOneRefusal", "HTTP/1.1 400 Bad Request\r\n\r\n"),
        greeting("ClientPreface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Greeting, greetings);

h2_case malformed(std::string name, h2::fields fields) {
    return breaks_stream(std::move(name), [fields = std::move(fields)](s n) {
        return h2::headers(n, fields, h2::end_stream);
    });
}
h2_case malformed_with(std::string name, const std::string& field, const std::string& value) {
    return malformed(std::move(name), {{":status", "200"}, {field, value}});
}

// RFC 9113 5.4.2, 8.1.1: the exchange is lost, the connection is not.
std::vector<h2_case> heads() {
    const std::string status = ":status";
    return {
        malformed("NoStatus", {{"a", "b"}}),
        malformed("Empty", {}),
        malformed("StatusTwice", {{status, "200"}, {status, "200"}}),
        malformed("StatusBehindField", {{"a", "b"}, {status, "200"}}),
        malformed("StatusOfTwoDigits", {{status, "20"}}),
        malformed("StatusOfFourDigits", {{status, "2000"}}),
        malformed("StatusWithSign", {{status, "+20"}}),
        malformed("StatusBeyondFiveHundreds", {{status, "600"}}),
        malformed("StatusOfNothing", {{status, "000"}}),
        malformed("SwitchingProtocols", {{status, "101"}}),
        malformed("EndByInformational", {{status, "103"}}),
        malformed_with("RequestPseudoField", ":path", "/"),
        malformed_with("UnknownPseudoField", ":x", "y"),
        malformed_with("UpperCaseName", "Name", "v"),
        malformed_with("EmptyName", "", "v"),
        malformed_with("NameWithSpace", "a b", "v"),
        malformed_with("NameWithColon", "a:b", "v"),
        malformed_with("NameWithLf", "a\nb", "v"),
        malformed_with("ValueWithCrLf", "a", "x\r\nset-cookie: b"),
        malformed_with("ValueWithNul", "a", raw("x\0y")),
        malformed_with("ValueWithSpaceBefore", "a", " x"),
        malformed_with("ValueWithTabBehind", "a", "x\t"),
        malformed_with("Connection", "connection", "close"),
        malformed_with("KeepAlive", "keep-alive", "timeout=5"),
        malformed_with("ProxyConnection", "proxy-connection", "close"),
        malformed_with("TransferEncoding", "transfer-encoding", "chunked"),
        malformed_with("Upgrade", "upgrade", "h2c"),
        malformed_with("LengthWithSign", "content-length", "+0"),
        malformed_with("LengthInHexadecimal", "content-length", "0x5"),
        malformed_with("LengthAsList", "content-length", "0, 0"),
        malformed_with("LengthTwoTo64PlusFive", "content-length", "18446744073709551621"),
        malformed("LengthTwice",
                  {{status, "200"}, {"content-length", "10"}, {"content-length", "5"}}),
        malformed("LengthTwiceTheSame",
                  {{status, "200"}, {"content-length", "0"}, {"content-length", "0"}}),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Head, heads);

std::vector<h2_case> bodies() {
    const auto with_length = [](s n, const char* length) {
        return h2::headers(n, {{":status", "200"}, {"content-length", length}});
    };
    const auto behind_status = [](unsigned status) {
        outcome expected = bad_behind_head;
        expected.status = status;
        return expected;
    };
    std::vector<h2_case> all = {
        breaks_stream("BeforeHead", [](s n) { return h2::data(n, "x", h2::end_stream); }),
        breaks_stream("EmptyBeforeHead", [](s n) { return h2::data(n, "", h2::end_stream); }),
        breaks_stream("BehindInformational",
                      [](s n) { return h2::status(n, "103") + h2::data(n, "x"); }),
        breaks_stream(
            "MoreThanLength",
            [=](s n) { return with_length(n, "3") + h2::data(n, "four", h2::end_stream); },
            bad_behind_head),
        breaks_stream(
            "MoreThanLengthPadded",
            [=](s n) { return with_length(n, "3") + h2::padded_data(n, "four", 9); },
            bad_behind_head),
        breaks_stream(
            "MoreThanNothing",
            [=](s n) { return with_length(n, "0") + h2::data(n, "x", h2::end_stream); },
            bad_behind_head),
        breaks_stream(
            "NothingOfLength",
            [](s n) {
                return h2::headers(n, {{":status", "200"}, {"content-length", "5"}},
                                   h2::end_stream);
            },
            bad_behind_head),
        breaks_stream(
            "LessThanLength",
            [=](s n) { return with_length(n, "5") + h2::data(n, "four", h2::end_stream); },
            bad_behind_head),
        breaks_stream(
            "LessThanLengthWithTrailers",
            [=](s n) {
                return with_length(n, "5") + h2::data(n, "four") +
                       h2::headers(n, {{"a", "b"}}, h2::end_stream);
            },
            bad_behind_head),
        breaks_stream(
            "Of204", [](s n) { return h2::status(n, "204") + h2::data(n, "x", h2::end_stream); },
            behind_status(204)),
        breaks_stream(
            "Of304", [](s n) { return h2::status(n, "304") + h2::data(n, "x", h2::end_stream); },
            behind_status(304)),
        breaks_stream(
            "OfHead", [](s n) { return head_of(n) + h2::data(n, "x", h2::end_stream); },
            bad_behind_head),
    };
    for (h2_case& one : all) {
        if (one.name == "OfHead") one.what.method = method::head;
    }
    return all;
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Body, bodies);

std::vector<h2_case> trailers() {
    return {
        breaks_stream(
            "TrailersThatDoNotEnd",
            [](s n) {
                return head_of(n) + h2::headers(n, {{"a", "b"}});
            },
            bad_behind_head),
        breaks_stream(
            "TrailersWithPseudoField",
            [](s n) { return head_of(n) + h2::status(n, "200", h2::end_stream); }, bad_behind_head),
        breaks_stream(
            "TrailersWithFraming",
            [](s n) {
                return head_of(n) + h2::headers(n, {{"content-length", "0"}}, h2::end_stream);
            },
            bad_behind_head),
        breaks_stream(
            "InformationalBehindHead", [](s n) { return head_of(n) + h2::status(n, "103"); },
            bad_behind_head),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Trailers, trailers);

// Behind the end of a stream there is nothing (RFC 9113 5.1): the answer is good, its connection is
// not.
std::vector<h2_case> surplus() {
    const outcome good = answered(200, polite_body);
    const auto behind = [&](std::string name, frames_for more) {
        return breaks_connection(
            std::move(name), stream_closed, [=](s n) { return polite_answer(n) + more(n); }, good);
    };
    return {
        behind("Data", [](s n) { return h2::data(n, "evil"); }),
        behind("EmptyData", [](s n) { return h2::data(n, ""); }),
        behind("DataThatEnds", [](s n) { return h2::data(n, "evil", h2::end_stream); }),
        behind("Head", [](s n) { return head_of(n); }),
        behind("Trailers",
               [](s n) {
                   return h2::headers(n, {{"a", "b"}}, h2::end_stream);
               }),
        says(
            "Reset", [](s n) { return polite_answer(n) + h2::rst_stream(n, no_error); }, good),
        says(
            "WindowUpdate", [](s n) { return polite_answer(n) + h2::window_update(n, 1); }, good),
        says(
            "Priority", [](s n) { return polite_answer(n) + h2::priority(n); }, good),
        breaks_connection(
            "AnswerForNobody", protocol_error,
            [](s n) { return polite_answer(n) + polite_answer(n + 2); }, good),
        breaks_connection(
            "WindowOfNothing", protocol_error,
            [](s n) { return polite_answer(n) + h2::window_update(0, 0); }, good),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Surplus, surplus);

}  // namespace
}  // namespace hearth::hostile
