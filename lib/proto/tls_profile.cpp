// tls_profile: options and PEM texts into one SSL_CTX, or a sentence that says what is wrong with
// them.
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>
#include <string>
#include <utility>

#include "proto/openssl_error.hpp"
#include "proto/tls_algorithms.hpp"
#include "proto/tls_hooks.hpp"
#include "proto/tls_profile_impl.hpp"
#include "proto/tls_staple.hpp"

HEARTH_BEGIN_NAMESPACE
namespace {

using proto::bio_ptr;
using proto::clear_openssl_errors;
using proto::evp_pkey_ptr;
using proto::make_peer_name;
using proto::spki_digest;
using proto::ssl_ctx_ptr;
using proto::take_openssl_error;
using proto::tls_hooks;
using proto::x509_crl_ptr;
using proto::x509_ptr;

// The largest Certificate message taken from a peer. OpenSSL's default is 100 KiB as well; long
// chains of real servers stay below 10.
constexpr long max_certificate_list = 100 * 1024;
constexpr const char* default_groups = "X25519:P-256:P-384";
// 128 bits of AES are as far out of reach as 256, and SHA-256, which comes with them, is in
// hardware where SHA-384 is not: a tenth of a handshake for both sides. Browsers and Go do so too.
constexpr const char* default_suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

[[noreturn]] void refuse(const std::string& sentence) {
    clear_openssl_errors();
    throw boost::system::system_error(make_error_code(errc::invalid_config), sentence);
}

void require(bool is_ok, const std::string& what) {
    if (!is_ok) refuse(what + ": " + take_openssl_error());
}

std::string read_file(const std::string& field, const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    std::string text = content.str();
    if (file.is_open() && !text.empty()) return text;
    const std::string why = errno != 0 ? std::strerror(errno) : "it is empty";
    refuse(field + ": cannot read \"" + path + "\": " + why);
}

// A PEM input: which option it came from, for messages, and its text.
struct pem_input {
    std::string name;
    std::string text;
};

// The file's content or the text itself; a null `text` if neither is given.
pem_input take_pem(const std::string& topic, const std::string& path, const std::string& pem) {
    if (!path.empty() && !pem.empty()) {
        refuse(topic + "_file and " + topic + "_pem are both given: give one of them");
    }
    if (path.empty()) return {topic + "_pem", pem};
    return {topic + "_file \"" + path + '"', read_file(topic + "_file", path)};
}

bio_ptr open_text(const std::string& text) {
    bio_ptr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    if (!bio) throw std::bad_alloc();
    return bio;
}

// Never asks the terminal for a pass phrase, which is what OpenSSL does when it is not told
// otherwise.
int refuse_pass_phrase(char*, int, int, void*) { return -1; }

// Makes a library context this thread's own while it lives, so that the keys of what is parsed
// meanwhile belong to its algorithms. Nothing happens for null.
class thread_library {
public:
    explicit thread_library(OSSL_LIB_CTX* library) : before_(OSSL_LIB_CTX_set0_default(library)) {}
    ~thread_library() { (void)OSSL_LIB_CTX_set0_default(before_); }
    thread_library(const thread_library&) = delete;
    thread_library& operator=(const thread_library&) = delete;

private:
    OSSL_LIB_CTX* const before_;
};

std::vector<x509_ptr> parse_certificates(const pem_input& input) {
    const bio_ptr bio = open_text(input.text);
    std::vector<x509_ptr> certificates;
    while (x509_ptr each{PEM_read_bio_X509_AUX(bio.get(), nullptr, &refuse_pass_phrase, nullptr)}) {
        certificates.push_back(std::move(each));
    }
    const unsigned long end = ERR_peek_last_error();
    if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE) {
        require(false, input.name + " does not parse");
    }
    clear_openssl_errors();
    if (certificates.empty()) refuse(input.name + " holds no certificate");
    return certificates;
}

