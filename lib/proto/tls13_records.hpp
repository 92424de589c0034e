// tls13_records: the records of an established TLS 1.3 connection (RFC 8446 5.2), protected without
// libssl.
//
// libssl spends some ten thousand instructions on a small record that OpenSSL's cipher is done with
// in one, and copies every octet twice. Here data is sealed where the output lies, and opened where
// the reader wants it. All else stays libssl's: its handshake, and after it every record that is no
// data (tickets, alerts, key updates), which libssl must see, and whose answers it gives. libssl
// numbers its records by itself, and does not know of those that it never saw; so what goes between
// it and the peer is opened under one number and sealed again under the other. Tickets that nobody
// wants need not reach it.
//
// Each direction is taken over by itself, at the number that libssl has come to.
// A direction is ours until its first key update: from there on the numbers start anew for both,
// and libssl goes on alone. Data between the parts of a handshake message is not refused, for
// libssl does not see it.
//
// No nonce is used twice for what leaves this process: only `seal` and `forward` make records for
// the peer, and both take the next number. What is sealed for libssl's eyes never leaves it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/byte_queue.hpp"
#include "proto/tls13_aead.hpp"
#include "proto/tls13_kdf.hpp"

namespace hearth::proto {

/// The parts of a record (RFC 8446 5.1, 5.2), in octets.
struct tls13_record {
    static constexpr std::size_t header_size = 5;
    static constexpr std::size_t tag_size = tls13_aead::tag_size;
    static constexpr std::size_t max_plain_size = 16384;
    /// What sealing adds: header, content type, tag.
    static constexpr std::size_t overhead = header_size + 1 + tag_size;
    static constexpr std::size_t max_sealed_size = header_size + max_plain_size + 256;

    /// One record by its header, and nothing behind it.
    [[nodiscard]] static bool is_whole(std::span<const std::byte> octets);
};

/// The protection of one direction under one key. `number` makes the nonce: sealing two different
/// texts under one number breaks the key, if anybody sees both.
class tls13_record_cipher {
public:
    using use = tls13_aead_context::use;
    tls13_record_cipher(const tls13_aead& aead, const tls13_traffic_keys::side& key, use what)
        : aead_(aead, {key.key.data(), key.key_size}, what), iv_(key.iv) {}
    /// False: OpenSSL had no memory for it, and it cannot be used.
    [[nodiscard]] bool is_ready() const { return aead_.is_ready(); }
    ~tls13_record_cipher();
    tls13_record_cipher(const tls13_record_cipher&) = delete;
    tls13_record_cipher& operator=(const tls13_record_cipher&) = delete;

    /// Writes the record of `plain`, `max_plain_size` octets at most, to `out`, which has
    /// `overhead` more and does not overlap. False: OpenSSL failed, for lack of memory if at all.
    [[nodiscard]] bool seal(std::uint64_t number, std::uint8_t type,
                            std::span<const std::byte> plain, std::span<std::byte> out);

    struct opened {
        std::uint8_t type = 0;  ///< 0: none, which no record may have.
        std::size_t size = 0;   ///< Octets of content.
    };
    /// The octets that `open` needs room for: content and padding, if any; the type has none.
    [[nodiscard]] static std::size_t room_for(std::span<const std::byte> record);
    /// Opens a whole record into `into`, of which one octet more than `room_for` is written at
    /// most. Nothing: it is not authentic, and nothing of it is in `into`.
    [[nodiscard]] std::optional<opened> open(std::uint64_t number,
                                             std::span<const std::byte> record,
                                             std::span<std::byte> into);

private:
    [[nodiscard]] tls13_aead::nonce nonce(std::uint64_t number) const;

    tls13_aead_context aead_;
    tls13_aead::nonce iv_;
};

class tls13_records {
public:
    /// `keys` are whole; `aead` outlives this object.
    tls13_records(const tls13_aead& aead, const tls13_traffic_keys& keys)
        : aead_(aead), keys_(keys) {}

    // Sending.
    /// libssl has sent so many records under its key, which it has not updated. False: OpenSSL had
    /// no memory for it.
    [[nodiscard]] bool start_sealing(std::uint64_t sent_by_libssl);
    /// False once libssl has updated its key: then what it gives is the peer's as it is.
    [[nodiscard]] bool seals() const { return sending_.has_value(); }
    /// Appends the records of data. False: OpenSSL failed; records before that are in `out`.
    [[nodiscard]] bool seal(std::span<const std::byte> plain, base::byte_queue& out);
    /// Moves libssl's records to `out` under our numbers. False: as above.
    [[nodiscard]] bool forward(base::byte_queue& from_libssl, base::byte_queue& out);

    // Receiving.
    /// As `start_sealing`.
    [[nodiscard]] bool start_opening(std::uint64_t received_by_libssl);
    [[nodiscard]] bool opens() const { return receiving_.has_value(); }
    /// libssl has read a key update.
    void stop_opening();
    enum class content : std::uint8_t {
        data,     ///< `size` octets of it are in `into`.
        control,  ///< For libssl: `for_libssl` is what it is to read instead of the record.
        failed,   ///< The same; libssl will refuse it.
        no_memory,
    };
    struct received {
        content what = content::failed;
        std::size_t size = 0;
        std::span<const std::byte> for_libssl{};  ///< Until the next call; may be the record.
        bool is_tickets = false;                  ///< A `control` of whole tickets and no more.
    };
    /// Opens the next record, of type application_data. `into` has `room_for` it.
    [[nodiscard]] received open(std::span<const std::byte> record, std::span<std::byte> into);
    /// `for_libssl` has been read.
    void forget_control();
    /// `for_libssl`, a `control`, will not be read: for libssl it was never sent.
    void withhold_control();
    /// A record like this one, which libssl refuses whatever was in it.
    [[nodiscard]] received refuse(std::span<const std::byte> record);

private:
    [[nodiscard]] bool forward_one(std::span<const std::byte> record, base::byte_queue& out);
    [[nodiscard]] received hand_over(tls13_record_cipher::opened what,
                                     std::span<const std::byte> plain,
                                     std::span<const std::byte> record);

    const tls13_aead& aead_;
    tls13_traffic_keys keys_;  // for what is rare: to open what we seal, and the other way
    std::optional<tls13_record_cipher> sending_;
    std::optional<tls13_record_cipher> receiving_;
    struct numbers {
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
    };
    numbers next_;            // the peer's
    numbers next_of_libssl_;  // libssl's
    unsigned empty_ = 0;      // records of data without any, in a row
    base::byte_queue for_libssl_;
};

}  // namespace hearth::proto
