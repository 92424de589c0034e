// Command lines of the programs that outside harnesses drive: options in order, numbers checked,
// exit 64 for what is wrong or unsupported.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

inline constexpr int usage_exit = 64;  // EX_USAGE of sysexits.h.

[[noreturn]] inline void usage_error(const std::string& sentence) {
    std::fprintf(stderr, "%s\n", sentence.c_str());
    std::exit(usage_exit);
}

/// What this client cannot do is said on stdout, too, for the harness.
[[noreturn]] inline void unsupported(std::string_view option) {
    std::printf("{\"error\":\"unsupported\",\"detail\":\"%.*s\"}\n",
                static_cast<int>(option.size()), option.data());
    std::fflush(stdout);
    usage_error("Not supported: " + std::string(option) + ".");
}

class arguments {
public:
    arguments(int count, char** values) : count_(count), values_(values) {}

    [[nodiscard]] bool is_empty() const { return at_ >= count_; }
    /// The next option.
    std::string_view take_option() {
        option_ = values_[at_++];
        return option_;
    }
    /// A value of the option taken last.
    std::string take_value() {
        if (is_empty()) usage_error("A value is missing after " + option_ + ".");
        return values_[at_++];
    }
    std::uint64_t take_number(std::uint64_t low, std::uint64_t high) {
        const std::string text = take_value();
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size() || value < low ||
            value > high) {
            usage_error(option_ + " takes a number from " + std::to_string(low) + " to " +
                        std::to_string(high) + ", not '" + text + "'.");
        }
        return value;
    }
    [[noreturn]] void refuse() const { usage_error("Unknown option: " + option_ + "."); }

private:
    int count_;
    char** values_;
    int at_ = 1;
    std::string option_;
};

}  // namespace bench
