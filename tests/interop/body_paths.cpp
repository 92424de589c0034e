// One body from a file or to one, or 500 small GETs one after the other, on one connection or on
// one each, alone in a process so that their system calls can be counted:
//
//   body_paths download|upload|gets|connects URL CA_FILE FILE
//
// Prints the four numbers of the (last) exchange's `transfer`.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdio>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "hearth/hearth.hpp"

namespace {

int fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    return 1;
}

hearth::transfer download(hearth::client& from, hearth::request what, int file) {
    constexpr std::uint64_t all = std::uint64_t{1} << 40U;
    const auto token = boost::asio::use_future;
    hearth::exchange x = from.async_open(std::move(what), token).get();
    if (x.async_read_head(token).get().status != 200) throw std::runtime_error("not 200");
    try {
        (void)x.async_read_to({.descriptor = file, .offset = 0, .length = all}, token).get();
    } catch (const boost::system::system_error& end) {
        if (end.code() != boost::asio::error::eof) throw;
    }
    return x.transfer();
}

hearth::transfer upload(hearth::client& to, hearth::request what, int file) {
    struct stat about {};
    if (::fstat(file, &about) != 0) throw std::runtime_error("no file");
    what.method = hearth::method::put;
    what.body = hearth::file_range{
        .descriptor = file, .offset = 0, .length = static_cast<std::uint64_t>(about.st_size)};
    const hearth::response got = to.send(std::move(what));
    if (got.status / 100 != 2) throw std::runtime_error("not 2xx");
    return got.transfer;
}

/// On the client's thread, where the answer to one begins the next.
class sequence {
public:
    sequence(hearth::client& to, hearth::request what) : to_(to), what_(std::move(what)) {}

    hearth::transfer run() {
        boost::asio::post(to_.get_executor(), [this] { next(); });
        return done_.get_future().get();
    }

private:
    void next() {
        to_.async_send(what_, [this](boost::system::error_code error, hearth::response got) {
            if (error || got.status != 200) {
                const auto why = std::make_exception_ptr(std::runtime_error("not 200"));
                done_.set_exception(why);
            } else if (--left_ != 0) {
                next();
            } else {
                done_.set_value(got.transfer);
            }
        });
    }

    hearth::client& to_;
    const hearth::request what_;
    int left_ = 500;
    std::promise<hearth::transfer> done_;
};

}  // namespace

int main(int count, char** values) {
    if (count != 5) return fail("usage: body_paths download|upload|gets|connects URL CA_FILE FILE");
    const std::string_view action = values[1];
    const bool is_download = action != "upload";
    const int flags = is_download ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
    const int file = ::open(values[4], flags | O_CLOEXEC, 0644);
    if (file < 0) return fail("the file cannot be opened");
    try {
        hearth::config values_of;
        values_of.io.threads = 1;
        values_of.protocol = hearth::protocol_policy::automatic;
        values_of.tls.profile = hearth::tls_profile::make({.ca_file = values[3]});
        hearth::client client(values_of);
        hearth::request what;
        what.url = values[2];
        const bool is_sequence = action == "gets" || action == "connects";
        if (action == "connects") what.headers.set("connection", "close");
        const hearth::transfer took = is_sequence   ? sequence(client, std::move(what)).run()
                                      : is_download ? download(client, std::move(what), file)
                                                    : upload(client, std::move(what), file);
        std::printf("%ju %ju %ju %ju\n", std::uintmax_t{took.sent_copied},
                    std::uintmax_t{took.sent_from_file}, std::uintmax_t{took.received_copied},
                    std::uintmax_t{took.received_to_file});
    } catch (const std::exception& error) {
        return fail(error.what());
    }
    ::close(file);
    return 0;
}
