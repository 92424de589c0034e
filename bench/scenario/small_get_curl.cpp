// The small GET with libcurl's multi interface: one multi handle, an easy handle per slot that is
// added again when its transfer is done, curl_multi_poll. One thread.
#include <curl/curl.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "load_options.hpp"

namespace {

struct slot {
    CURL* easy = nullptr;
    std::size_t bytes = 0;
    std::chrono::steady_clock::time_point started;
};

std::size_t count_bytes(char* /*data*/, std::size_t size, std::size_t count, void* to) {
    static_cast<slot*>(to)->bytes += size * count;
    return size * count;
}

void begin(CURLM* multi, slot& one, bench::load_record& record) {
    if (!record.may_start()) return;
    record.on_start();
    one.bytes = 0;
    one.started = std::chrono::steady_clock::now();
    curl_multi_add_handle(multi, one.easy);
}

}  // namespace

int main(int argc, char** argv) {
    const bench::load_options given = bench::parse_load_options(argc, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM* multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(given.concurrency));
    bench::load_record record(given);
    std::vector<slot> slots(given.concurrency);
    for (slot& one : slots) {
        one.easy = curl_easy_init();
        curl_easy_setopt(one.easy, CURLOPT_URL, given.url.c_str());
        curl_easy_setopt(one.easy, CURLOPT_CAINFO, given.ca.c_str());
        curl_easy_setopt(one.easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(one.easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(one.easy, CURLOPT_WRITEFUNCTION, count_bytes);
        curl_easy_setopt(one.easy, CURLOPT_WRITEDATA, &one);
        curl_easy_setopt(one.easy, CURLOPT_PRIVATE, &one);
        begin(multi, one, record);
    }
    std::uint64_t connections = 0;
    for (bool done = false; !done;) {
        int running = 0;
        curl_multi_perform(multi, &running);
        int left = 0;
        while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            CURL* easy = message->easy_handle;
            const CURLcode result = message->data.result;
            slot* one = nullptr;
            long status = 0;
            long opened = 0;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &one);
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &opened);
            connections += static_cast<std::uint64_t>(opened);
            curl_multi_remove_handle(multi, easy);
            if (result != CURLE_OK) {
                std::fprintf(stderr, "%s\n", curl_easy_strerror(result));
                return 1;
            }
            if (record.on_answer(one->started, status == 200, one->bytes)) {
                done = true;
                break;
            }
            begin(multi, *one, record);
        }
        if (!done) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
    const int code = record.print(connections);
    for (slot& one : slots) curl_easy_cleanup(one.easy);
    curl_multi_cleanup(multi);
    return code;
}
