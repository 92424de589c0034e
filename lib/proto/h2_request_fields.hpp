// h2_request_fields: a request head, or trailers, as the field list that HTTP/2 sends (RFC 9113
// 8.2, 8.3).
//
// Nothing forbidden leaves, whatever the caller gives: names are lowered, white space around values
// is cut, fields that speak about an HTTP/1.1 connection are left out (`te: trailers` stays), a
// Host field becomes :authority, and what has a bad octet refuses the whole. Secrets
// (authorization, proxy-authorization, and cookies of fewer than 20 octets, which could be guessed)
// are marked never to be indexed (RFC 7541 7.1.3). One object is filled again and again; its memory
// stays. Views of the caller's fields are used until the list was submitted, which copies.
#pragma once

#include <nghttp2/nghttp2.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/message.hpp"

namespace hearth::proto {

class h2_request_fields {
public:
    /// `limit`: octets of names and values, and 32 for each field.
    h2_request_fields(std::size_t limit, bool split_cookies)
        : limit_(limit), split_cookies_(split_cookies) {}

    /// Fills the list; or says why nothing may be sent.
    [[nodiscard]] std::optional<request_error> set_head(const outgoing_head& head);
    [[nodiscard]] std::optional<request_error> set_trailers(const headers& trailers);
    [[nodiscard]] const std::vector<nghttp2_nv>& list() const { return list_; }

private:
    [[nodiscard]] std::optional<request_error> add_pseudo(const outgoing_head& head,
                                                          std::string_view authority);
    [[nodiscard]] std::optional<request_error> add_caller_field(const headers::field& field);
    void add_own_fields(const outgoing_head& head);
    void add_cookies(std::string_view value);
    /// Empties the list; `room`: octets of text that will be made here.
    void reset(std::size_t room);
    /// `name` must be a literal, or lie in text_.
    void add(std::string_view name, std::string_view value, bool is_secret = false);
    [[nodiscard]] std::string_view keep(std::string_view text);
    [[nodiscard]] std::string_view keep_lower(std::string_view text);
    [[nodiscard]] std::optional<request_error> check_size() const;

    std::size_t limit_;
    bool split_cookies_;
    std::size_t octets_ = 0;
    std::string text_;  // made here; never reallocated while views of it live
    std::vector<nghttp2_nv> list_;
    bool has_user_agent_ = false;
    bool has_expect_ = false;
    bool has_trailer_ = false;
    bool had_length_ = false;
};

}  // namespace hearth::proto