std::vector<x509_crl_ptr> parse_lists(const pem_input& input) {
    const bio_ptr bio = open_text(input.text);
    std::vector<x509_crl_ptr> lists;
    while (x509_crl_ptr each{PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)}) {
        lists.push_back(std::move(each));
    }
    const unsigned long end = ERR_peek_last_error();
    if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE) {
        require(false, input.name + " does not parse");
    }
    clear_openssl_errors();
    if (lists.empty()) refuse(input.name + " holds no revocation list");
    return lists;
}

evp_pkey_ptr parse_key(const pem_input& input) {
    const bio_ptr bio = open_text(input.text);
    evp_pkey_ptr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &refuse_pass_phrase, nullptr));
    require(key != nullptr, input.name + " holds no usable private key without pass phrase");
    return key;
}

std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// A list of one's own may name ciphers that no default list has.
OSSL_LIB_CTX* library_of(const tls_options& options) {
    return options.cipher_list.empty() ? proto::tls_algorithms() : nullptr;
}

ssl_ctx_ptr make_context(OSSL_LIB_CTX* library) {
    ssl_ctx_ptr context(SSL_CTX_new_ex(library, nullptr, TLS_client_method()));
    require(context != nullptr, "OpenSSL gives no TLS context");
    return context;
}

// False where the process's configuration of OpenSSL has chosen others.
bool has_usual_suites(const SSL_CTX* context) {
    const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(context);
    std::string suites;
    for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
        const SSL_CIPHER* each = sk_SSL_CIPHER_value(all, i);
        if (SSL_CIPHER_get_protocol_id(each) >> 8U != 0x13) continue;  // not of TLS 1.3
        suites.append(suites.empty() ? "" : ":").append(SSL_CIPHER_get_name(each));
    }
    return suites == OSSL_default_ciphersuites();
}

std::vector<spki_digest> parse_pins(const tls_options& options) {
    std::vector<spki_digest> pins;
    for (const std::string& text : options.pins) {
        const auto pin = proto::parse_pin(text);
        if (!pin) refuse("pins: \"" + text + "\" is not the base64 of a SHA-256 digest");
        pins.push_back(*pin);
    }
    return pins;
}

// Refuses combinations that contradict each other; a single value is checked where it is used.
const tls_options& checked(const tls_options& options) {
    if (options.danger_skip_verification && !options.pins.empty()) {
        refuse("pins are checked on the verified chain: danger_skip_verification leaves none");
    }
    const bool has_lists = !options.crl_file.empty() || !options.crl_pem.empty();
    if (options.danger_skip_verification &&
        (has_lists || options.verify || options.ocsp_staple != ocsp_policy::off)) {
        refuse("crl_*, ocsp_staple and verify have nothing to judge with danger_skip_verification");
    }
    if (options.crl_whole_chain && !has_lists) {
        refuse("crl_whole_chain is set, but there is no crl_file or crl_pem");
    }
    if (options.ocsp_staple > ocsp_policy::required) {
        refuse("ocsp_staple is none of off, if_present and required");
    }
    const bool has_private_trust = !options.ca_file.empty() || !options.ca_pem.empty();
    if (!options.danger_skip_verification && !options.system_trust && !has_private_trust) {
        refuse("nobody is trusted: system_trust is off and there is no ca_file or ca_pem");
    }
    if (options.minimum_version > options.maximum_version) {
        refuse("minimum_version is above maximum_version");
    }
    if (!options.server_name.empty()) {
        const auto name = make_peer_name(options.server_name);
        if (!name) refuse("server_name is not a host name");
        if (name->is_address()) refuse("server_name is an IP address, which SNI does not allow");
    }
    if (!options.verify_name.empty() && !make_peer_name(options.verify_name)) {
        refuse("verify_name is neither a host name nor an IP address");
    }
    return options;
}

