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
// Records can be taken out at both ends by who knows their keys: those received one by one
// (`front`), and those that OpenSSL writes from a queue of their own (`divert`).
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

    // Records without OpenSSL.
    /// Records that OpenSSL wrote and read since `start_count`.
    struct counts {
        std::uint64_t written = 0;
        std::uint64_t read = 0;
        bool are_known = true;  ///< False: what OpenSSL wrote was not in whole records.
    };
    void start_count() { counts_ = {}; }
    [[nodiscard]] const counts& count() const { return counts_; }
    /// The whole record that is next, or nothing. Until the next change.
    [[nodiscard]] std::span<const std::byte> front();
    void drop_front(std::size_t size);
    /// OpenSSL reads what it is given by `inject` and nothing else, while `are_kept`.
    void keep_records(bool are_kept) { keeps_records_ = are_kept; }
    void inject(std::span<const std::byte> record) { injected_.append(record); }
    /// OpenSSL writes to `diverted` instead of the output, while it is so.
    void divert(bool is_so) { diverts_ = is_so; }
    [[nodiscard]] base::byte_queue& diverted() { return diverted_; }

    /// Gives memory back that holds nothing.
    void release();
    [[nodiscard]] std::size_t memory() const {
        return held_.capacity() + output_.capacity() + injected_.capacity() + diverted_.capacity();
    }

private:
    static const BIO_METHOD* method();
    static int on_read(BIO* bio, char* target, int size);
    static int on_write(BIO* bio, const char* source, int size);
    static long on_control(BIO* bio, int command, long argument, void* pointer);

    [[nodiscard]] std::byte octet(std::size_t index) const;
    [[nodiscard]] std::size_t next_record_size() const;
    [[nodiscard]] int read(std::span<std::byte> target, bool& try_later);
    void copy_out(std::span<std::byte> target);
    [[nodiscard]] int read_injected(std::span<std::byte> target);
    void count_written(std::span<const std::byte> records);

    base::byte_queue held_;
    std::span<const std::byte> borrowed_;
    base::byte_queue output_;
    std::size_t deliverable_ = 0;  // rest of the record that OpenSSL is reading
    std::size_t limit_ = no_limit;
    bool over_limit_ = false;
    bool refused_ = false;
    bool keeps_records_ = false;
    bool diverts_ = false;
    base::byte_queue injected_;
    base::byte_queue diverted_;
    counts counts_;
};

}  // namespace hearth::proto
