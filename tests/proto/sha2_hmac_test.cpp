#include "proto/sha2_hmac.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"

namespace hearth::proto {
namespace {

std::span<const unsigned char> octets_of(std::string_view text) {
    return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

std::string in_hex(std::span<const unsigned char> octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const unsigned char each : octets) {
        text += digits[each >> 4];
        text += digits[each & 15];
    }
    return text;
}

template <typename Digest>
std::string mac_of(std::span<const unsigned char> key, std::span<const unsigned char> message) {
    sha2_hmac<Digest> mac(key);
    mac.update(message);
    std::array<unsigned char, Digest::size> out{};
    mac.finish(out);
    return in_hex(out);
}

// RFC 4231 4.3 and 4.7.
TEST(Sha2HmacTest, GivesTheMacsOfTheStandard) {
    const std::string_view question = "what do ya want for nothing?";
    EXPECT_EQ(mac_of<sha256_digest>(octets_of("Jefe"), octets_of(question)),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(mac_of<sha384_digest>(octets_of("Jefe"), octets_of(question)),
              "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
              "8e2240ca5e69e2c78b3239ecfab21649");
    const std::string longer_than_a_block(131, '\xaa');
    const std::string_view hashed = "Test Using Larger Than Block-Size Key - Hash Key First";
    EXPECT_EQ(mac_of<sha256_digest>(octets_of(longer_than_a_block), octets_of(hashed)),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(mac_of<sha384_digest>(octets_of(longer_than_a_block), octets_of(hashed)),
              "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
              "0c2ef6ab4030fe8296248df163f44952");
}

template <typename Digest>
void expect_as_openssl(const EVP_MD* digest, std::uint64_t seed) {
    base::prng random(seed);
    for (int round = 0; round < 500; ++round) {
        std::vector<unsigned char> key(random.below(300));
        std::vector<unsigned char> message(random.below(600));
        for (unsigned char& each : key) each = static_cast<unsigned char>(random.next());
        for (unsigned char& each : message) each = static_cast<unsigned char>(random.next());
        std::array<unsigned char, EVP_MAX_MD_SIZE> expected{};
        unsigned int size = 0;
        HMAC(digest, key.data(), static_cast<int>(key.size()), message.data(), message.size(),
             expected.data(), &size);
        EXPECT_EQ(mac_of<Digest>(key, message), in_hex(std::span(expected).first(size)))
            << key.size() << " octets of key, " << message.size() << " of message";
    }
}

TEST(Sha2HmacTest, AgreesWithOpenssl) {
    expect_as_openssl<sha256_digest>(EVP_sha256(), 1);
    expect_as_openssl<sha384_digest>(EVP_sha384(), 2);
}

TEST(Sha2HmacTest, StartsAnewAfterEachMacAndTakesPieces) {
    sha2_hmac<sha256_digest> mac(octets_of("Jefe"));
    std::array<unsigned char, sha256_digest::size> first{};
    std::array<unsigned char, sha256_digest::size> second{};
    mac.update(octets_of("one message"));
    mac.finish(first);
    mac.update(octets_of("one "));
    mac.update({});
    mac.update(octets_of("message"));
    mac.finish(second);
    EXPECT_EQ(first, second);
    mac.finish(second);
    EXPECT_EQ(in_hex(second), mac_of<sha256_digest>(octets_of("Jefe"), {}));
}

}  // namespace
}  // namespace hearth::proto