int protocol_number(tls_version version) {
    return version == tls_version::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

// SSL_CTX_sess_set_new_cb: 1 means that the reference was taken over.
int keep_session(SSL* ssl, SSL_SESSION* session) noexcept {
    const tls_hooks* hooks = tls_hooks::of(ssl);
    if (hooks == nullptr || hooks->sessions == nullptr) return 0;
    proto::ssl_session_ptr owned(session);
    try {
        hooks->sessions->store(hooks->profile, hooks->session_key, std::move(owned));
    } catch (const std::exception&) {  // out of memory: it is only a ticket
    }
    clear_openssl_errors();  // else SSL_get_error takes them for the connection's
    return 1;
}

void write_key_log(const SSL* ssl, const char* line) noexcept {
    const auto* profile =
        static_cast<const tls_profile::implementation*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    profile->log_key(line);
}

}  // namespace

tls_profile::implementation::implementation(const tls_options& options)
    : options_(checked(options)),
      id_(next_id()),
      fingerprint_(fingerprint_of(options)),
      library_(library_of(options)),
      context_(make_context(library_)),
      pins_(parse_pins(options)) {
    set_protocol();
    set_trust();
    set_revocation();
    set_identity();
    set_callbacks();
    set_key_log();
    clear_openssl_errors();
}

tls_profile::implementation::~implementation() = default;

std::string tls_profile::implementation::fingerprint_of(const tls_options& options) {
    std::string all;
    for (const std::string* path : {&options.ca_file, &options.certificate_file,
                                    &options.private_key_file, &options.crl_file}) {
        if (path->empty()) continue;
        std::ifstream file(*path, std::ios::binary);
        std::ostringstream content;
        if (file.is_open()) content << file.rdbuf();
        const std::string text = content.str();
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned size = 0;
        EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
        all.append(*path).append(file.is_open() ? "+" : "-");
        all.append(reinterpret_cast<const char*>(digest.data()), size);
    }
    return all;
}

void tls_profile::implementation::set_protocol() {
    SSL_CTX* context = context_.get();
    SSL_CTX_set_min_proto_version(context, protocol_number(options_.minimum_version));
    SSL_CTX_set_max_proto_version(context, protocol_number(options_.maximum_version));
    SSL_CTX_clear_options(context, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);  // memory_bio hands out one record per read
    SSL_CTX_set_max_cert_list(context, max_certificate_list);
    if (!options_.cipher_list.empty()) {
        require(SSL_CTX_set_cipher_list(context, options_.cipher_list.c_str()) == 1,
                "cipher_list \"" + options_.cipher_list + '"');
    }
    if (!options_.cipher_suites.empty()) {
        require(SSL_CTX_set_ciphersuites(context, options_.cipher_suites.c_str()) == 1,
                "cipher_suites \"" + options_.cipher_suites + '"');
    } else if (has_usual_suites(context)) {
        SSL_CTX_set_ciphersuites(context, default_suites);
    }
    const std::string groups = options_.groups.empty() ? default_groups : options_.groups;
    require(SSL_CTX_set1_groups_list(context, groups.c_str()) == 1, "groups \"" + groups + '"');
}

void tls_profile::implementation::set_trust() {
    SSL_CTX* context = context_.get();
    const bool skips = options_.danger_skip_verification;
    SSL_CTX_set_verify(context, skips ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    const thread_library algorithms(library_);
    std::vector<pem_input> inputs;
    if (!options_.ca_file.empty()) {
        inputs.push_back(take_pem("ca", options_.ca_file, {}));
    }
    if (!options_.ca_pem.empty()) inputs.push_back(take_pem("ca", {}, options_.ca_pem));
    for (const pem_input& input : inputs) {
        for (const x509_ptr& each : parse_certificates(input)) {
            require(X509_STORE_add_cert(store, each.get()) == 1, input.name);
        }
    }
    // Whoever names an intermediate as the authority means to trust it without its root.
    if (!inputs.empty()) X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    if (!inputs.empty() || skips || !options_.system_trust) return;
    require(X509_STORE_set_default_paths(store) == 1, "the system's trust store");
}

void tls_profile::implementation::set_revocation() {
    X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
    for (const pem_input& input :
         {options_.crl_file.empty() ? pem_input{} : take_pem("crl", options_.crl_file, {}),
          take_pem("crl", {}, options_.crl_pem)}) {
        if (input.text.empty()) continue;
        for (const x509_crl_ptr& each : parse_lists(input)) {
            require(X509_STORE_add_crl(store, each.get()) == 1, input.name);
        }
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
                                        (options_.crl_whole_chain ? X509_V_FLAG_CRL_CHECK_ALL : 0));
    }
    if (options_.ocsp_staple == ocsp_policy::off) return;
    SSL_CTX_set_tlsext_status_type(context_.get(), TLSEXT_STATUSTYPE_ocsp);
    SSL_CTX_set_tlsext_status_cb(context_.get(), &proto::check_staple);
    SSL_CTX_set_tlsext_status_arg(context_.get(), this);
}

