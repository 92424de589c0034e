// address_race: the addresses of one dial in the order they are tried, and what their race tells
// the origin's address book. Part of a link; afterwards it holds the address the link is connected
// to. Attempts are indices into the order.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/deadline_queue.hpp"
#include "base/prng.hpp"
#include "base/time.hpp"
#include "core/address_book.hpp"
#include "io/endpoint.hpp"
#include "io/resolver.hpp"
#include "io/socket_setup.hpp"

namespace hearth::detail {

/// What the dials of an origin share, and how its name is followed while there are connections.
struct name_watch {
    std::shared_ptr<core::address_book> book;  ///< Made at the first dial, as the next.
    std::shared_ptr<const io::socket_settings> sockets;
    std::uint64_t sockets_of = 0;     ///< The config they were made of.
    base::deadline_handle timer = 0;  ///< To ask again, or to try again to replace connections.
    bool is_asking = false;
    std::uint64_t warming = 0;    ///< The ticket of the replacements under way; 0: none.
    std::uint32_t to_retire = 0;  ///< Connections that they replace.
};

/// Leaves only what can be reached from a local address; all, if it is empty.
void keep_family(io::address_list& addresses, const std::string& local_address);

/// What an exchange is going to tell the breaker of the address it was sent to.
struct address_vote {
    std::shared_ptr<core::address_book> book;  ///< Null: nothing.
    core::address_book::slot address = core::address_book::no_slot;
    core::breaker::ticket ticket{};
};

class address_race {
public:
    address_race() = default;
    ~address_race() { release(); }
    address_race(const address_race&) = delete;
    address_race& operator=(const address_race&) = delete;

    /// One way only, about which nothing is remembered.
    void set(const io::endpoint& only);
    /// Those of a name, in the order that the book says.
    void set(base::time_point now, std::shared_ptr<core::address_book> book,
             const io::address_list& all, base::prng& random);
    void set_port(std::uint16_t port);
    /// The addresses as the book knows them.
    [[nodiscard]] static std::vector<core::address_book::address> name(const io::address_list& all);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] const io::endpoint& operator[](std::uint32_t attempt) const {
        return entries_[attempt].where;
    }
    [[nodiscard]] bool is_v6(std::uint32_t attempt) const {
        return entries_[attempt].address.is_v6();
    }

    // The race.
    const io::endpoint& start(std::uint32_t attempt);
    void fail(base::time_point now, std::uint32_t attempt, base::prng& random);
    [[nodiscard]] bool all_failed() const { return failed_ == entries_.size(); }
    void win(std::uint32_t attempt);
    /// One that was under way is given up; overtaken, if it was begun before the winner.
    void abandon(base::time_point now, std::uint32_t attempt, base::prng& random);
    /// The dial has failed: whatever was under way, or the winner's handshake.
    void fail(base::time_point now, base::prng& random);

    // The winner.
    void ready();
    void answer();
    /// An exchange was lost on it. True: its address is ejected.
    [[nodiscard]] bool lose(base::time_point now, base::prng& random);
    /// An exchange begins on it.
    [[nodiscard]] address_vote vote(base::time_point now) const;
    /// Connected to an address that its name does not have any more.
    [[nodiscard]] bool is_old() const { return is_held() && !book_->is_current(held_); }
    /// Connected to this address of this origin.
    [[nodiscard]] bool is_at(const core::address_book* book, core::address_book::slot held) const {
        return is_held() && book_.get() == book && held_ == held;
    }
    [[nodiscard]] const core::address_book* book() const { return book_.get(); }
    [[nodiscard]] core::address_book::slot held() const { return held_; }

private:
    static constexpr std::uint32_t no_attempt = 0xffffffff;

    struct entry {
        io::endpoint where;
        std::string name;  // in the book
        boost::asio::ip::address address;
        bool is_running = false;
    };
    [[nodiscard]] bool is_held() const {
        return book_ != nullptr && held_ != core::address_book::no_slot;
    }
    void release();

    std::shared_ptr<core::address_book> book_;
    core::address_book::slot held_ = core::address_book::no_slot;
    std::vector<entry> entries_;
    std::size_t failed_ = 0;
    std::uint32_t winner_ = no_attempt;
};

}  // namespace hearth::detail
