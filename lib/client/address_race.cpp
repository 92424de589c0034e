#include "client/address_race.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <utility>

namespace hearth::detail {

void keep_family(io::address_list& addresses, const std::string& local_address) {
    if (local_address.empty()) return;
    boost::system::error_code error;
    const auto local = boost::asio::ip::make_address(local_address, error);
    std::erase_if(addresses,
                  [&](const auto& one) { return error || one.is_v6() != local.is_v6(); });
}

void address_race::set(const io::endpoint& only) {
    release();
    entries_ = {{only, {}, {}, false}};
}

void address_race::set(base::time_point now, std::shared_ptr<core::address_book> book,
                       const io::address_list& all, base::prng& random) {
    release();
    book_ = std::move(book);
    const auto known = name(all);
    book_->update(now, known);
    entries_.clear();
    for (const std::uint32_t i : book_->order(now, known, random)) {
        entries_.push_back({{}, known[i].name, all[i], false});
    }
    if (entries_.empty()) return;
    // `order` holds the first one for us.
    held_ = book_->hold(entries_.front().name);
    book_->release(held_);
}

std::vector<core::address_book::address> address_race::name(const io::address_list& all) {
    std::vector<core::address_book::address> names;
    for (const auto& one : all) names.push_back({one.to_string(), one.is_v6()});
    return names;
}

void address_race::set_port(std::uint16_t port) {
    for (entry& one : entries_) one.where = boost::asio::ip::tcp::endpoint(one.address, port);
}

const io::endpoint& address_race::start(std::uint32_t attempt) {
    entries_[attempt].is_running = true;
    return entries_[attempt].where;
}

void address_race::fail(base::time_point now, std::uint32_t attempt, base::prng& random) {
    entries_[attempt].is_running = false;
    ++failed_;
    if (book_) book_->on_failed(now, entries_[attempt].name, random);
}

void address_race::win(std::uint32_t attempt) {
    winner_ = attempt;
    entries_[attempt].is_running = false;
    if (!book_) return;
    const auto first = std::exchange(held_, book_->hold(entries_[attempt].name));
    if (first != core::address_book::no_slot) book_->release(first);
}

void address_race::abandon(base::time_point now, std::uint32_t attempt, base::prng& random) {
    if (!std::exchange(entries_[attempt].is_running, false)) return;
    const bool is_overtaken = winner_ != no_attempt && attempt < winner_;
    if (is_overtaken && book_) book_->on_failed(now, entries_[attempt].name, random);
}

void address_race::fail(base::time_point now, base::prng& random) {
    if (!book_) return;
    if (winner_ != no_attempt) book_->on_failed(now, entries_[winner_].name, random);
    for (entry& one : entries_) {
        if (std::exchange(one.is_running, false)) book_->on_failed(now, one.name, random);
    }
}

void address_race::ready() {
    if (is_held()) book_->on_ready(held_);
}

void address_race::answer() {
    if (is_held()) book_->on_answer(held_);
}

bool address_race::lose(base::time_point now, base::prng& random) {
    return is_held() && book_->on_lost(now, held_, random);
}

address_vote address_race::vote(base::time_point now) const {
    if (!is_held() || !book_->has_breakers()) return {};
    return {book_, held_, book_->begin(now, held_)};
}

void address_race::release() {
    if (is_held()) book_->release(held_);
    held_ = core::address_book::no_slot;
}

}  // namespace hearth::detail
