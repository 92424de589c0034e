// memory_bio: what a TLS connection reads from and writes to, in memory; the two ends of a custom
// BIO.
//
// Input is borrowed and read in place; what is left over is copied by `retain` and is then read
// before anything borrowed later. OpenSSL is given whole records only, one per read:
// - an incomplete record stays with us, so OpenSSL's read buffer is empty between records and
//   released;
// - `has_record` is exact, and so is `pending`;
// - with read-ahead on, a record costs one read call, not one for its header and one for its body.
// A header that no TLS record can have is passed through as it is, for OpenSSL to reject.
//
// Used by tls_engine alone. Not movable: the BIO keeps the address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/byte_queue.hpp"
#include "proto/openssl_ptr.hpp"

namespace hearth::proto {

class memory_bio {
public:
    static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

    memory_bio() = default;
    memory_bio(const memory_bio&) = delete;
    memory_bio& operator=(const memory_bio&) = delete;

    /// A BIO that reads from and writes to this object, which must outlive it. Null: no memory.
    [[nodiscard]] bio_ptr make_bio();

    /// Borrows `bytes` until `retain` or the next `receive`, which copy what was not read.
    void receive(std::span<const std::byte> bytes);
    void retain();
    /// Octets that were received and not read.
    [[nodiscard]] std::size_t pending() const { return held_.size() + borrowed_.size(); }
    /// True if a whole record is there (or something that cannot become one).
    [[nodiscard]] bool has_record() const;

    /// At most `octets` more are stored, and at most as many more are read; beyond that the input
    /// is over: `is_over_limit`, and reads fail. `no_limit` lifts it.
    void limit_input(std::size_t octets);
    [[nodiscard]] bool is_over_limit() const { return over_limit_; }
    /// Makes every further read fail, also in the middle of a call of OpenSSL's.
    void refuse_input() { refused_ = true; }

    [[nodiscard]] base::byte_queue& output() { return output_; }
    /// Gives memory back that holds nothing.
    void release();
    [[nodiscard]] std::size_t memory() const { return held_.capacity() + output_.capacity(); }

private:
    static const BIO_METHOD* method();
    static int on_read(BIO* bio, char* target, int size);
    static int on_write(BIO* bio, const char* source, int size);
    static long on_control(BIO* bio, int command, long argument, void* pointer);

    [[nodiscard]] std::byte octet(std::size_t index) const;
    [[nodiscard]] std::size_t next_record_size() const;
    [[nodiscard]] int read(std::span<std::byte> target, bool& try_later);
    void copy_out(std::span<std::byte> target);

    base::byte_queue held_;
    std::span<const std::byte> borrowed_;
    base::byte_queue output_;
    std::size_t deliverable_ = 0;  // rest of the record that OpenSSL is reading
    std::size_t limit_ = no_limit;
    bool over_limit_ = false;
    bool refused_ = false;
};

}  // namespace hearth::proto
