// Forms as request bodies: application/x-www-form-urlencoded and multipart/form-data (RFC 7578).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "hearth/body.hpp"
#include "hearth/request.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

using form_fields = std::vector<std::pair<std::string, std::string>>;

/// "a=1&b=%26": letters, digits and "*-._" as they are, a blank as "+", the rest percent-encoded.
[[nodiscard]] HEARTH_API std::string form_encode(const form_fields& fields);
/// Makes `what` carry a form: its body and its `content-type`.
HEARTH_API void set_form(request& what, const form_fields& fields);

/// A form of parts, some of which may be files. Files are read piece by piece while they are sent;
/// nothing is held in memory but what the parts were given as text. The boundary is random, 128
/// bits. Not thread-safe while it is being made.
class HEARTH_API multipart {
public:
    multipart();

    /// A field. Quotes and line ends in names are percent-encoded, as browsers do.
    multipart& add(std::string_view name, std::string value, std::string_view content_type = {});
    /// A part that looks like an uploaded file, from memory.
    multipart& add_file(std::string_view name, std::string_view filename, std::string bytes,
                        std::string_view content_type = "application/octet-stream");
    /// The same from an open file, whose descriptor is borrowed until the exchange has ended.
    multipart& add_file(std::string_view name, std::string_view filename, file_range file,
                        std::string_view content_type = "application/octet-stream");

    /// "multipart/form-data; boundary=..."
    [[nodiscard]] std::string content_type() const;
    /// The body, of known size; it can be sent again (`retry`). Reading a file is done on the
    /// client's thread: use files of a local disk. A file that ends early is `errc::invalid_body`.
    [[nodiscard]] std::shared_ptr<body_source> body() const;
    /// Makes `what` carry it: its body and its `content-type`.
    void set(request& what) const;

private:
    void begin_part(std::string_view name, std::string_view filename, bool has_filename,
                    std::string_view content_type);

    std::string boundary_;
    std::vector<std::variant<std::string, file_range>> pieces_;
};

HEARTH_END_NAMESPACE
