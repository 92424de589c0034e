// What scenarios in one process share: an open loop of calls by a client on the caller's thread,
// and the promises that its results are held against.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hearth/hearth.hpp"
#include "hearth/testing/testing.hpp"

namespace bench {

using clock_type = std::chrono::steady_clock;

// What is promised, and what came out.
class promises {
public:
    void at_most(const std::string& what, double bound, double value) {
        add(what, "<=", bound, value, value <= bound);
    }
    void at_least(const std::string& what, double bound, double value) {
        add(what, ">=", bound, value, value >= bound);
    }
    // Prints them; false if one does not hold.
    [[nodiscard]] bool report() const {
        std::printf("%-66s %10s %10s\n", "promised", "bound", "measured");
        for (const std::string& line : lines_) std::printf("%s\n", line.c_str());
        return all_hold_;
    }

private:
    void add(const std::string& what, const char* relation, double bound, double value,
             bool holds) {
        std::array<char, 160> line{};
        std::snprintf(line.data(), line.size(), "%-66s %s %7.4g %10.4g  %s", what.c_str(), relation,
                      bound, value, holds ? "holds" : "DOES NOT HOLD");
        lines_.emplace_back(line.data());
        all_hold_ = all_hold_ && holds;
    }
    std::vector<std::string> lines_;
    bool all_hold_ = true;
};

struct outcome {
    double at = 0.0;  // seconds from the beginning, of the call
    double took_ms = 0.0;
    bool good = false;
    bool critical = false;
    std::string peer{};  // "127.0.0.1:443"
};

// Calls at a rate, whatever becomes of them (an open loop), until the time is over.
class load {
public:
    using make_request = std::function<hearth::request(std::uint64_t)>;
    using on_second = std::function<void(std::uint64_t)>;

    load(hearth::config values, double rate, make_request make, on_second tick)
        : client_(context_.get_executor(), std::move(values)),
          timer_(context_),
          rate_(rate),
          make_(std::move(make)),
          tick_(std::move(tick)) {}

    std::vector<outcome> run(double seconds) {
        total_ = static_cast<std::uint64_t>(rate_ * seconds);
        results_.reserve(total_);
        begun_ = clock_type::now();
        next();
        while (results_.size() < total_ && context_.run_one_for(std::chrono::seconds(10)) != 0) {
        }
        return std::move(results_);
    }
    using on_sample = std::function<void(double at, const hearth::stats&)>;
    /// Called with the statistics of about every 5 ms.
    void watch(on_sample look) { look_ = std::move(look); }
    hearth::stats stats() {
        std::optional<hearth::stats> got;
        client_.async_stats([&](hearth::stats one) { got = std::move(one); });
        while (!got && context_.run_one_for(std::chrono::seconds(10)) != 0) {
        }
        return *got;
    }

private:
    [[nodiscard]] double now() const {
        return std::chrono::duration<double>(clock_type::now() - begun_).count();
    }
    void next() {
        const auto due = std::min(static_cast<std::uint64_t>(now() * rate_) + 1, total_);
        while (sent_ < due) {
            const auto second = static_cast<std::uint64_t>(static_cast<double>(sent_) / rate_);
            if (second >= ticks_ && tick_) tick_(ticks_++);
            call(sent_++);
        }
        if (look_ && ++turns_ % 5 == 0) {
            client_.async_stats([this](const hearth::stats& seen) { look_(now(), seen); });
        }
        if (sent_ == total_) return;
        timer_.expires_after(std::chrono::milliseconds(1));
        timer_.async_wait([this](boost::system::error_code error) {
            if (!error) next();
        });
    }
    void call(std::uint64_t number) {
        hearth::request what = make_(number);
        const bool critical = what.priority_class == hearth::priority_class::critical;
        const double at = now();
        client_.async_send(std::move(what), [this, at, critical](boost::system::error_code error,
                                                                 const hearth::response& got) {
            results_.push_back({at, (now() - at) * 1e3, !error && got.status == 200, critical,
                                got.connection.peer_address});
        });
    }

    boost::asio::io_context context_{1};
    hearth::client client_;
    boost::asio::steady_timer timer_;
    double rate_;
    make_request make_;
    on_second tick_;
    on_sample look_;
    std::uint64_t turns_ = 0;
    clock_type::time_point begun_;
    std::uint64_t total_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t ticks_ = 0;
    std::vector<outcome> results_;
};

inline hearth::testing::origin_options plaintext() {
    hearth::testing::origin_options options;
    options.listen.tls = false;
    return options;
}

inline hearth::request get(const std::string& url, std::chrono::milliseconds deadline) {
    hearth::request what;
    what.url = url;
    what.deadline = hearth::in(deadline);
    return what;
}

inline double percentile(std::vector<double> values, double share) {
    if (values.empty()) return 0.0;
    const auto rank = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + rank, values.end());
    return values[static_cast<std::size_t>(rank)];
}

inline double good_share(const std::vector<outcome>& all, double from, double to) {
    std::uint64_t good = 0;
    std::uint64_t count = 0;
    for (const outcome& one : all) {
        if (one.at < from || one.at >= to) continue;
        ++count;
        if (one.good) ++good;
    }
    return count == 0 ? 0.0 : static_cast<double>(good) / static_cast<double>(count);
}

}  // namespace bench
