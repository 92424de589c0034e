// HTTP/2 origins that say more than anybody wants to hear, or say nothing for too long: floods of
// every frame there is, heads and bodies beyond limits, windows that do not open.
#include "hostile/h2_catalogue.hpp"

namespace hearth::hostile {
namespace {

using std::chrono::milliseconds;
using s = std::uint32_t;

std::string begin_block(s stream) {
    return h2::frame(h2::headers_frame, 0, stream, h2::block({{":status", "200"}}));
}

std::vector<h2_case> frame_floods() {
    const auto bad_behind_head = broken(errc::peer_protocol_error);
    // Nobody has asked for so many of them, nor for one.
    h2_case acks = floods("SettingsAcks", {}, [](s) { return h2::settings_ack(); });
    acks.told = "goaway 1";
    return {
        floods("Settings", {},
               [](s) {
                   return h2::settings({{3, 100}});
               }),
        floods("EmptySettings", {}, [](s) { return h2::settings(); }),
        floods("SettingsOfManyEntries", {},
               [](s) {
                   std::string entries;
                   for (int i = 0; i < 33; ++i) entries += h2::number(3, 2) + h2::number(100, 4);
                   return h2::frame(h2::settings_frame, 0, 0, entries);
               }),
        acks,
        floods("Pings", {}, [](s) { return h2::ping(1); }),
        floods("PingAcks", {}, [](s) { return h2::ping(1, h2::ack); }),
        floods("Priorities", {}, [](s n) { return h2::priority(n); }),
        floods("PrioritiesOfIdleStreams", {}, [](s n) { return h2::priority(n + 100); }),
        floods("WindowUpdates", {}, [](s n) { return h2::window_update(n, 1); }),
        floods("WindowUpdatesOfTheConnection", {}, [](s) { return h2::window_update(0, 1); }),
        floods("UnknownFrames", {}, [](s) { return h2::frame(99, 0, 0); }),
        floods("UnknownFramesOnAStream", {}, [](s n) { return h2::frame(99, 0, n, "x"); }),
        floods("Goaways", {}, [](s n) { return h2::goaway(n, 0); }),
        floods(
            "EmptyData", head_of, [](s n) { return h2::data(n, ""); }, bad_behind_head),
        floods(
            "PaddingOnlyData", head_of, [](s n) { return h2::padded_data(n, "", 255); },
            bad_behind_head),
        floods(
            "ResetsBehindTheEnd", [](s n) { return h2::status(n, "200", h2::end_stream); },
            [](s n) { return h2::rst_stream(n, cancel); }, answered(200, "")),
        breaks_stream(
            "Informational", [](s n) { return repeated(h2::status(n, "103"), 20); },
            refused(errc::informational_limit), enhance_your_calm),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Flood, frame_floods);

std::vector<h2_case> large_heads() {
    const std::string table_entry =
        "\x40" + h2::hpack_string("a") + h2::hpack_string(std::string(3900, 'x'));
    const auto too_large = [](std::string name, frames_for frames) {
        return breaks_stream(std::move(name), std::move(frames), refused(errc::header_limit),
                             enhance_your_calm);
    };
    h2::fields many{{":status", "200"}};
    for (int i = 0; i < 300; ++i) many.emplace_back("a", "b");
    const std::string large(40'000, 'x');
    const auto in_pieces = [](s n, const std::string& block) {
        constexpr std::size_t piece = 16'000;
        std::string frames =
            h2::frame(h2::headers_frame, h2::end_stream, n, block.substr(0, piece));
        for (std::size_t at = piece; at < block.size(); at += piece) {
            const bool is_last = at + piece >= block.size();
            frames += h2::frame(h2::continuation_frame, is_last ? h2::end_headers : 0, n,
                                block.substr(at, piece));
        }
        return frames;
    };
    return {
        too_large("FieldsBeyondCount",
                  [many](s n) { return h2::headers(n, many, h2::end_stream); }),
        too_large(
            "BeyondSize",
            [=](s n) {
                return in_pieces(n, h2::block({{":status", "200"}, {"a", large}, {"b", large}}));
            }),
        // More than any decoder of nghttp2 takes in one field.
        breaks_connection("FieldBeyondSize", compression_error,
                          [=](s n) {
                              return in_pieces(n, h2::block({{":status", "200"},
                                                             {"a", std::string(70'000, 'x')}}));
                          }),
        // One field of 3,900 octets in the table, and one octet for each time it is named.
        too_large("HpackBomb",
                  [table_entry](s n) {
                      return h2::frame(h2::headers_frame, h2::end_headers | h2::end_stream, n,
                                       "\x88" + table_entry + std::string(10'000, '\xbe'));
                  }),
        breaks_stream(
            "TrailersBeyondCount",
            [](s n) {
                const h2::fields fields(300, {"a", "b"});
                return head_of(n) + h2::headers(n, fields, h2::end_stream);
            },
            broken(errc::header_limit), enhance_your_calm),
        breaks_connection("BlockBeyondSize", enhance_your_calm,
                          [=](s n) {
                              const h2::fields four(4, {"a", large});
                              return in_pieces(n, h2::block(four));
                          }),
        floods(
            "Continuations", begin_block,
            [](s n) { return h2::frame(h2::continuation_frame, 0, n, std::string(16'000, '\0')); }),
        floods("EmptyContinuations", begin_block,
               [](s n) { return h2::frame(h2::continuation_frame, 0, n); }),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, HeadSize, large_heads);

std::vector<h2_case> large_bodies() {
    const auto within_1000 = [](h2_case one) {
        one.adjust = [](config& values) { values.max_body_bytes = 1000; };
        one.told = "reset 1 8";
        return one;
    };
    const outcome too_large = broken(errc::body_limit);
    return {
        within_1000(says(
            "BeyondLimit", [](s n) { return head_of(n) + h2::data(n, std::string(1001, 'x')); },
            too_large)),
        within_1000(says(
            "BeyondLimitByLength",
            [](s n) {
                return h2::headers(n, {{":status", "200"}, {"content-length", "1001"}});
            },
            too_large)),
        within_1000(says(
            "AsLargeAsAllowed",
            [](s n) { return head_of(n) + h2::data(n, std::string(1000, 'x'), h2::end_stream); },
            answered(200, std::string(1000, 'x')))),
        // What was on its way when the stream was reset is put up with, in whatever pieces.
        within_1000(says(
            "BeyondLimitInSmallPieces",
            [](s n) {
                return head_of(n) + h2::data(n, std::string(1001, 'x')) +
                       repeated(h2::data(n, std::string(100, 'x')), 1000);
            },
            too_large)),
    };
}

std::vector<h2_case> bodies_beyond_limits() {
    std::vector<h2_case> all = large_bodies();
    all[2].told = "";
    return all;
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, BodySize, bodies_beyond_limits);

/// Nobody waits longer than 300 ms for this. The stream is given up, and its connection used again.
h2_case slow(std::string name, std::function<void(h2_side&, s)> play, outcome expected) {
    h2_case one;
    one.name = std::move(name);
    one.play = std::move(play);
    one.expected = std::move(expected);
    one.told = "reset 1 8";
    one.keeps_connection = true;
    one.adjust = [](config& values) {
        values.timeouts.first_byte = milliseconds(300);
        values.timeouts.body_idle = milliseconds(300);
        values.timeouts.write_stall = milliseconds(300);
    };
    return one;
}

/// Says `first`, and then `again` until the stream is reset.
h2_case drips(std::string name, frames_for first, frames_for again, outcome expected) {
    return slow(
        std::move(name),
        [=](h2_side& to, s n) {
            (void)to.say(first(n));
            to.drip(again(n), n);
        },
        std::move(expected));
}

/// The same where every piece comes in time, and the deadline ends it.
h2_case drips_for_ever(std::string name, frames_for first, frames_for again, outcome expected) {
    expected.error = errc::deadline_exceeded;
    h2_case one = drips(std::move(name), std::move(first), std::move(again), std::move(expected));
    one.patience = milliseconds(600);
    return one;
}

std::vector<h2_case> slow_origins() {
    const auto nothing = [](s) { return std::string(); };
    const outcome no_head = refused(errc::first_byte_timeout);
    const outcome no_body = broken(errc::body_idle_timeout);
    const auto wait = [](h2_side& to, s n) { to.await(h2::rst_stream_frame, n); };
    return {
        slow("Silence", wait, no_head),
        slow(
            "SilenceInBlock",
            [=](h2_side& to, s n) {
                (void)to.say(begin_block(n));
                wait(to, n);
                (void)to.say(h2::frame(h2::continuation_frame, h2::end_headers, n));
            },
            no_head),
        slow(
            "SilenceInFrame",
            [=](h2_side& to, s n) {
                (void)to.say(head_of(n) + h2::frame_head(4, h2::data_frame, 0, n) + "pa");
                wait(to, n);
                (void)to.say("rt");
            },
            no_body),
        slow(
            "SilenceBehindHead",
            [=](h2_side& to, s n) {
                (void)to.say(head_of(n));
                wait(to, n);
            },
            no_body),
        slow(
            "SilenceInBody",
            [=](h2_side& to, s n) {
                (void)to.say(head_of(n) + h2::data(n, "part"));
                wait(to, n);
            },
            no_body),
        // Octets that say nothing are no progress.
        drips(
            "Pings", nothing, [](s) { return h2::ping(1); }, no_head),
        drips(
            "PingsInBody", head_of, [](s) { return h2::ping(1); }, no_body),
        drips(
            "WindowUpdates", nothing, [](s n) { return h2::window_update(n, 1); }, no_head),
        drips(
            "UnknownFrames", nothing, [](s n) { return h2::frame(99, 0, n); }, no_head),
        drips(
            "EmptyData", head_of, [](s n) { return h2::data(n, ""); }, no_body),
        drips(
            "PaddingOnlyData", head_of, [](s n) { return h2::padded_data(n, "", 100); }, no_body),
        // Progress does not move the deadline.
        drips_for_ever(
            "Body", head_of, [](s n) { return h2::data(n, "x"); }, broken({})),
        drips_for_ever(
            "PaddedBody", head_of, [](s n) { return h2::padded_data(n, "x", 100); }, broken({})),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, Slow, slow_origins);

// Far more than is buffered.
constexpr std::uint32_t upload_octets = 4'000'000;

/// A large upload to an origin whose windows are not what they should be.
h2_case upload(h2_case one) {
    one.what = post(std::string(upload_octets, 'x'));
    one.at_head = true;
    return one;
}

std::vector<h2_case> windows_of_uploads() {
    const auto no_window = [](h2_case one) {
        one.greeting = h2::settings({{4, 0}}) + h2::settings_ack();
        return upload(std::move(one));
    };
    const auto nothing = [](s) { return std::string(); };
    const outcome stalled{.error = errc::write_timeout, .phase = phase::send};
    const auto wait = [](h2_side& to, s n) { to.await(h2::rst_stream_frame, n); };
    // Of a small body all is given, though none of it leaves.
    h2_case small =
        no_window(slow("NeverOpensForASmallBody", wait, refused(errc::first_byte_timeout)));
    small.what = post();
    return {
        small,
        no_window(slow("NeverOpens", wait, stalled)),
        no_window(drips(
            "NeverOpensBesidePings", nothing, [](s) { return h2::ping(1); }, stalled)),
        // 64 KiB for all, none of it given back.
        upload(slow("OfTheConnectionNeverOpens", wait, stalled)),
        no_window(drips_for_ever("OpensOctetByOctet", nothing,
                                 [](s n) { return h2::window_update(n, 1); },
                                 {.error = {}, .phase = phase::send})),
        no_window([] {
            h2_case one = breaks_stream(
                "BelowZeroAndBeyondMaximum",
                [](s n) {
                    return h2::window_update(n, 0x7fffffff) + h2::window_update(n, 0x7fffffff);
                },
                {.error = errc::peer_protocol_error, .phase = phase::send}, flow_control_error);
            return one;
        }()),
        // The answer is complete; nobody needs the rest of the upload.
        upload(
            breaks_stream("AnswerBeforeTheEnd", polite_answer, answered(200, polite_body), cancel)),
        upload(breaks_stream(
            "RefusalBeforeTheEnd", [](s n) { return h2::status(n, "413", h2::end_stream); },
            answered(413, ""), cancel)),
        upload(says("ResetBeforeTheEnd", [](s n) { return h2::rst_stream(n, no_error); },
                    {.error = errc::peer_reset, .phase = phase::send})),
    };
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, UploadWindow, windows_of_uploads);

std::vector<h2_case> uploads() {
    // Their ends are noticed: what is awaited now is an answer.
    const auto answer_later = [](h2_side& to, s n) {
        to.await_octets(milliseconds(600));
        (void)to.say(polite_answer(n));
    };
    h2_case small = slow("Small", answer_later, answered(200, polite_body));
    small.what = post();
    h2_case large = slow("Large", answer_later, answered(200, polite_body));
    large.what = post(std::string(upload_octets, 'x'));
    large.greeting = h2::settings({{4, 2 * upload_octets}}) +
                     h2::window_update(0, 2 * upload_octets) + h2_greeting();
    for (h2_case* each : {&small, &large}) {
        each->told = "";
        each->adjust = [](config& values) { values.timeouts.write_stall = milliseconds(200); };
    }
    return {small, large};
}
HEARTH_HOSTILE_TABLE(HostileHttp2Test, AnswerLater, uploads);

}  // namespace
}  // namespace hearth::hostile
