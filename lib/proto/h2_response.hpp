// h2_response: the response of one stream, from decoded fields and octets of data to a checked
// message (RFC 9113 8.1-8.3, 8.5). Knows nothing of frames but where field blocks and the stream
// end.
//
//   head -> (informational -> head)* -> body -> (trailers ->) ended
//
// What is malformed is refused with a sentence, and nothing after it is looked at: pseudo-header
// fields other than one :status before all else, names that are not lower-case tokens, values with
// control characters or white space at an end, fields of a connection, 101, a content-length that
// is no number, repeated, or not what came, data where there can be none, trailers that do not end
// the stream. A rule about sizes (header_limit, informational_limit) refuses in the same way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "hearth/error.hpp"
#include "hearth/headers.hpp"
#include "hearth/response.hpp"
#include "proto/h2_settings.hpp"

namespace hearth::proto {

class h2_response {
public:
    enum class block : std::uint8_t { refused, informational, head, trailers };

    /// What of the request decides how its response is read.
    void expect(bool is_head_request, bool is_connect) {
        is_head_request_ = is_head_request;
        is_connect_ = is_connect;
    }

    void begin_block();
    /// A field of the block. Names and values are copied; those of a refused block are not.
    void add_field(std::string_view name, std::string_view value, const h2_settings& bounds);
    [[nodiscard]] block finish_block(bool ends_stream, const h2_settings& bounds);
    /// False: there can be no data now, or not so much.
    [[nodiscard]] bool check_body(std::uint64_t octets);
    /// Octets of data came; false as above.
    [[nodiscard]] bool add_body(std::uint64_t octets);
    /// Nothing of the content is missing as far as its announced length tells.
    [[nodiscard]] bool has_all_content() const;
    /// Octets of content that are still to come as far as its announced length tells.
    [[nodiscard]] std::uint64_t content_left() const {
        return stage_ == stage::body && content_length_ && !has_no_content()
                   ? *content_length_ - std::min(body_, *content_length_)
                   : 0;
    }
    /// The stream ended; false: too early.
    [[nodiscard]] bool finish();

    [[nodiscard]] bool has_head() const { return stage_ >= stage::body; }
    /// True after a 2xx to CONNECT: data are another protocol's octets.
    [[nodiscard]] bool is_tunnel() const { return is_tunnel_; }
    [[nodiscard]] response_head& head() { return head_; }
    [[nodiscard]] headers& trailers() { return trailers_; }
    /// Why something was refused.
    [[nodiscard]] errc error() const { return error_; }
    [[nodiscard]] std::string_view detail() const { return detail_; }
    [[nodiscard]] bool is_refused() const { return !detail_.empty(); }
    /// Octets of fields and data so far.
    [[nodiscard]] std::uint64_t received() const { return received_; }

private:
    enum class stage : std::uint8_t { head, body, ended };

    void add_status(std::string_view value);
    void add_checked(std::string_view name, std::string_view value);
    [[nodiscard]] bool note_special(std::string_view name, std::string_view value);
    [[nodiscard]] block finish_head(bool ends_stream, const h2_settings& bounds);
    [[nodiscard]] bool has_no_content() const;
    [[gnu::cold]] bool refuse(std::string_view detail, errc error = errc::peer_protocol_error);

    stage stage_ = stage::head;
    bool is_head_request_ = false;
    bool is_connect_ = false;
    bool is_tunnel_ = false;
    bool has_fields_ = false;  // of this block, pseudo-header fields aside
    std::uint32_t fields_ = 0;
    std::uint32_t informational_ = 0;
    std::uint64_t block_octets_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t body_ = 0;
    std::optional<std::uint64_t> content_length_;
    response_head head_;
    headers trailers_;
    errc error_ = errc::peer_protocol_error;
    std::string_view detail_;
};

}  // namespace hearth::proto
