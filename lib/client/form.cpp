// Forms: the text of the two encodings, and the source that reads the parts of one.
#include "hearth/form.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "hearth/error.hpp"

HEARTH_BEGIN_NAMESPACE

namespace {

using boost::system::error_code;
using piece = std::variant<std::string, file_range>;

constexpr std::string_view hex_digits = "0123456789ABCDEF";

std::uint64_t size_of(const piece& one) {
    if (const auto* text = std::get_if<std::string>(&one)) return text->size();
    return std::get<file_range>(one).length;
}

/// What would end the quoted string or the line is percent-encoded (WHATWG HTML 4.10.22.8).
std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"') {
            result += "%22";
        } else if (c == '\r') {
            result += "%0D";
        } else if (c == '\n') {
            result += "%0A";
        } else {
            result += c;
        }
    }
    return result + '"';
}

std::string without_line_ends(std::string_view text) {
    std::string result(text);
    result.erase(
        std::remove_if(result.begin(), result.end(), [](char c) { return c == '\r' || c == '\n'; }),
        result.end());
    return result;
}

class multipart_source final : public body_source {
public:
    explicit multipart_source(std::vector<piece> pieces) : pieces_(std::move(pieces)) {}

    std::optional<std::uint64_t> size() const override {
        std::uint64_t sum = 0;
        for (const piece& one : pieces_) sum += size_of(one);
        return sum;
    }
    void async_pull(std::span<char> buffer, pull_handler handler) override {
        std::size_t written = 0;
        error_code error;
        while (written < buffer.size() && index_ < pieces_.size() && !error) {
            const std::uint64_t left = size_of(pieces_[index_]) - at_;
            if (left == 0) {
                ++index_;
                at_ = 0;
                continue;
            }
            const auto room =
                buffer.subspan(written, std::min<std::uint64_t>(left, buffer.size() - written));
            const std::size_t got = copy(room, error);
            written += got;
            at_ += got;
        }
        handler(error, error ? 0 : written);
    }
    bool rewind() override {
        index_ = 0;
        at_ = 0;
        return true;
    }

private:
    std::size_t copy(std::span<char> room, error_code& error) const {
        if (const auto* text = std::get_if<std::string>(&pieces_[index_])) {
            std::memcpy(room.data(), text->data() + at_, room.size());
            return room.size();
        }
        const auto& file = std::get<file_range>(pieces_[index_]);
        for (;;) {
            const ssize_t got = ::pread(file.descriptor, room.data(), room.size(),
                                        static_cast<off_t>(file.offset + at_));
            if (got > 0) return static_cast<std::size_t>(got);
            if (got < 0 && errno == EINTR) continue;
            error = errc::invalid_body;
            return 0;
        }
    }

    std::vector<piece> pieces_;
    std::size_t index_ = 0;
    std::uint64_t at_ = 0;
};

}  // namespace

std::string form_encode(const form_fields& fields) {
    std::string result;
    const auto append = [&](std::string_view text) {
        for (const char c : text) {
            const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '*' || c == '-' || c == '.' ||
                               c == '_';
            const auto octet = static_cast<unsigned char>(c);
            if (plain) {
                result += c;
            } else if (c == ' ') {
                result += '+';
            } else {
                result += '%';
                result += hex_digits[octet >> 4];
                result += hex_digits[octet & 15];
            }
        }
    };
    for (const auto& [name, value] : fields) {
        if (!result.empty()) result += '&';
        append(name);
        result += '=';
        append(value);
    }
    return result;
}

void set_form(request& what, const form_fields& fields) {
    what.body = form_encode(fields);
    what.headers.set("content-type", "application/x-www-form-urlencoded");
}

multipart::multipart() : boundary_("hearth-") {
    std::random_device device;
    for (int i = 0; i < 4; ++i) {
        std::uint32_t bits = device();
        for (int k = 0; k < 8; ++k, bits >>= 4) boundary_ += hex_digits[bits & 15];
    }
}

void multipart::begin_part(std::string_view name, std::string_view filename, bool has_filename,
                           std::string_view content_type) {
    std::string head = pieces_.empty() ? "--" : "\r\n--";
    head += boundary_ + "\r\ncontent-disposition: form-data; name=" + quoted(name);
    if (has_filename) head += "; filename=" + quoted(filename);
    if (!content_type.empty()) {
        head += "\r\ncontent-type: " + without_line_ends(content_type);
    }
    pieces_.emplace_back(head + "\r\n\r\n");
}

multipart& multipart::add(std::string_view name, std::string value, std::string_view content_type) {
    begin_part(name, {}, false, content_type);
    pieces_.emplace_back(std::move(value));
    return *this;
}

multipart& multipart::add_file(std::string_view name, std::string_view filename, std::string bytes,
                               std::string_view content_type) {
    begin_part(name, filename, true, content_type);
    pieces_.emplace_back(std::move(bytes));
    return *this;
}

multipart& multipart::add_file(std::string_view name, std::string_view filename, file_range file,
                               std::string_view content_type) {
    begin_part(name, filename, true, content_type);
    pieces_.emplace_back(file);
    return *this;
}

std::string multipart::content_type() const { return "multipart/form-data; boundary=" + boundary_; }

std::shared_ptr<body_source> multipart::body() const {
    std::vector<piece> all = pieces_;
    all.emplace_back((all.empty() ? "--" : "\r\n--") + boundary_ + "--\r\n");
    return std::make_shared<multipart_source>(std::move(all));
}

void multipart::set(request& what) const {
    what.body = body();
    what.headers.set("content-type", content_type());
}

HEARTH_END_NAMESPACE
