// What the tests share in which a client's own thread gets no objects: each request for memory of
// that thread is refused once, in a client of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hostile/memory_fixture.hpp"

namespace hearth::hostile {

/// Has the threads of the client watched that serve these origins.
inline void watch_threads(client& subject, const std::vector<origin>& origins) {
    for (const origin& one : origins) {
        support::awaited<boost::system::error_code, std::uint32_t> done;
        subject.async_warm(
            one, 0, [told = done.handler()](boost::system::error_code error, std::uint32_t count) {
                watch_this_thread();
                told(error, count);
            });
        (void)done.wait();
    }
}

[[nodiscard]] inline bool is_excused(boost::system::error_code error) {
    return error == errc::out_of_memory || error == errc::name_failed ||
           error == errc_condition::tls || error == errc::peer_reset;
}

class HostileThreadMemoryTest : public HostileMemoryTest {
protected:
    /// Does the same on one client again and again, with each request for memory of its thread
    /// refused once; `first` goes before that. What it does waits until it is done.
    void starve(const config& values, const std::function<void(client&)>& work,
                std::uint64_t usual_stride = 1, const std::function<void(client&)>& first = {}) {
        const std::uint64_t stride = stride_of(usual_stride);
        unsigned enough = 0;
        std::uint64_t at = 0;
        for (; enough < 3; at += stride) {
            SCOPED_TRACE("request for memory number " + std::to_string(at));
            client subject(values);
            watch_threads(subject, {origin_of(get())});
            if (first) first(subject);
            set_shortage(heap::objects, at);
            work(subject);
            const bool was_short = requests_made() > at;
            end_shortage();
            expect_answer(subject);
            expect_sound(subject);
            if (HasFailure()) return;
            enough = was_short ? 0 : enough + 1;
        }
        EXPECT_GT(at, 3U) << "nothing is asked for";
    }
    void starve(const std::function<void(client&)>& work, std::uint64_t usual_stride = 1,
                const std::function<void(client&)>& first = {}) {
        starve(config_for(*origin_, names_.address()), work, usual_stride, first);
    }

    static origin origin_of(const request& what) { return origin::parse(what.url).value(); }

    void expect_result(const support::awaited_response& done, bool is_upload = false) {
        const boost::system::error_code error = done.error();
        if (error) {
            EXPECT_TRUE(is_excused(error))
                << error.message() << "; " << done.value().failure.detail;
            EXPECT_NE(done.value().failure.phase, phase::none);
        } else {
            EXPECT_EQ(done.value().status, 200U);
            EXPECT_TRUE(is_upload || done.value().body == text_) << "octets are wrong";
        }
    }
};

}  // namespace hearth::hostile
