// The catalogue of hostile origins: a case is what an origin does on each of its connections, the
// calls a client makes meanwhile, and the one right outcome of each call.
//
// Every case runs through the real client over loopback: in plaintext and under TLS, and each of
// these with the origin's octets sent at once and in small pieces. Around the case's own
// expectations the runner checks what must hold in every world: one completion per call, no broken
// invariant, connections opened = closed + open, no descriptor left, and no more octets taken from
// the origin than the case allows. After the case a polite request to the same origin must get its
// own answer, whatever was left on the wire.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "hearth/hearth.hpp"
#include "hearth/testing/raw_origin.hpp"

namespace hearth::hostile {

using testing::close_kind;
using testing::script;

/// What a call must come to.
struct outcome {
    boost::system::error_code error;  ///< None: the response is the caller's.
    hearth::phase phase = hearth::phase::none;
    unsigned status = 0;  ///< 0: no head came.
    std::optional<std::string> body{};
    unsigned attempts = 1;
};

struct call {
    request what;
    outcome expected;
    /// Before it is made, so many connections of the client must be open: lets events of an idle
    /// connection arrive.
    std::optional<std::uint64_t> begins_with_open{};
    /// From when it is made to its deadline.
    std::optional<std::chrono::milliseconds> patience{};
};

/// What the polite request after the case finds.
enum class afterwards {
    same_connection,   ///< The connection of the case is used again.
    other_connection,  ///< It is not.
    closed_by_itself,  ///< The client has closed it before the request, without being asked.
    either,            ///< As it comes: both are right.
};

enum class wires { both, plain_only, tls_only };
enum class deliveries { both, whole_only };

struct hostile_case {
    std::string name;
    /// The scripts of the first connections; later ones are polite. `expect_request` is not
    /// implied.
    std::vector<script> connections;
    std::vector<call> calls;
    afterwards next = afterwards::other_connection;
    /// Octets the client may take from the network altogether, handshakes included.
    std::uint64_t max_received_bytes = std::uint64_t{1} << 20U;
    std::function<void(config&)> adjust{};
    hostile::wires wires = hostile::wires::both;
    hostile::deliveries deliveries = hostile::deliveries::both;
};

inline std::ostream& operator<<(std::ostream& out, const hostile_case& one) {
    return out << one.name;
}

/// Runs a case on each of its wires, in each of its deliveries.
void run(const hostile_case& one);

// Shorthands for tables.

inline const std::string polite_body = "polite";

[[nodiscard]] request get(std::string path = "/");
[[nodiscard]] request post(std::string body = "content");

[[nodiscard]] outcome answered(unsigned status = 200, std::optional<std::string> body = {});
/// Fails before the head is complete.
[[nodiscard]] outcome refused(errc error, hearth::phase where = phase::first_byte);
/// Fails behind the head.
[[nodiscard]] outcome broken(errc error, unsigned status = 200);

/// One request that is answered by `octets`; after them the origin is polite.
[[nodiscard]] hostile_case one_answer(std::string name, std::string octets, outcome expected,
                                      afterwards next = afterwards::other_connection);
/// The same, and then the origin ends the connection.
[[nodiscard]] hostile_case closing_answer(std::string name, std::string octets, close_kind how,
                                          outcome expected);

/// Text with NULs in it.
template <std::size_t Size>
[[nodiscard]] std::string raw(const char (&text)[Size]) {
    return std::string(text, Size - 1);
}

[[nodiscard]] std::string repeated(std::string_view text, std::size_t times);
/// "HTTP/1.1 200 OK", `fields` as they are, an empty line.
[[nodiscard]] std::string head_with(std::string_view fields);
/// A chunked response whose body is `rest`.
[[nodiscard]] std::string chunked(std::string_view rest);
/// A response with a length that fits.
[[nodiscard]] std::string sized(std::string_view body);

class HostileTest : public ::testing::TestWithParam<hostile_case> {};

/// The name of a case among its table's.
struct case_name {
    template <class Info>
    std::string operator()(const Info& one) const {
        return one.param.name;
    }
};

/// A table of cases as tests of their own: `Table/HostileTest.Holds/CaseName`.
#define HEARTH_HOSTILE_TABLE(suite, table, cases)                        \
    INSTANTIATE_TEST_SUITE_P(table, suite, ::testing::ValuesIn(cases()), \
                             ::hearth::hostile::case_name())
#define HEARTH_HOSTILE_CASES(table, cases) HEARTH_HOSTILE_TABLE(HostileTest, table, cases)

}  // namespace hearth::hostile
