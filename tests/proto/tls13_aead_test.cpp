#include "proto/tls13_aead.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls_algorithms.hpp"

namespace hearth::proto {
namespace {

using aead_octets = std::vector<std::byte>;

struct suite {
    std::uint16_t number;
    const EVP_CIPHER* cipher;
};
const std::array suites = {suite{0x1301, EVP_aes_128_gcm()}, suite{0x1302, EVP_aes_256_gcm()},
                           suite{0x1303, EVP_chacha20_poly1305()}};

aead_octets random_octets(base::prng& random, std::size_t size) {
    aead_octets made(size);
    std::ranges::generate(made, [&random] { return static_cast<std::byte>(random.next()); });
    return made;
}

const unsigned char* raw_of(const aead_octets& octets) {
    return reinterpret_cast<const unsigned char*>(octets.data());
}

// By EVP: the text, and the tag behind it.
aead_octets seal_by_evp(const EVP_CIPHER* cipher, const aead_octets& key,
                        const tls13_aead::nonce& nonce, const aead_octets& added,
                        const aead_octets& plain) {
    using context_ptr = std::unique_ptr<EVP_CIPHER_CTX, openssl_deleter<EVP_CIPHER_CTX_free>>;
    const context_ptr context(EVP_CIPHER_CTX_new());
    aead_octets out(plain.size() + tls13_aead::tag_size);
    auto* const raw = reinterpret_cast<unsigned char*>(out.data());
    int count = 0;
    EVP_EncryptInit_ex(context.get(), cipher, nullptr, raw_of(key), nonce.data());
    EVP_EncryptUpdate(context.get(), nullptr, &count, raw_of(added),
                      static_cast<int>(added.size()));
    EVP_EncryptUpdate(context.get(), raw, &count, raw_of(plain), static_cast<int>(plain.size()));
    EVP_EncryptFinal_ex(context.get(), raw + plain.size(), &count);
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, tls13_aead::tag_size,
                        raw + plain.size());
    return out;
}

const tls13_aead& aead_of(std::uint16_t number) {
    static const bool has_algorithms = tls_algorithms() != nullptr;
    EXPECT_TRUE(has_algorithms);
    return *tls13_aead_of(number);
}

TEST(Tls13AeadTest, SealsAndOpensWhatEvpDoes) {
    base::prng random(7);
    for (const suite& each : suites) {
        const tls13_aead& aead = aead_of(each.number);
        const aead_octets key = random_octets(random, aead.key_size);
        const std::span raw_key(raw_of(key), key.size());
        // One context of each kind for all, as a connection has them.
        tls13_aead_context sealer(aead, raw_key, tls13_aead_context::use::seal);
        tls13_aead_context opener(aead, raw_key, tls13_aead_context::use::open);
        ASSERT_TRUE(sealer.is_ready() && opener.is_ready());
        for (std::size_t round = 0; round < 300; ++round) {
            tls13_aead::nonce nonce{};
            for (unsigned char& octet : nonce) octet = static_cast<unsigned char>(random.next());
            const aead_octets added = random_octets(random, 5);
            const aead_octets plain = random_octets(random, 1 + random.next() % 700);
            aead_octets sealed(plain.size() + tls13_aead::tag_size);
            const std::size_t middle = random.next() % plain.size();
            ASSERT_TRUE(sealer.start(nonce) && sealer.add(added) &&
                        sealer.update(std::span(plain).first(middle), sealed.data()) &&
                        sealer.update(std::span(plain).subspan(middle), sealed.data() + middle) &&
                        sealer.take_tag(sealed.data() + plain.size()));
            ASSERT_EQ(sealed, seal_by_evp(each.cipher, key, nonce, added, plain));
            aead_octets opened(plain.size());
            ASSERT_TRUE(opener.start(nonce) && opener.expect_tag(&sealed[plain.size()]) &&
                        opener.add(added) &&
                        opener.update(std::span(sealed).first(plain.size()), opened.data()) &&
                        opener.check());
            ASSERT_EQ(opened, plain);
        }
    }
}

TEST(Tls13AeadTest, RefusesWhatWasChanged) {
    base::prng random(8);
    for (const suite& each : suites) {
        const tls13_aead& aead = aead_of(each.number);
        const aead_octets key = random_octets(random, aead.key_size);
        const tls13_aead::nonce nonce{};
        const aead_octets added = random_octets(random, 5);
        const aead_octets plain = random_octets(random, 20);
        const aead_octets good = seal_by_evp(each.cipher, key, nonce, added, plain);
        tls13_aead_context opener(aead, {raw_of(key), key.size()}, tls13_aead_context::use::open);
        const auto opens = [&](const aead_octets& sealed, const aead_octets& with) {
            aead_octets out(plain.size());
            return opener.start(nonce) && opener.expect_tag(&sealed[plain.size()]) &&
                   opener.add(with) &&
                   opener.update(std::span(sealed).first(plain.size()), out.data()) &&
                   opener.check();
        };
        for (std::size_t i = 0; i < good.size(); ++i) {
            aead_octets bad = good;
            bad[i] ^= std::byte{1};
            ASSERT_FALSE(opens(bad, added)) << i;
        }
        aead_octets others = added;
        others.back() ^= std::byte{1};
        EXPECT_FALSE(opens(good, others));
        EXPECT_TRUE(opens(good, added));
    }
}

TEST(Tls13AeadTest, KeyOfAnotherSizeIsNotTaken) {
    const aead_octets key(tls13_aead::tag_size);
    for (const std::size_t size : {0U, 15U}) {
        const tls13_aead_context context(aead_of(0x1301), {raw_of(key), size},
                                         tls13_aead_context::use::seal);
        EXPECT_FALSE(context.is_ready());
    }
}

TEST(Tls13AeadTest, IncompleteFunctionsAreNotUsed) {
    const std::array none = {OSSL_DISPATCH{0, nullptr}};
    tls13_aead aead;
    EXPECT_FALSE(aead.read(none.data(), nullptr));
}

TEST(Tls13AeadTest, OtherSuitesHaveNone) {
    (void)aead_of(0x1301);
    for (const int number : {0, 0x1304, 0xc02f}) {
        EXPECT_EQ(tls13_aead_of(static_cast<std::uint16_t>(number)), nullptr);
    }
}

}  // namespace
}  // namespace hearth::proto
