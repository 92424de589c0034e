// readiness_set: the sockets of one shard, watched for readiness by one descriptor.
//
// Asio re-arms a socket for every wait, a system call each, and shows neither the end of the stream
// nor errors apart from data. So a shard's sockets are registered once, edge-triggered, with an
// epoll set of the shard's own; Asio watches that set (`edge_wait`), so it works on any executor.
//
// An edge is told once: its target remembers what it was told until a read or write finds nothing
// left (`connection_driver` does). Everything runs on the executor. A target may be removed, and
// the owner may go, from inside any call; an exception that passes through loses no edge. On an
// io_context memory is asked for where sockets are added, and nowhere else.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/id.hpp"
#include "base/ring.hpp"
#include "io/edge_wait.hpp"
#include "io/standing_post.hpp"

namespace hearth::io {

struct watch_tag;
/// A socket in a set.
using watch_id = base::id<watch_tag>;

/// What an edge may mean; several at once.
struct readiness {
    bool readable = false;
    bool writable = false;
    bool ending = false;  // the end, an error or urgent data: a short read does not mean empty

    void add(readiness news) {
        readable = readable || news.readable;
        writable = writable || news.writable;
        ending = ending || news.ending;
    }
};

class readiness_target {
public:
    /// Also called, with nothing new, after `call_again`.
    virtual void on_ready(watch_id watch, readiness news) = 0;

protected:
    ~readiness_target() = default;
};

/// Whose sockets are in a set.
class readiness_owner {
public:
    /// The targets of one batch have been told what there was; may throw what a handler did.
    virtual void on_batch_told() = 0;

protected:
    ~readiness_owner() = default;
};

class readiness_set final : public edge_listener,
                            public std::enable_shared_from_this<readiness_set> {
public:
    /// `owner` is kept alive while targets are called, which nobody is once it is gone.
    readiness_set(boost::asio::any_io_executor executor, std::weak_ptr<readiness_owner> owner);
    ~readiness_set() = default;
    readiness_set(const readiness_set&) = delete;
    readiness_set& operator=(const readiness_set&) = delete;

    [[nodiscard]] const boost::asio::any_io_executor& executor() const { return executor_; }

    /// What the descriptor is ready for already counts as an edge. `watch` names it until `remove`.
    /// The first call opens the set's own descriptor and fails if the process has none left.
    [[nodiscard]] boost::system::error_code add(int descriptor, readiness_target& target,
                                                watch_id& watch);
    /// Before the descriptor is closed, which ends its registration.
    void remove(watch_id watch);
    [[nodiscard]] bool contains(watch_id watch) const;
    /// Calls the target soon, never from inside this call.
    void call_again(watch_id watch);

    /// In a call to a target: `on_batch_told` follows it.
    [[nodiscard]] bool is_telling() const { return in_batch_; }
    /// In a call to a target or to the owner: nothing else was ready when this was.
    [[nodiscard]] bool is_last() const {
        return telling_ && batch_.events.empty() && !batch_.is_full && again_.empty();
    }

    /// How many more waits there are. While there are none, nothing keeps the executor busy and no
    /// edge is told.
    void begin_wait();
    void end_wait();

private:
    struct slot {
        readiness_target* target = nullptr;
        std::uint32_t generation = 0;
        bool is_again = false;  // in `again_`
    };

    [[nodiscard]] boost::system::error_code open();
    void watch_edges();
    void on_edge(boost::system::error_code error) override;
    void collect();
    void post_collect();
    void tell_batch();
    void tell_again();
    void post_again();
    void tell(watch_id watch, readiness news);

    const boost::asio::any_io_executor executor_;
    const std::weak_ptr<readiness_owner> owner_;
    edge_wait edges_;
    std::vector<slot> slots_;
    std::vector<std::uint32_t> free_;
    edge_wait::batch batch_;  // of its events what has not been told
    base::ring<watch_id> again_;
    standing_post collect_post_;  // one of each is on its way at most
    standing_post rest_post_;
    standing_post again_post_;
    std::size_t waits_ = 0;
    bool watching_ = false;
    bool telling_ = false;   // a batch, or its rest is to come
    bool in_batch_ = false;  // targets of it are called
    bool again_posted_ = false;
};

}  // namespace hearth::io
