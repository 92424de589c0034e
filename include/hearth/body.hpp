// `body`: what a request carries. None, owned bytes, several owned segments, a range of a file, or
// a source that is pulled.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hearth/error.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

/// A request body produced piece by piece. One pull is outstanding at a time. The client keeps the
/// source alive until the exchange has ended; pulls are made from the client's threads.
class HEARTH_API body_source {
public:
    /// Completes with the octets written into the buffer; 0 with no error is the end of the body.
    using pull_handler = std::function<void(boost::system::error_code, std::size_t)>;

    body_source() = default;
    virtual ~body_source();
    body_source(const body_source&) = delete;
    body_source& operator=(const body_source&) = delete;

    /// Total octets, if known: sent as content-length; else the body is chunked. Producing another
    /// number is `errc::invalid_body`.
    [[nodiscard]] virtual std::optional<std::uint64_t> size() const = 0;
    /// Writes the next octets into `buffer`, which is valid until the handler was called. The
    /// handler must be called exactly once; from any thread, also from inside this call.
    virtual void async_pull(std::span<char> buffer, pull_handler handler) = 0;
    /// Starts again from the first octet. Returns false if that is impossible (the default): then
    /// the request is only repeated while nothing was pulled.
    virtual bool rewind();
};

/// A range of an open file. The descriptor is borrowed: it stays open and is read at offsets (its
/// own position is not used), so one descriptor can serve many requests at once.
struct file_range {
    int descriptor = -1;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  ///< Octets; the file ending earlier is `errc::invalid_body`.
};

/// The body is written through the exchange (`async_open` only).
struct streamed_body {
    std::optional<std::uint64_t> size{};  ///< content-length if known, else chunked.
};

class HEARTH_API body {
public:
    using segments_type = std::vector<std::string>;
    using source_type = std::shared_ptr<body_source>;

    body() = default;
    body(std::string bytes) : value_(std::move(bytes)) {}          // NOLINT(*-explicit-*)
    body(std::string_view bytes) : value_(std::string(bytes)) {}   // NOLINT(*-explicit-*)
    body(const char* bytes) : value_(std::string(bytes)) {}        // NOLINT(*-explicit-*)
    body(segments_type segments) : value_(std::move(segments)) {}  // NOLINT(*-explicit-*)
    body(file_range file) : value_(file) {}                        // NOLINT(*-explicit-*)
    body(source_type source) : value_(std::move(source)) {}        // NOLINT(*-explicit-*)
    template <std::derived_from<body_source> Source>
    body(std::shared_ptr<Source> source)  // NOLINT(*-explicit-*)
        : value_(source_type(std::move(source))) {}
    body(streamed_body streamed) : value_(streamed) {}  // NOLINT(*-explicit-*)

    [[nodiscard]] bool is_none() const noexcept {
        return std::holds_alternative<std::monostate>(value_);
    }
    [[nodiscard]] bool is_streamed() const noexcept {
        return std::holds_alternative<streamed_body>(value_);
    }
    /// Total octets if known beforehand; 0 for none.
    [[nodiscard]] std::optional<std::uint64_t> size() const;

    using value_type = std::variant<std::monostate, std::string, segments_type, file_range,
                                    source_type, streamed_body>;
    [[nodiscard]] const value_type& value() const noexcept { return value_; }

private:
    value_type value_;
};

HEARTH_END_NAMESPACE
