// The storm with libcurl's multi interface (socket actions over epoll): the contract of
// hearth_storm, HTTP/1.1, one thread. A cancelled arrival is a handle removed from the multi one.
#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "../command_line.hpp"
#include "../json_line.hpp"
#include "../process.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t bin_ms = 100;

struct options {
    std::string url;
    std::string ca;
    double slow_fraction = 0;
    double stall_at_s = -1;
    std::uint64_t seed = 1;
    std::map<std::string, std::uint64_t, std::less<>> numbers{
        {"--interval-us", 0}, {"--duration-s", 0}, {"--deadline-ms", 0}, {"--delay-ms", 0},
        {"--slow-ms", 0},     {"--max-conns", 0},  {"--warm", 0},        {"--stall-for-ms", 0}};

    [[nodiscard]] std::uint64_t at(std::string_view name) const {
        return numbers.find(name)->second;
    }
};

options parse(int count, char** values) {
    options result;
    bench::arguments given(count, values);
    while (!given.is_empty()) {
        const std::string_view option = given.take_option();
        if (const auto number = result.numbers.find(option); number != result.numbers.end()) {
            number->second = given.take_number(0, 1'000'000'000);
        } else if (option == "--url") {
            result.url = given.take_value();
        } else if (option == "--ca") {
            result.ca = given.take_value();
        } else if (option == "--slow-fraction") {
            result.slow_fraction = std::stod(given.take_value());
        } else if (option == "--stall-at-s") {
            result.stall_at_s = std::stod(given.take_value());
        } else if (option == "--seed") {
            result.seed = given.take_number(0, UINT64_MAX);
        } else if (option == "--h2") {
            bench::unsupported("--h2");
        } else {
            given.refuse();
        }
    }
    if (result.url.empty() || result.at("--interval-us") == 0 || result.at("--duration-s") == 0 ||
        result.at("--deadline-ms") == 0) {
        bench::usage_error("--url, --interval-us, --duration-s and --deadline-ms are needed.");
    }
    return result;
}

std::size_t drop(char* /*data*/, std::size_t size, std::size_t count, void* /*to*/) {
    return size * count;
}

struct arrival {
    CURL* easy = nullptr;
    std::uint64_t index = 0;
    bool slow = false;
    bool warm = false;
    bool ended = false;
    clock_type::time_point due;
};

class storm {
public:
    explicit storm(options given)
        : given_(std::move(given)),
          total_(given_.at("--duration-s") * 1'000'000 / given_.at("--interval-us")),
          state_(given_.seed),
          multi_(curl_multi_init()),
          epoll_(epoll_create1(0)),
          bin_offered_(given_.at("--duration-s") * 1000 / bin_ms),
          bin_ok_(bin_offered_.size()),
          sec_ok_(given_.at("--duration-s")),
          sec_timeouts_(sec_ok_.size()),
          sec_opened_(sec_ok_.size()) {
        const long possible = static_cast<long>(bench::raise_descriptor_limit());
        curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
        curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
        curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, possible);
        curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                          static_cast<long>(given_.at("--max-conns")));
        latencies_.reserve(total_);
    }

    void run() {
        const bench::cost begin = bench::cost::now();
        for (std::uint64_t i = 0; i < given_.at("--warm"); ++i) {
            auto one = std::make_unique<arrival>();
            one->warm = true;
            start(std::move(one), "/d/400");
        }
        while (inflight_ != 0) turn(milliseconds(100));
        conns_warm_ = opened_;
        const bench::cost start_cost = bench::cost::now();
        cpu_warm_ = cpu(begin, start_cost);
        start_ = clock_type::now();
        while (begun_ < total_ || inflight_ != 0) {
            const auto now = clock_type::now();
            while (begun_ < total_ && due(begun_) <= now) arrive(begun_++, now);
            cancel_late(now);
            auto wake = now + milliseconds(100);
            if (begun_ < total_) wake = std::min(wake, due(begun_));
            if (!deadlines_.empty()) wake = std::min(wake, deadlines_.front()->due + limit());
            turn(wake - clock_type::now());
        }
        const bench::cost end = bench::cost::now();
        report(cpu(start_cost, end),
               std::chrono::duration<double>(end.when - start_cost.when).count());
    }

