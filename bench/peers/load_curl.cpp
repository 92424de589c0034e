// The contract of hearth_load with libcurl's multi interface: one multi handle, an easy handle per
// slot that is added again when its transfer is done, curl_multi_poll. One thread.
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "load_options.hpp"

namespace {

constexpr long buffer_bytes = 256 * 1024;  // its default is 16 KiB

struct slot {
    CURL* easy = nullptr;
    std::uint64_t bytes = 0;
    int sink = -1;
    int upload = -1;
    off_t upload_at = 0;
    std::chrono::steady_clock::time_point started;
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
    auto* one = static_cast<slot*>(to);
    if (one->sink >= 0 && ::pwrite(one->sink, data, size * count, static_cast<off_t>(one->bytes)) !=
                              static_cast<ssize_t>(size * count)) {
        return 0;
    }
    one->bytes += size * count;
    return size * count;
}

std::size_t give_body(char* data, std::size_t size, std::size_t count, void* from) {
    auto* one = static_cast<slot*>(from);
    const ssize_t got = ::pread(one->upload, data, size * count, one->upload_at);
    if (got < 0) return CURL_READFUNC_ABORT;
    one->upload_at += got;
    return static_cast<std::size_t>(got);
}

class program {
public:
    explicit program(const bench::load_options& given) : given_(given), record_(given) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        multi_ = curl_multi_init();
        const std::uint64_t most = given.idle != 0 ? given.idle + 1 : given.concurrency;
        curl_multi_setopt(multi_, CURLMOPT_PIPELINING,
                          given.is_http2 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
        curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(most));
        if (!given.upload.empty()) {
            upload_ = ::open(given.upload.c_str(), O_RDONLY | O_CLOEXEC);
            struct stat about {};
            if (upload_ >= 0 && ::fstat(upload_, &about) == 0) upload_size_ = about.st_size;
        }
        if (!given.sink_path.empty()) {
            sink_ = ::open(given.sink_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        }
    }

    int run() {
        std::vector<slot> slots(given_.concurrency);
        for (slot& one : slots) {
            prepare(one);
            begin(one);
        }
        while (!done_) {
            perform();
            if (!done_) curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
        }
        return record_.print(connections_);
    }

    int run_idle() {
        transfer(1);
        const std::uint64_t before = bench::resident_kib();
        transfer(given_.idle + 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        record_.set_resident(before, bench::resident_kib());
        record_.print(connections_);
        return 0;
    }

private:
    void prepare(slot& one) {
        one.easy = curl_easy_init();
        CURL* easy = one.easy;
        one.sink = sink_;
        one.upload = upload_;
        curl_easy_setopt(easy, CURLOPT_URL, given_.url.c_str());
        curl_easy_setopt(easy, CURLOPT_CAINFO, given_.ca.c_str());
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                         given_.is_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, given_.is_http2 ? 1L : 0L);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, given_.idle != 0 ? 16384L : buffer_bytes);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &one);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, &one);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, given_.uses_new_connections ? 1L : 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, given_.resumes ? 1L : 0L);
        if (upload_ < 0) return;
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, buffer_bytes);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, &one);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(upload_size_));
        expect_ = curl_slist_append(expect_, "Expect:");
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, expect_);
    }

    void begin(slot& one) {
        if (!record_.may_start()) return;
        record_.on_start();
        add(one);
    }

    void add(slot& one) {
        one.bytes = 0;
        one.upload_at = 0;
        one.started = std::chrono::steady_clock::now();
        curl_multi_add_handle(multi_, one.easy);
    }

    void perform() {
        int running = 0;
        curl_multi_perform(multi_, &running);
        int left = 0;
        while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
            if (message->msg == CURLMSG_DONE) on_done(message->easy_handle, message->data.result);
            if (done_) return;
        }
    }

    void on_done(CURL* easy, CURLcode result) {
        slot* one = nullptr;
        long status = 0;
        long opened = 0;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &one);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &opened);
        connections_ += static_cast<std::uint64_t>(opened);
        curl_multi_remove_handle(multi_, easy);
        if (result != CURLE_OK) {
            std::fprintf(stderr, "%s\n", curl_easy_strerror(result));
            std::exit(1);
        }
        ++transferred_;
        const auto size = one->bytes + static_cast<std::uint64_t>(upload_size_);
        if (record_.on_answer(one->started, status / 100 == 2, size)) done_ = true;
        if (given_.idle == 0 && !done_) begin(*one);
    }

    /// All at once, so that each needs a connection of its own.
    void transfer(std::uint64_t count) {
        std::vector<slot> slots(count);
        for (slot& one : slots) {
            prepare(one);
            add(one);
        }
        const std::uint64_t goal = transferred_ + count;
        while (transferred_ < goal) {
            done_ = false;
            perform();
            if (transferred_ < goal) curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
        }
        for (slot& one : slots) curl_easy_cleanup(one.easy);
    }

    const bench::load_options& given_;
    bench::load_record record_;
    CURLM* multi_ = nullptr;
    curl_slist* expect_ = nullptr;
    int sink_ = -1;
    int upload_ = -1;
    off_t upload_size_ = 0;
    std::uint64_t connections_ = 0;
    std::uint64_t transferred_ = 0;
    bool done_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    const bench::load_options given = bench::parse_load_options(argc, argv);
    bench::raise_descriptor_limit();
    program client(given);
    return given.idle != 0 ? client.run_idle() : client.run();
}
