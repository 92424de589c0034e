// What a call costs that is refused at once: where there are more calls than there is CPU, it
// decides what is left for those that are answered.
//
//   refusals --calls N --burst N
//
// The calls are made on the client's thread, `burst` at a time, and have a deadline that has
// passed. Prints `ns_per_call` and the `allocations` of each, those for the request included;
// bench/instructions.py runs it under callgrind, too.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "hearth/client.hpp"
#include "support/allocations.hpp"

namespace {

using steady_clock = std::chrono::steady_clock;

class caller {
public:
    caller(std::uint64_t calls, std::uint64_t burst) : left_(calls), burst_(burst) {}

    void run() {
        boost::asio::post(client_.get_executor(), [this] {
            allocations_ = hearth::support::allocations();
            next_burst();
        });
        done_.get_future().wait();
    }
    [[nodiscard]] std::uint64_t refused() const { return refused_; }
    [[nodiscard]] std::uint64_t allocations() const { return allocations_; }

private:
    void next_burst() {
        const std::uint64_t count = std::min(left_, burst_);
        left_ -= count;
        awaited_ = count;
        if (count == 0) {
            allocations_ = hearth::support::allocations() - allocations_;
            return done_.set_value();
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            hearth::request request{hearth::method::get, url_ + "/d/5"};
            request.deadline = passed_;
            client_.async_send(std::move(request), [this](boost::system::error_code error,
                                                          const hearth::response& /*none*/) {
                if (error == hearth::errc::deadline_exceeded) ++refused_;
                if (--awaited_ == 0) next_burst();
            });
        }
    }

    const std::string url_ = "https://localhost:12345";
    const steady_clock::time_point passed_ = steady_clock::now();
    std::uint64_t left_;
    const std::uint64_t burst_;
    std::uint64_t awaited_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t allocations_ = 0;  // of the client's thread
    std::promise<void> done_;
    hearth::client client_{hearth::config{}};
};

}  // namespace

int main(int count, char** values) {
    std::uint64_t calls = 1'000'000;
    std::uint64_t burst = 1'000;
    bench::arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (option == "--calls") {
            calls = given.take_number(1, 1'000'000'000);
        } else if (option == "--burst") {
            burst = given.take_number(1, 1'000'000);
        } else {
            given.refuse();
        }
    }
    caller subject(calls, burst);
    const auto began = steady_clock::now();
    subject.run();
    const auto took = std::chrono::duration<double, std::nano>(steady_clock::now() - began);
    bench::json_line()
        .number("calls", calls)
        .number("refused", subject.refused())
        .number("ns_per_call", took.count() / static_cast<double>(calls))
        .number("allocations",
                static_cast<double>(subject.allocations()) / static_cast<double>(calls))
        .print();
    return subject.refused() == calls ? 0 : 1;
}