private:
    static double cpu(const bench::cost& from, const bench::cost& to) {
        return to.user_s + to.system_s - from.user_s - from.system_s;
    }
    static int on_socket(CURL* /*easy*/, curl_socket_t socket, int what, void* self, void* known) {
        auto& me = *static_cast<storm*>(self);
        epoll_event event{};
        event.data.fd = socket;
        if ((what & CURL_POLL_IN) != 0 && what != CURL_POLL_REMOVE) event.events |= EPOLLIN;
        if ((what & CURL_POLL_OUT) != 0 && what != CURL_POLL_REMOVE) event.events |= EPOLLOUT;
        if (what == CURL_POLL_REMOVE) {
            epoll_ctl(me.epoll_, EPOLL_CTL_DEL, socket, nullptr);
        } else {
            epoll_ctl(me.epoll_, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
            curl_multi_assign(me.multi_, socket, self);
        }
        return 0;
    }
    static int on_timer(CURLM* /*multi*/, long timeout_ms, void* self) {
        auto& me = *static_cast<storm*>(self);
        me.has_timer_ = timeout_ms >= 0;
        me.timer_ = clock_type::now() + milliseconds(std::max(timeout_ms, 0L));
        return 0;
    }

    [[nodiscard]] milliseconds limit() const { return milliseconds(given_.at("--deadline-ms")); }
    [[nodiscard]] clock_type::time_point due(std::uint64_t index) const {
        return start_ + microseconds(index * given_.at("--interval-us"));
    }
    [[nodiscard]] std::uint64_t at_us(std::uint64_t index) const {
        return index * given_.at("--interval-us");
    }
    double draw() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
    }

    // Waits for a socket or the wake-up, to the nanosecond, and lets libcurl work.
    void turn(clock_type::duration wait) {
        if (has_timer_) wait = std::min(wait, timer_ - clock_type::now());
        const auto ns = std::max<std::int64_t>(std::chrono::nanoseconds(wait).count(), 0);
        const timespec span{ns / 1'000'000'000, ns % 1'000'000'000};
        epoll_event events[256];
        const int ready = epoll_pwait2(epoll_, events, 256, &span, nullptr);
        int running = 0;
        for (int i = 0; i < ready; ++i) {
            const int what =
                ((events[i].events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                ((events[i].events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(multi_, events[i].data.fd, what, &running);
        }
        if (has_timer_ && timer_ <= clock_type::now()) {
            has_timer_ = false;
            curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        int left = 0;
        while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
            if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
        }
    }

    CURL* take_easy() {
        if (!spare_.empty()) {
            CURL* easy = spare_.back();
            spare_.pop_back();
            return easy;
        }
        CURL* easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_CAINFO, given_.ca.c_str());
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
        return easy;
    }

    void start(std::unique_ptr<arrival> one, const std::string& path) {
        one->easy = take_easy();
        curl_easy_setopt(one->easy, CURLOPT_URL, (given_.url + path).c_str());
        curl_easy_setopt(one->easy, CURLOPT_PRIVATE, one.get());
        curl_multi_add_handle(multi_, one->easy);
        ++inflight_;
        peak_ = std::max(peak_, inflight_);
        if (one->warm) {
            warming_.push_back(std::move(one));
        } else {
            deadlines_.push_back(std::move(one));
        }
    }

    void arrive(std::uint64_t index, clock_type::time_point now) {
        const double at = static_cast<double>(at_us(index)) / 1e6;
        const double stall_end =
            given_.stall_at_s + static_cast<double>(given_.at("--stall-for-ms")) / 1e3;
        auto one = std::make_unique<arrival>();
        one->index = index;
        one->due = due(index);
        one->slow = draw() < given_.slow_fraction ||
                    (given_.stall_at_s >= 0 && at >= given_.stall_at_s && at < stall_end);
        if (now - one->due > milliseconds(1)) ++late_;
        if (!one->slow) {
            ++nonslow_;
            ++bin_offered_[at_us(index) / (bin_ms * 1000)];
        }
        const std::uint64_t wait = given_.at(one->slow ? "--slow-ms" : "--delay-ms");
        start(std::move(one), "/d/" + std::to_string(wait));
    }

    void cancel_late(clock_type::time_point now) {
        while (!deadlines_.empty() &&
               (deadlines_.front()->ended || deadlines_.front()->due + limit() <= now)) {
            arrival& one = *deadlines_.front();
            if (!one.ended) finish(one.easy, CURLE_OPERATION_TIMEDOUT);
            deadlines_.pop_front();
        }
    }

    void finish(CURL* easy, CURLcode result) {
        arrival* one = nullptr;
        long status = 0;
        long opened = 0;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &one);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &opened);
        curl_multi_remove_handle(multi_, easy);
        spare_.push_back(easy);
        --inflight_;
        one->ended = true;
        opened_ += static_cast<std::uint64_t>(opened);
        const auto now = clock_type::now();
        if (one->warm) return;
        const auto wall = static_cast<std::size_t>((now - start_) / std::chrono::seconds(1));
        sec_opened_[std::min(wall, sec_opened_.size() - 1)] += static_cast<std::uint64_t>(opened);
        count(*one, result, status, now - one->due);
    }

    void count(const arrival& one, CURLcode result, long status, clock_type::duration took) {
        const bool ok = result == CURLE_OK && status == 200 && took <= limit();
        const std::size_t second = at_us(one.index) / 1'000'000;
        if (ok) {
            ++ok_;
            ++sec_ok_[second];
            if (!one.slow) {
                ++nonslow_ok_;
                ++bin_ok_[at_us(one.index) / (bin_ms * 1000)];
            }
        } else if (result == CURLE_OK || result == CURLE_OPERATION_TIMEDOUT) {
            ++timeouts_;
            ++sec_timeouts_[second];
        } else {
            ++errors_;
            ++kinds_[curl_easy_strerror(result)];
        }
        if (one.slow) return;
        const double ms = std::chrono::duration<double, std::milli>(took).count();
        latencies_.push_back(ok ? ms : static_cast<double>(given_.at("--deadline-ms")));
    }

    void report(double cpu_s, double wall_s) {
        std::sort(latencies_.begin(), latencies_.end());
        const auto quantile = [&](double share) {
            if (latencies_.empty()) return 0.0;
            const auto last = static_cast<double>(latencies_.size() - 1);
            return latencies_[static_cast<std::size_t>(last * share)];
        };
        const double goodput =
            nonslow_ == 0 ? 1.0 : static_cast<double>(nonslow_ok_) / static_cast<double>(nonslow_);
        bench::json_line()
            .number("sent", total_)
            .number("ok", ok_)
            .number("timeouts", timeouts_)
            .number("errors", errors_)
            .counts("error_kinds", kinds_)
            .number("nonslow", nonslow_)
            .number("nonslow_ok", nonslow_ok_)
            .number("goodput", goodput)
            .number("p50_ms", quantile(0.5))
            .number("p99_ms", quantile(0.99))
            .number("p999_ms", quantile(0.999))
            .number("cpu_s", cpu_s)
            .number("wall_s", wall_s)
            .number("cpu_warm_s", cpu_warm_)
            .number("conns_warm", conns_warm_)
            .number("conns_opened", opened_ - conns_warm_)
            .number("late_starts", late_)
            .number("peak_inflight", peak_)
            .number("maxrss_mb", static_cast<double>(bench::cost::now().max_rss_kib) / 1024)
            .numbers("sec_ok", sec_ok_)
            .numbers("sec_timeouts", sec_timeouts_)
            .numbers("sec_opened", sec_opened_)
            .number("bin_ms", bin_ms)
            .numbers("bin_offered", bin_offered_)
            .numbers("bin_ok", bin_ok_)
            .print();
    }

    const options given_;
    const std::uint64_t total_;
    std::uint64_t state_;
    CURLM* multi_;
    int epoll_;
    bool has_timer_ = false;
    clock_type::time_point timer_;
    clock_type::time_point start_;
    std::vector<CURL*> spare_;
    std::vector<std::unique_ptr<arrival>> warming_;
    std::deque<std::unique_ptr<arrival>> deadlines_;  // one deadline for all: oldest first
    std::uint64_t begun_ = 0;
    std::uint64_t inflight_ = 0;
    std::uint64_t peak_ = 0;
    std::uint64_t opened_ = 0;
    std::uint64_t conns_warm_ = 0;
    double cpu_warm_ = 0;
    std::uint64_t ok_ = 0;
    std::uint64_t timeouts_ = 0;
    std::uint64_t errors_ = 0;
    std::map<std::string, std::uint64_t> kinds_;
    std::uint64_t nonslow_ = 0;
    std::uint64_t nonslow_ok_ = 0;
    std::uint64_t late_ = 0;
    std::vector<double> latencies_;
    std::vector<std::uint64_t> bin_offered_;
    std::vector<std::uint64_t> bin_ok_;
    std::vector<std::uint64_t> sec_ok_;
    std::vector<std::uint64_t> sec_timeouts_;
    std::vector<std::uint64_t> sec_opened_;
};

}  // namespace

int main(int argc, char** argv) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    storm(parse(argc, argv)).run();
    return 0;
}
