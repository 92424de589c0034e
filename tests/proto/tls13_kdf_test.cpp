#include "proto/tls13_kdf.hpp"

#include <gtest/gtest.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "proto/openssl_error.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls_algorithms.hpp"

namespace hearth::proto {
namespace {

using kdf_ptr = std::unique_ptr<EVP_KDF, openssl_deleter<EVP_KDF_free>>;
using kdf_ctx_ptr = std::unique_ptr<EVP_KDF_CTX, openssl_deleter<EVP_KDF_CTX_free>>;
using octets = std::vector<unsigned char>;

octets from_hex(std::string_view text) {
    octets found;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        found.push_back(
            static_cast<unsigned char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    }
    return found;
}

octets text_of(std::string_view text) { return {text.begin(), text.end()}; }

// What may come with a derivation; what is not there is not given.
struct derivation_request {
    std::optional<int> mode;
    std::optional<std::string> mode_name;
    std::optional<std::string> digest;
    std::optional<std::string> properties;
    std::optional<octets> key;
    std::optional<octets> salt;
    std::optional<octets> prefix;
    std::optional<octets> label;
    std::optional<octets> data;
};

// Refers to what it is made of, which must live as long.
std::vector<OSSL_PARAM> parameters_of(derivation_request& from) {
    std::vector<OSSL_PARAM> list;
    if (from.mode) list.push_back(OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &*from.mode));
    const auto add_text = [&list](const char* name, std::optional<std::string>& text) {
        if (text) list.push_back(OSSL_PARAM_construct_utf8_string(name, text->data(), 0));
    };
    add_text(OSSL_KDF_PARAM_MODE, from.mode_name);
    add_text(OSSL_KDF_PARAM_DIGEST, from.digest);
    add_text(OSSL_KDF_PARAM_PROPERTIES, from.properties);
    static unsigned char nothing = 0;
    const auto add = [&list](const char* name, std::optional<octets>& value) {
        if (!value) return;
        list.push_back(OSSL_PARAM_construct_octet_string(
            name, value->empty() ? &nothing : value->data(), value->size()));
    };
    add(OSSL_KDF_PARAM_KEY, from.key);
    add(OSSL_KDF_PARAM_SALT, from.salt);
    add(OSSL_KDF_PARAM_PREFIX, from.prefix);
    add(OSSL_KDF_PARAM_LABEL, from.label);
    add(OSSL_KDF_PARAM_DATA, from.data);
    list.push_back(OSSL_PARAM_construct_end());
    return list;
}

kdf_ctx_ptr context_in(OSSL_LIB_CTX* library) {
    const kdf_ptr kdf(EVP_KDF_fetch(library, OSSL_KDF_NAME_TLS1_3_KDF, nullptr));
    return kdf_ctx_ptr(EVP_KDF_CTX_new(kdf.get()));
}

std::optional<octets> derive(EVP_KDF_CTX* context, derivation_request given, std::size_t size) {
    octets out(size);
    const std::vector<OSSL_PARAM> list = parameters_of(given);
    const bool is_done = EVP_KDF_derive(context, out.data(), out.size(), list.data()) == 1;
    clear_openssl_errors();
    if (!is_done) return std::nullopt;
    return out;
}

std::optional<octets> ours(const derivation_request& given, std::size_t size) {
    return derive(context_in(tls_algorithms()).get(), given, size);
}

std::optional<octets> theirs(const derivation_request& given, std::size_t size) {
    return derive(context_in(nullptr).get(), given, size);
}

derivation_request expansion(octets key, std::string_view label, std::optional<octets> data) {
    derivation_request made;
    made.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    made.digest = "SHA2-256";
    made.key = std::move(key);
    made.prefix = text_of("tls13 ");
    made.label = text_of(label);
    made.data = std::move(data);
    return made;
}

derivation_request extraction(std::optional<octets> salt, std::optional<octets> key) {
    derivation_request made;
    made.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    made.digest = "SHA2-256";
    made.key = std::move(key);
    made.salt = std::move(salt);
    made.prefix = text_of("tls13 ");
    made.label = text_of("derived");
    return made;
}

// The simple handshake of RFC 8448 3.
TEST(Tls13KdfTest, DerivesTheSecretsOfTheStandardsExample) {
    const octets early =
        from_hex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
    EXPECT_EQ(ours(extraction(std::nullopt, std::nullopt), 32), early);
    const octets shared =
        from_hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
    const octets handshake =
        from_hex("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
    EXPECT_EQ(ours(extraction(early, shared), 32), handshake);
    const octets master =
        from_hex("18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919");
    EXPECT_EQ(ours(extraction(handshake, std::nullopt), 32), master);
    const octets traffic =
        from_hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
    EXPECT_EQ(ours(expansion(traffic, "key", std::nullopt), 16),
              from_hex("3fce516009c21727d0f2e4e86ee403bc"));
    EXPECT_EQ(ours(expansion(traffic, "iv", std::nullopt), 12),
              from_hex("5d313eb2671276ee13000b30"));
}

class Tls13KdfDigestTest : public testing::TestWithParam<const char*> {};

octets random_octets(base::prng& random, std::size_t most) {
    octets made(random.below(most + 1));
    for (unsigned char& each : made) each = static_cast<unsigned char>(random.next());
    return made;
}

std::optional<octets> maybe(base::prng& random, std::size_t most) {
    if (random.below(8) == 0) return std::nullopt;
    return random_octets(random, most);
}

// Everything that may be there or not, with sizes beyond what can be derived, too.
TEST_P(Tls13KdfDigestTest, GivesAndRefusesWhatOpensslDoes) {
    base::prng random(7);
    int derived = 0;
    for (int round = 0; round < 3000; ++round) {
        derivation_request given;
        if (random.below(20) != 0) given.mode = static_cast<int>(random.below(4));
        given.digest = GetParam();
        given.key = maybe(random, 200);
        given.salt = maybe(random, 200);
        given.prefix = maybe(random, 40);
        given.label = maybe(random, random.below(10) == 0 ? 300 : 40);
        given.data = maybe(random, random.below(10) == 0 ? 300 : 64);
        const bool is_extraction = given.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
        std::size_t size = is_extraction ? 32 : random.below(100);
        if (is_extraction && random.below(2) == 0) size = 48;
        if (!is_extraction && random.below(20) == 0) size = 8150 + random.below(20);
        const std::optional<octets> expected = theirs(given, size);
        EXPECT_EQ(ours(given, size), expected) << "round " << round << ", " << size << " octets";
        if (expected) ++derived;
    }
    EXPECT_GT(derived, 500);
}

INSTANTIATE_TEST_SUITE_P(Digests, Tls13KdfDigestTest,
                         testing::Values("SHA2-256", "SHA256", "SHA2-384", "SHA384", "sha256",
                                         "SHA512", "SHA1"),
                         [](const testing::TestParamInfo<const char*>& each) {
                             return std::to_string(each.index);
                         });

// What is set beforehand counts, until the context is reset.
TEST(Tls13KdfTest, KeepsWhatIsSetBefore) {
    for (OSSL_LIB_CTX* const library : {tls_algorithms(), static_cast<OSSL_LIB_CTX*>(nullptr)}) {
        const kdf_ctx_ptr context = context_in(library);
        derivation_request whole = expansion(text_of("a secret of some length"), "label", {});
        derivation_request rest;
        std::swap(rest.label, whole.label);
        const std::vector<OSSL_PARAM> list = parameters_of(whole);
        ASSERT_EQ(EVP_KDF_CTX_set_params(context.get(), list.data()), 1);
        const std::optional<octets> found = derive(context.get(), rest, 40);
        std::swap(rest.label, whole.label);
        EXPECT_EQ(found, ours(whole, 40));
        EVP_KDF_CTX_reset(context.get());
        EXPECT_EQ(derive(context.get(), rest, 40), std::nullopt);
        EXPECT_EQ(derive(context.get(), whole, 40), found);
    }
}

TEST(Tls13KdfTest, OneContextDerivesAgainAndAgain) {
    const kdf_ctx_ptr context = context_in(tls_algorithms());
    const derivation_request first = expansion(text_of("one secret"), "one", text_of("context"));
    const derivation_request second = expansion(text_of("another"), "two", std::nullopt);
    const std::optional<octets> expected = derive(context.get(), first, 32);
    EXPECT_EQ(expected, theirs(first, 32));
    EXPECT_EQ(derive(context.get(), second, 32), theirs(second, 32));
    EXPECT_EQ(derive(context.get(), first, 32), expected);
}

TEST(Tls13KdfTest, PassesOnWhatLibsslDoesNotAsk) {
    derivation_request given = expansion(text_of("secret"), "label", text_of("context"));
    const std::optional<octets> expected = theirs(given, 32);
    ASSERT_TRUE(expected);
    given.mode.reset();
    given.mode_name = "EXPAND_ONLY";
    EXPECT_EQ(ours(given, 32), expected);
    given.properties = "provider=default";
    EXPECT_EQ(ours(given, 32), expected);
    given.properties = "provider=none";
    EXPECT_EQ(ours(given, 32), std::nullopt);
    given = expansion(text_of("secret"), "label", text_of("context"));
    given.digest = "no such digest";
    EXPECT_EQ(ours(given, 32), std::nullopt);
}

TEST(Tls13KdfTest, SaysWhatItTakesAndGives) {
    const kdf_ctx_ptr context = context_in(tls_algorithms());
    const OSSL_PARAM* const settable = EVP_KDF_CTX_settable_params(context.get());
    EXPECT_NE(OSSL_PARAM_locate_const(settable, OSSL_KDF_PARAM_LABEL), nullptr);
    const OSSL_PARAM* const gettable = EVP_KDF_CTX_gettable_params(context.get());
    EXPECT_NE(OSSL_PARAM_locate_const(gettable, OSSL_KDF_PARAM_SIZE), nullptr);
    derivation_request given = extraction(std::nullopt, std::nullopt);
    const std::vector<OSSL_PARAM> list = parameters_of(given);
    ASSERT_EQ(EVP_KDF_CTX_set_params(context.get(), list.data()), 1);
    EXPECT_EQ(EVP_KDF_CTX_get_kdf_size(context.get()), 32U);
}

// A table that lacks something is of an OpenSSL that this does not know.
TEST(Tls13KdfTest, LeavesAnIncompleteTableAlone) {
    const std::array<OSSL_DISPATCH, 1> nothing = {OSSL_DISPATCH{0, nullptr}};
    EXPECT_EQ(tls13_kdf(nothing.data()), nothing.data());
}

}  // namespace
}  // namespace hearth::proto
