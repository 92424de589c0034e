// One flat JSON object on one line, written field by field (RFC 8259).
#pragma once

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

class json_line {
public:
    json_line& text(std::string_view name, std::string_view value) {
        begin(name);
        append_quoted(value);
        return *this;
    }
    json_line& null(std::string_view name) {
        begin(name);
        out_ += "null";
        return *this;
    }
    template <std::integral Integer>
    json_line& number(std::string_view name, Integer value) {
        begin(name);
        out_ += std::to_string(value);
        return *this;
    }
    json_line& number(std::string_view name, double value) {
        begin(name);
        char digits[64];
        std::snprintf(digits, sizeof digits, "%.6f", value);
        out_ += digits;
        return *this;
    }
    template <std::integral Integer>
    json_line& numbers(std::string_view name, const std::vector<Integer>& values) {
        begin(name);
        out_ += '[';
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (i != 0) out_ += ',';
            out_ += std::to_string(values[i]);
        }
        out_ += ']';
        return *this;
    }
    /// An object of its own: how often each name occurred.
    json_line& counts(std::string_view name, const std::map<std::string, std::uint64_t>& values) {
        begin(name);
        json_line inner;
        for (const auto& [what, count] : values) inner.number(what, count);
        out_ += inner.out_ + "}";
        return *this;
    }
    /// Writes the line to stdout.
    void print() const {
        std::printf("%s}\n", out_.c_str());
        std::fflush(stdout);
    }

private:
    void begin(std::string_view name) {
        if (out_.size() > 1) out_ += ',';
        append_quoted(name);
        out_ += ':';
    }
    // What is not printable ASCII is escaped octet by octet, so that any octets give valid JSON.
    void append_quoted(std::string_view value) {
        out_ += '"';
        for (const char c : value) {
            const auto octet = static_cast<unsigned char>(c);
            if (octet < 0x20 || octet >= 0x7f) {
                char escape[8];
                std::snprintf(escape, sizeof escape, "\\u%04x", octet);
                out_ += escape;
            } else {
                if (c == '"' || c == '\\') out_ += '\\';
                out_ += c;
            }
        }
        out_ += '"';
    }

    std::string out_ = "{";
};

}  // namespace bench
