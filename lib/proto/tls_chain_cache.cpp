#include "proto/tls_chain_cache.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <new>
#include <string_view>
#include <utility>

#include "proto/tls_chain_cache_impl.hpp"

namespace hearth::proto {
namespace {

// Verifications with one of these depend on more than the chain, the store and the present.
constexpr unsigned long never_remembered = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                                           X509_V_FLAG_USE_CHECK_TIME | X509_V_FLAG_NO_CHECK_TIME |
                                           X509_V_FLAG_POLICY_CHECK;

// Adds parts to a digest, each behind its length, so that no two sequences of parts look alike.
class digester {
public:
    digester() : context_(EVP_MD_CTX_new()) {
        is_ok_ = context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
    }
    void add(const void* octets, std::size_t size) {
        add_number(size);
        add_raw(octets, size);
    }
    void add_number(std::uint64_t number) { add_raw(&number, sizeof number); }
    void add(const X509* certificate) {
        unsigned char* encoded = nullptr;
        const int size = certificate == nullptr ? -1 : i2d_X509(certificate, &encoded);
        const openssl_octets_ptr owner(encoded);
        if (size <= 0) {
            is_ok_ = false;
            return;
        }
        add(encoded, static_cast<std::size_t>(size));
    }
    /// There is no digest.
    void fail() { is_ok_ = false; }
    [[nodiscard]] std::optional<verification_digest> finish() {
        verification_digest digest;
        if (!is_ok_ || EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) {
            return std::nullopt;
        }
        return digest;
    }

private:
    void add_raw(const void* octets, std::size_t size) {
        is_ok_ = is_ok_ && EVP_DigestUpdate(context_.get(), octets, size) == 1;
    }

    evp_md_ctx_ptr context_;
    bool is_ok_ = false;
};

void add_names(digester& all, X509_VERIFY_PARAM* rules) {
    int count = 0;
    while (const char* host = X509_VERIFY_PARAM_get0_host(rules, count)) {
        const std::string_view name = host;
        all.add(name.data(), name.size());
        ++count;
    }
    all.add_number(static_cast<std::uint64_t>(count));
    const openssl_text_ptr address(X509_VERIFY_PARAM_get1_ip_asc(rules));
    if (count == 0 && !address) all.fail();  // there is no memory for it
    const std::string_view octets = address ? address.get() : "";
    all.add(octets.data(), octets.size());
    all.add_number(X509_VERIFY_PARAM_get_hostflags(rules));
}

// The first second in which a certificate of the chain is not valid any more; empty if that cannot
// be told.
std::optional<std::time_t> end_of_chain(const STACK_OF(X509) * chain) {
    std::time_t end = std::numeric_limits<std::time_t>::max();
    for (int i = 0; i < sk_X509_num(chain); ++i) {
        std::tm last{};
        if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &last) != 1) {
            return std::nullopt;
        }
        end = std::min(end, timegm(&last));
    }
    return end;
}

}  // namespace

std::optional<verification_digest> digest_verification(std::uint64_t profile,
                                                       X509_STORE_CTX* store) {
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(store);
    const unsigned long flags = X509_VERIFY_PARAM_get_flags(rules);
    if ((flags & never_remembered) != 0) return std::nullopt;
    digester all;
    all.add_number(profile);
    all.add_number(flags);
    all.add_number(static_cast<std::uint64_t>(X509_VERIFY_PARAM_get_depth(rules)));
    all.add_number(static_cast<std::uint64_t>(X509_VERIFY_PARAM_get_auth_level(rules)));
    add_names(all, rules);
    all.add(X509_STORE_CTX_get0_cert(store));
    const STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(store);
    for (int i = 0; i < sk_X509_num(presented); ++i) all.add(sk_X509_value(presented, i));
    return all.finish();
}

tls_chain_cache::implementation::implementation(std::time_t lifetime, std::size_t max_chains)
    : lifetime_(lifetime), max_chains_(max_chains) {}

bool tls_chain_cache::implementation::restore(const verification_digest& what,
                                              X509_STORE_CTX* store, std::time_t now) {
    const auto inside = guard_.enter();
    const auto found = by_digest_.find(what);
    if (found == by_digest_.end()) return false;
    const auto place = found->second;
    if (now < place->from || now >= place->until) {
        drop(place);
        return false;
    }
    x509_stack_ptr chain(X509_chain_up_ref(place->chain.get()));
    if (!chain) return false;
    entries_.splice(entries_.begin(), entries_, place);
    X509_STORE_CTX_set0_verified_chain(store, chain.release());
    X509_STORE_CTX_set_error(store, X509_V_OK);
    ++hits_;
    return true;
}

void tls_chain_cache::implementation::keep(const verification_digest& what, X509_STORE_CTX* store,
                                           std::time_t now) {
    STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(store);
    if (max_chains_ == 0 || sk_X509_num(verified) <= 0) return;
    const auto end = end_of_chain(verified);
    if (!end || *end <= now) return;
    x509_stack_ptr chain(X509_chain_up_ref(verified));
    if (!chain) return;
    const auto inside = guard_.enter();
    if (const auto known = by_digest_.find(what); known != by_digest_.end()) drop(known->second);
    if (entries_.size() >= max_chains_) drop(std::prev(entries_.end()));
    entries_.push_front({what, std::move(chain), now, std::min(now + lifetime_, *end)});
    try {
        by_digest_.emplace(what, entries_.begin());
    } catch (const std::bad_alloc&) {
        entries_.pop_front();
        throw;
    }
}

void tls_chain_cache::implementation::set_lifetime(std::time_t lifetime) {
    const auto inside = guard_.enter();
    if (lifetime < lifetime_) {
        entries_.clear();
        by_digest_.clear();
    }
    lifetime_ = lifetime;
}

void tls_chain_cache::implementation::drop(entry_list::iterator place) {
    by_digest_.erase(place->what);
    entries_.erase(place);
}

tls_chain_cache::tls_chain_cache(std::chrono::seconds lifetime, std::size_t max_chains)
    : implementation_(std::make_unique<implementation>(static_cast<std::time_t>(lifetime.count()),
                                                       max_chains)) {}

tls_chain_cache::~tls_chain_cache() = default;

void tls_chain_cache::set_lifetime(std::chrono::seconds lifetime) {
    implementation_->set_lifetime(static_cast<std::time_t>(lifetime.count()));
}

std::size_t tls_chain_cache::size() const { return implementation_->size(); }

std::uint64_t tls_chain_cache::hits() const { return implementation_->hits(); }

}  // namespace hearth::proto
