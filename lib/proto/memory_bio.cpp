#include "proto/memory_bio.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace hearth::proto {
namespace {

constexpr std::size_t header_size = 5;  // type, version (2), length (2): RFC 8446 5.1
// The largest record of any version: TLS 1.2 allows 2^14 + 2048 octets (RFC 5246 6.2.3).
constexpr std::size_t max_fragment = 16384 + 2048;
constexpr unsigned first_content_type = 20;  // change_cipher_spec
constexpr unsigned last_content_type = 24;   // heartbeat
constexpr unsigned major_version = 3;

}  // namespace

const BIO_METHOD* memory_bio::method() {
    // Lives as long as the process: connections of detached threads may still use it at exit.
    static const BIO_METHOD* const shared = [] {
        const int type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
        bio_method_ptr made(BIO_meth_new(type, "hearth memory"));
        if (!made) throw std::bad_alloc();  // it will be tried again
        BIO_meth_set_read(made.get(), &memory_bio::on_read);
        BIO_meth_set_write(made.get(), &memory_bio::on_write);
        BIO_meth_set_ctrl(made.get(), &memory_bio::on_control);
        return made.release();
    }();
    return shared;
}

bio_ptr memory_bio::make_bio() {
    bio_ptr bio;
    try {
        bio.reset(BIO_new(method()));
    } catch (const std::bad_alloc&) {  // of the method
    }
    if (!bio) return bio;
    BIO_set_data(bio.get(), this);
    BIO_set_init(bio.get(), 1);
    return bio;
}

int memory_bio::on_read(BIO* bio, char* target, int size) {
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    bool try_later = false;
    auto* self = static_cast<memory_bio*>(BIO_get_data(bio));
    const int count = self->read(
        std::as_writable_bytes(std::span(target, static_cast<std::size_t>(size))), try_later);
    if (try_later) BIO_set_retry_read(bio);
    return count;
}

int memory_bio::on_write(BIO* bio, const char* source, int size) {
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    auto* self = static_cast<memory_bio*>(BIO_get_data(bio));
    const auto records = std::as_bytes(std::span(source, static_cast<std::size_t>(size)));
    try {
        (self->diverts_ ? self->diverted_ : self->output_).append(records);
        self->count_written(records);
    } catch (const std::bad_alloc&) {  // no exception may cross OpenSSL
        return -1;
    }
    return size;
}

long memory_bio::on_control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

void memory_bio::receive(std::span<const std::byte> bytes) {
    if (!borrowed_.empty()) retain();
    borrowed_ = bytes;
}

void memory_bio::retain() {
    if (borrowed_.size() > limit_ || held_.size() > limit_ - borrowed_.size()) {
        over_limit_ = refused_ = true;
    } else {
        held_.append(borrowed_);
    }
    borrowed_ = {};
    release();
}

void memory_bio::release() {
    held_.release();
    output_.release();
}

void memory_bio::limit_input(std::size_t octets) { limit_ = octets; }

bool memory_bio::has_record() const { return deliverable_ != 0 || next_record_size() != 0; }

std::byte memory_bio::octet(std::size_t index) const {
    const auto held = held_.data();
    return index < held.size() ? held[index] : borrowed_[index - held.size()];
}

// The octets of the record at the front; 0 while some are missing.
std::size_t memory_bio::next_record_size() const {
    const std::size_t available = pending();
    if (available < header_size) return 0;
    const auto type = std::to_integer<unsigned>(octet(0));
    const std::size_t fragment =
        std::to_integer<std::size_t>(octet(3)) << 8U | std::to_integer<std::size_t>(octet(4));
    const bool plausible = type >= first_content_type && type <= last_content_type &&
                           std::to_integer<unsigned>(octet(1)) == major_version &&
                           fragment <= max_fragment;
    if (!plausible) return available;
    return available - header_size >= fragment ? header_size + fragment : 0;
}

int memory_bio::read(std::span<std::byte> target, bool& try_later) {
    if (refused_) return -1;
    if (keeps_records_ || !injected_.empty()) {
        try_later = injected_.empty();
        return try_later ? -1 : read_injected(target);
    }
    if (deliverable_ == 0) {
        deliverable_ = next_record_size();
        if (deliverable_ != 0) ++counts_.read;
    }
    if (deliverable_ == 0) {
        try_later = true;
        return -1;
    }
    const std::size_t count = std::min(target.size(), deliverable_);
    if (count > limit_) {
        over_limit_ = refused_ = true;
        return -1;
    }
    copy_out(target.first(count));
    deliverable_ -= count;
    if (limit_ != no_limit) limit_ -= count;
    return static_cast<int>(count);
}

int memory_bio::read_injected(std::span<std::byte> target) {
    const auto all = injected_.data();
    const std::size_t count = std::min(target.size(), all.size());
    std::memcpy(target.data(), all.data(), count);
    injected_.consume(count);
    injected_.release();
    return static_cast<int>(count);
}

// libssl writes record by record.
void memory_bio::count_written(std::span<const std::byte> records) {
    while (!records.empty()) {
        if (records.size() < header_size) break;
        const std::size_t size = header_size + (std::to_integer<std::size_t>(records[3]) << 8U |
                                                std::to_integer<std::size_t>(records[4]));
        if (size > records.size()) break;
        ++counts_.written;
        records = records.subspan(size);
    }
    if (!records.empty()) counts_.are_known = false;
}

std::span<const std::byte> memory_bio::front() {
    const std::size_t size = next_record_size();
    if (held_.empty()) return borrowed_.first(size);
    if (held_.size() < size) {
        const std::size_t rest = size - held_.size();
        held_.append(borrowed_.first(rest));
        borrowed_ = borrowed_.subspan(rest);
    }
    return held_.data().first(size);
}

void memory_bio::drop_front(std::size_t size) {
    if (held_.empty()) {
        borrowed_ = borrowed_.subspan(size);
    } else {
        held_.consume(size);
    }
}

void memory_bio::copy_out(std::span<std::byte> target) {
    const std::size_t from_held = std::min(target.size(), held_.size());
    if (from_held != 0) {
        std::memcpy(target.data(), held_.data().data(), from_held);
        held_.consume(from_held);
        target = target.subspan(from_held);
    }
    if (target.empty()) return;
    std::memcpy(target.data(), borrowed_.data(), target.size());
    borrowed_ = borrowed_.subspan(target.size());
}

}  // namespace hearth::proto