void tls_profile::implementation::set_identity() {
    const pem_input chain =
        take_pem("certificate", options_.certificate_file, options_.certificate_pem);
    const pem_input secret =
        take_pem("private_key", options_.private_key_file, options_.private_key_pem);
    if (chain.text.empty() && secret.text.empty()) return;
    if (chain.text.empty()) refuse("a private key is given, but no client certificate");
    if (secret.text.empty()) refuse("a client certificate is given, but no private key");
    SSL_CTX* context = context_.get();
    const auto certificates = parse_certificates(chain);
    const evp_pkey_ptr key = parse_key(secret);
    if (X509_check_private_key(certificates.front().get(), key.get()) != 1) {
        refuse(secret.name + " does not belong to the first certificate of " + chain.name);
    }
    require(SSL_CTX_use_certificate(context, certificates.front().get()) == 1, chain.name);
    for (std::size_t i = 1; i < certificates.size(); ++i) {
        require(SSL_CTX_add1_chain_cert(context, certificates[i].get()) == 1, chain.name);
    }
    require(SSL_CTX_use_PrivateKey(context, key.get()) == 1, secret.name);
}

void tls_profile::implementation::set_key_log() {
    const std::string& path = options_.keylog_file;
    if (path.empty()) return;
    std::error_code ignored;
    const bool is_new = !std::filesystem::exists(path, ignored);
    key_log_.reset(std::fopen(path.c_str(), "ae"));  // NOLINT(cppcoreguidelines-owning-memory)
    if (!key_log_) refuse("keylog_file: cannot open \"" + path + "\": " + std::strerror(errno));
    if (is_new) {  // whoever reads it can read the traffic
        using std::filesystem::perms;
        std::filesystem::permissions(path, perms::owner_read | perms::owner_write, ignored);
    }
    std::setvbuf(key_log_.get(), nullptr, _IOLBF, BUFSIZ);
    SSL_CTX_set_keylog_callback(context_.get(), &write_key_log);
}

void tls_profile::implementation::set_callbacks() {
    SSL_CTX* context = context_.get();
    if (SSL_CTX_set_app_data(context, this) != 1) throw std::bad_alloc();
    SSL_CTX_set_cert_verify_callback(context, &proto::verify_peer, this);
    if (!options_.session_resumption) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        return;
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &keep_session);
}

void tls_profile::implementation::log_key(std::string_view line) const noexcept {
    try {
        std::string whole(line);
        whole += '\n';
        // A debugging aid: a full disk must not break connections.
        [[maybe_unused]] const auto written =
            std::fwrite(whole.data(), 1, whole.size(), key_log_.get());
    } catch (const std::exception&) {  // out of memory: a line is lost
    }
}

std::shared_ptr<const tls_profile> tls_profile::make(const tls_options& options) {
    return std::make_shared<const tls_profile>(std::make_unique<implementation>(options));
}

std::shared_ptr<const tls_profile> tls_profile::system_default() {
    static const std::shared_ptr<const tls_profile> shared = make(tls_options{});
    return shared;
}

tls_profile::tls_profile(std::unique_ptr<implementation> parts)
    : implementation_(std::move(parts)) {}

tls_profile::~tls_profile() = default;

const tls_options& tls_profile::options() const noexcept { return implementation_->options(); }

HEARTH_END_NAMESPACE
