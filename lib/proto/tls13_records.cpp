#include "proto/tls13_records.hpp"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/assert.hpp"

namespace hearth::proto {
namespace {

constexpr std::uint8_t handshake_content = 22;
constexpr std::uint8_t data_content = 23;
constexpr std::byte ticket_message{4};  // RFC 8446 4
constexpr std::byte key_update_message{24};
constexpr std::size_t message_header_size = 4;
constexpr std::byte record_major{3};  // legacy_record_version, 0x0303
constexpr std::byte record_minor{3};
// Octets up to which a copy in front of the content type is cheaper than two calls of the cipher.
constexpr std::size_t worth_a_copy = 512;
// As many as libssl lets pass, too.
constexpr unsigned max_empty = 32;

std::size_t size_of_record(std::span<const std::byte> header) {
    return tls13_record::header_size + (std::to_integer<std::size_t>(header[3]) << 8U |
                                        std::to_integer<std::size_t>(header[4]));
}

void write_header(std::span<std::byte> record) {
    const std::size_t rest = record.size() - tls13_record::header_size;
    record[0] = std::byte{data_content};
    record[1] = record_major;
    record[2] = record_minor;
    record[3] = static_cast<std::byte>(rest >> 8U);
    record[4] = static_cast<std::byte>(rest);
}

// Octets of the content with its type behind it, and padding.
std::size_t inner_size(std::span<const std::byte> record) {
    constexpr std::size_t around = tls13_record::header_size + tls13_record::tag_size;
    return record.size() > around ? record.size() - around : 0;
}

bool holds_whole_tickets(std::uint8_t type, std::span<const std::byte> plain) {
    if (type != handshake_content || plain.empty()) return false;
    while (plain.size() >= message_header_size && plain[0] == ticket_message) {
        const std::size_t size =
            message_header_size + (std::to_integer<std::size_t>(plain[1]) << 16U |
                                   std::to_integer<std::size_t>(plain[2]) << 8U |
                                   std::to_integer<std::size_t>(plain[3]));
        if (size > plain.size()) return false;
        plain = plain.subspan(size);
    }
    return plain.empty();
}

}  // namespace

bool tls13_record::is_whole(std::span<const std::byte> octets) {
    return octets.size() >= header_size && octets[1] == record_major &&
           size_of_record(octets) == octets.size();
}

tls13_record_cipher::~tls13_record_cipher() { OPENSSL_cleanse(iv_.data(), iv_.size()); }

/// RFC 8446 5.3.
tls13_aead::nonce tls13_record_cipher::nonce(std::uint64_t number) const {
    tls13_aead::nonce made = iv_;
    for (std::size_t i = made.size(); number != 0; number >>= 8U) {
        made[--i] ^= static_cast<unsigned char>(number);
    }
    return made;
}

bool tls13_record_cipher::seal(std::uint64_t number, std::uint8_t type,
                               std::span<const std::byte> plain, std::span<std::byte> out) {
    HEARTH_ASSERT(out.size() == plain.size() + tls13_record::overhead);
    write_header(out);
    if (!aead_.start(nonce(number)) || !aead_.add(out.first(tls13_record::header_size))) {
        return false;
    }
    const std::span<std::byte> text =
        out.subspan(tls13_record::header_size, plain.size() + sizeof(type));
    std::byte& last = text.back();
    last = std::byte{type};
    bool is_sealed = false;
    if (plain.size() <= worth_a_copy) {
        std::ranges::copy(plain, text.begin());
        is_sealed = aead_.update(text, text.data());
    } else {
        is_sealed = aead_.update(plain, text.data()) && aead_.update({&last, 1}, &last);
    }
    return is_sealed && aead_.take_tag(text.data() + text.size());
}

std::size_t tls13_record_cipher::room_for(std::span<const std::byte> record) {
    const std::size_t inner = inner_size(record);
    return inner == 0 ? 0 : inner - 1;
}

std::optional<tls13_record_cipher::opened> tls13_record_cipher::open(
    std::uint64_t number, std::span<const std::byte> record, std::span<std::byte> into) {
    const std::size_t inner = inner_size(record);
    if (inner == 0 || record.size() > tls13_record::max_sealed_size) return std::nullopt;
    HEARTH_ASSERT(into.size() >= inner - 1);
    const auto header = record.first(tls13_record::header_size);
    const auto sealed = record.subspan(header.size(), inner);
    // The type comes last, and has a place of its own where there is no room behind the content.
    const std::size_t size = std::min(inner, into.size());
    std::byte last{0};
    if (!aead_.start(nonce(number)) || !aead_.expect_tag(sealed.data() + inner) ||
        !aead_.add(header) || !aead_.update(sealed.first(size), into.data()) ||
        (size != inner && !aead_.update(sealed.subspan(size), &last)) || !aead_.check()) {
        std::ranges::fill(into.first(size), std::byte{0});  // whoever reads it would be deceived
        return std::nullopt;
    }
    if (last != std::byte{0}) return opened{std::to_integer<std::uint8_t>(last), size};
    std::size_t end = size;
    while (end != 0 && into[end - 1] == std::byte{0}) --end;  // padding
    if (end == 0) return opened{};
    return opened{std::to_integer<std::uint8_t>(into[end - 1]), end - 1};
}

bool tls13_records::start_sealing(std::uint64_t sent_by_libssl) {
    HEARTH_ASSERT(!seals());
    next_.sent = next_of_libssl_.sent = sent_by_libssl;
    sending_.emplace(aead_, keys_.client, tls13_record_cipher::use::seal);
    if (!sending_->is_ready()) sending_.reset();
    return seals();
}

bool tls13_records::start_opening(std::uint64_t received_by_libssl) {
    HEARTH_ASSERT(!opens());
    next_.received = next_of_libssl_.received = received_by_libssl;
    receiving_.emplace(aead_, keys_.server, tls13_record_cipher::use::open);
    if (!receiving_->is_ready()) receiving_.reset();
    return opens();
}

void tls13_records::stop_opening() {
    receiving_.reset();
    OPENSSL_cleanse(&keys_.server, sizeof(keys_.server));
}

bool tls13_records::seal(std::span<const std::byte> plain, base::byte_queue& out) {
    HEARTH_ASSERT(seals());
    const std::size_t records = plain.size() / tls13_record::max_plain_size + 1;
    (void)out.prepare(plain.size() + records * tls13_record::overhead);  // grow once
    while (!plain.empty()) {
        const auto part = plain.first(std::min(plain.size(), tls13_record::max_plain_size));
        const std::size_t size = part.size() + tls13_record::overhead;
        const auto place = out.prepare(size).first(size);
        // Whatever comes of it, the number is used up.
        if (!sending_->seal(next_.sent++, data_content, part, place)) return false;
        out.commit(size);
        plain = plain.subspan(part.size());
    }
    return true;
}

bool tls13_records::forward(base::byte_queue& from_libssl, base::byte_queue& out) {
    while (!from_libssl.empty()) {
        const auto waiting = from_libssl.data();
        if (!seals()) {
            out.append(waiting);
            from_libssl.clear();
            break;
        }
        if (waiting.size() < tls13_record::header_size) return false;
        const std::size_t size = size_of_record(waiting);
        if (size > waiting.size() || !forward_one(waiting.first(size), out)) return false;
        from_libssl.consume(size);
    }
    from_libssl.release();
    return true;
}

bool tls13_records::forward_one(std::span<const std::byte> record, base::byte_queue& out) {
    if (std::to_integer<std::uint8_t>(record[0]) != data_content) return false;
    tls13_record_cipher other(aead_, keys_.client, tls13_record_cipher::use::open);
    if (!other.is_ready()) return false;
    base::byte_queue text;
    const auto room = text.prepare(tls13_record_cipher::room_for(record) + 1);
    (void)out.prepare(record.size() + tls13_record::overhead);  // before a number is used
    const auto opened = other.open(next_of_libssl_.sent++, record, room);
    if (!opened || opened->type == 0) return false;
    const auto plain = room.first(opened->size);
    const std::size_t size = plain.size() + tls13_record::overhead;
    const auto place = out.prepare(size).first(size);
    if (!sending_->seal(next_.sent++, opened->type, plain, place)) return false;
    out.commit(size);
    if (opened->type == handshake_content && !plain.empty() && plain[0] == key_update_message) {
        sending_.reset();
        OPENSSL_cleanse(&keys_.client, sizeof(keys_.client));
    }
    return true;
}

tls13_records::received tls13_records::open(std::span<const std::byte> record,
                                            std::span<std::byte> into) {
    HEARTH_ASSERT(opens());
    const auto opened = receiving_->open(next_.received, record, into);
    if (!opened) return refuse(record);
    ++next_.received;
    if (opened->type == data_content && opened->size <= tls13_record::max_plain_size) {
        if (opened->size != 0) {
            empty_ = 0;
            return {content::data, opened->size, {}};
        }
        if (++empty_ <= max_empty) return {content::data, 0, {}};
    }
    const auto control = into.first(std::min(into.size(), opened->size));
    received for_libssl = hand_over(*opened, control, record);
    for_libssl.is_tickets =
        for_libssl.what == content::control && holds_whole_tickets(opened->type, control);
    std::ranges::fill(control, std::byte{0});
    return for_libssl;
}

/// What is no data, as libssl expects it next.
tls13_records::received tls13_records::hand_over(tls13_record_cipher::opened what,
                                                 std::span<const std::byte> plain,
                                                 std::span<const std::byte> record) {
    const std::uint64_t number = next_of_libssl_.received++;
    for_libssl_.clear();
    if (number + 1 == next_.received) return {content::control, 0, record};
    tls13_record_cipher other(aead_, keys_.server, tls13_record_cipher::use::seal);
    const std::size_t size = plain.size() + tls13_record::overhead;
    const auto sealed = for_libssl_.prepare(size).first(size);
    if (!other.is_ready() || !other.seal(number, what.type, plain, sealed)) {
        return {content::no_memory, 0, {}};
    }
    for_libssl_.commit(size);
    return {content::control, 0, for_libssl_.data()};
}

void tls13_records::forget_control() {
    for_libssl_.clear();
    for_libssl_.release();
}

void tls13_records::withhold_control() {
    --next_of_libssl_.received;
    forget_control();
}

/// The record that came could be an old one, of the very number that libssl is at.
tls13_records::received tls13_records::refuse(std::span<const std::byte> record) {
    for_libssl_.clear();
    const auto forged = for_libssl_.prepare(record.size()).first(record.size());
    std::ranges::fill(forged, std::byte{0});
    std::ranges::copy(record.first(tls13_record::header_size), forged.begin());
    for_libssl_.commit(record.size());
    return {content::failed, 0, for_libssl_.data()};
}

}  // namespace hearth::proto
