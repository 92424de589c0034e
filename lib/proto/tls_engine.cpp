#include "proto/tls_engine.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/assert.hpp"
#include "proto/memory_bio.hpp"
#include "proto/openssl_error.hpp"
#include "proto/openssl_ptr.hpp"
#include "proto/tls13_records.hpp"
#include "proto/tls_algorithms.hpp"
#include "proto/tls_chain_cache_impl.hpp"
#include "proto/tls_hooks.hpp"
#include "proto/tls_profile_impl.hpp"
#include "proto/tls_session_cache_impl.hpp"
#include "proto/tls_verify.hpp"

namespace hearth::proto {
namespace {

// What a peer may send before the handshake is over. The largest honest part is the Certificate
// message (100 KiB at most, see tls_profile.cpp), which can come with status responses and
// extensions.
constexpr std::size_t max_handshake_input = 256 * 1024;
// Post-handshake messages in a row without application data. Servers send two tickets, some four;
// key updates come once in 2^24 records. Each costs us a key derivation, so a flood is an attack.
constexpr unsigned max_idle_messages = 64;
// What the peer may make us answer (key updates, warnings) while our output never runs empty. A
// peer that asks and does not read would fill our memory; an honest one asks once in gigabytes.
constexpr std::size_t max_unsent_answers = 16 * 1024;
constexpr std::size_t max_fragment = 16384;  // plaintext octets of a record (RFC 8446 5.1)
constexpr std::size_t record_overhead = 64;  // header, tag, nonce or padding, rounded up
constexpr std::byte protected_type{23};      // of every record of TLS 1.3 (RFC 8446 5.2)
constexpr unsigned char message_of_key_update = 24;
// Of what is no record, for libssl to say so.
constexpr std::size_t enough_to_refuse = 64;

constexpr std::string_view alpn_http1 = "\x08http/1.1";
constexpr std::string_view alpn_http2 = "\x02h2\x08http/1.1";

/// How the peer is called; nothing: that is no name in TLS.
struct tls_names {
    std::optional<peer_name> sent;
    std::optional<peer_name> verified;
};

tls_names tls_names_of(const tls_settings& settings) {
    const tls_options& options = settings.profile->options();
    const auto name_or_host = [&](const std::string& name) {
        return make_peer_name(name.empty() ? settings.host : name);
    };
    tls_names names;
    names.sent = name_or_host(options.server_name);
    names.verified =
        options.verify_name == options.server_name ? names.sent : name_or_host(options.verify_name);
    return names;
}

std::string session_key(const tls_settings& settings, const tls_names& names) {
    std::string key = settings.offer_http2 ? "h2" : "http/1.1";
    const auto add = [&key](std::string_view part) {
        key += '\n';
        key += part;
    };
    add(settings.host);
    add(std::to_string(settings.port));
    add(names.sent ? names.sent->text : std::string_view());
    add(names.verified ? names.verified->text : std::string_view());
    return key;
}

const std::shared_ptr<const tls_profile>& checked(const std::shared_ptr<const tls_profile>& given) {
    if (given == nullptr) throw std::invalid_argument("tls_settings: profile is null");
    return given;
}

errc code_or_no_memory(errc code) { return openssl_lacks_memory() ? errc::out_of_memory : code; }

// Why a call of OpenSSL's stopped, by the code of SSL_get_error.
std::string explain(int why) {
    if (why == SSL_ERROR_SSL) return take_openssl_error();
    if (why == SSL_ERROR_ZERO_RETURN) return "the peer closed";
    return "OpenSSL stopped with code " + std::to_string(why);
}

}  // namespace

std::string tls_session_key(const tls_settings& settings) {
    return session_key(settings, tls_names_of(settings));
}

class tls_engine::implementation {
public:
    explicit implementation(const tls_settings& settings);
    ~implementation();
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;

    [[nodiscard]] tls_step step();
    [[nodiscard]] read_result decrypt(std::span<std::byte> plain);
    [[nodiscard]] bool encrypt(std::span<const std::byte> plain);
    void shut_down();

    [[nodiscard]] bool has_record() const { return bio_.has_record() || decrypted() != 0; }
    /// Octets decrypted that the last buffer had no room for.
    [[nodiscard]] std::size_t decrypted() const {
        if (opens_records()) return left_.size();
        return left_.size() + (ssl_ ? static_cast<std::size_t>(SSL_pending(ssl())) : 0);
    }
    [[nodiscard]] bool is_established() const { return state_ == state::established; }
    [[nodiscard]] std::string_view alpn() const;
    [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
    [[nodiscard]] memory_bio& bio() { return bio_; }
    [[nodiscard]] tls_hooks& hooks() { return hooks_; }
    [[nodiscard]] const std::shared_ptr<const tls_profile>& profile() const { return profile_; }
    [[nodiscard]] bool is_resuming() const { return offered_ != nullptr; }
    [[nodiscard]] errc error_code() const { return error_code_; }
    [[nodiscard]] const std::string& error_detail() const { return error_detail_; }
    [[nodiscard]] std::size_t memory() const { return bio_.memory() + left_.capacity(); }

private:
    enum class state : std::uint8_t { created, handshaking, established, failed };

    [[nodiscard]] bool set_up(const tls_settings& settings);
    void set_names(const tls_settings& settings, const tls_names& names);
    void set_session();
    [[nodiscard]] tls_step finish_handshake();
    void keep_renewed_session();
    [[nodiscard]] tls_step fail_handshake(int why);
    [[nodiscard]] read_result read_records(std::span<std::byte> plain);
    [[nodiscard]] tls_status read_stopped(int result);
    void fail(errc code, std::string_view detail);
    void watch_messages();
    void on_message(bool is_sent, unsigned char kind);

    // Records without libssl.
    [[nodiscard]] bool opens_records() const { return records_ && records_->opens(); }
    [[nodiscard]] bool seals_records() const {
        return records_ && records_->seals() &&
               SSL_get_key_update_type(ssl()) == SSL_KEY_UPDATE_NONE;  // else libssl answers first
    }
    void take_over();
    [[nodiscard]] bool make_records();
    void start_opening();
    [[nodiscard]] std::size_t wanted_tickets() const;
    [[nodiscard]] bool has_surplus_tickets() const;
    [[nodiscard]] std::optional<tls_status> open_record(std::span<std::byte> room,
                                                        std::size_t& size);
    [[nodiscard]] std::optional<tls_status> give_to_libssl(const tls13_records::received& what,
                                                           std::size_t record_size);
    void forward_output();

    const std::shared_ptr<const tls_profile> profile_;
    const std::string peer_;  // "host:port", for sentences
    const std::string_view offered_alpn_;
    tls_hooks hooks_;
    memory_bio bio_;
    ssl_ptr ssl_;              // after what it refers to
    ssl_session_ptr offered_;  // until the handshake ends
    state state_ = state::created;
    bool peer_closed_ = false;
    bool close_sent_ = false;
    bool key_update_read_ = false;              // in the call of libssl's that runs
    unsigned libssl_calls_;                     // still to come before the engine takes over
    std::unique_ptr<tls13_traffic_keys> keys_;  // until then
    std::unique_ptr<tls13_records> records_;    // from then on
    base::byte_queue left_;                     // decrypted by these, and not taken yet
    unsigned idle_messages_ = 0;
    std::size_t unsent_answers_ = 0;
    errc error_code_{};
    std::string error_detail_;
};

tls_engine::implementation::implementation(const tls_settings& settings)
    : profile_(checked(settings.profile)),
      peer_(settings.host + ':' + std::to_string(settings.port)),
      offered_alpn_(settings.offer_http2 ? alpn_http2 : alpn_http1),
      ssl_(SSL_new(profile_->internals().context())),
      libssl_calls_(settings.libssl_calls) {
    if (!set_up(settings) && state_ != state::failed) {
        fail(errc::out_of_memory, "OpenSSL could not make it");
    }
    clear_openssl_errors();
}

/// False: there is no memory for it.
bool tls_engine::implementation::set_up(const tls_settings& settings) {
    if (!ssl_ || !hooks_.attach(ssl())) return false;
    const tls_names names = tls_names_of(settings);
    if (settings.sessions != nullptr && profile_->options().session_resumption) {
        hooks_.sessions = &settings.sessions->internals();
        hooks_.profile = profile_->internals().id();
        hooks_.session_key = session_key(settings, names);
    }
    if (settings.chains != nullptr) hooks_.chains = &settings.chains->internals();
    bio_.limit_input(max_handshake_input);
    BIO* const bio = bio_.make_bio().release();
    if (bio == nullptr) return false;
    SSL_set_bio(ssl(), bio, bio);
    SSL_set_connect_state(ssl());
    // Unlike its siblings this one returns 0 for success.
    if (SSL_set_alpn_protos(ssl(), reinterpret_cast<const unsigned char*>(offered_alpn_.data()),
                            static_cast<unsigned>(offered_alpn_.size())) != 0) {
        return false;
    }
    set_names(settings, names);
    return true;
}

tls_engine::implementation::~implementation() {
    // Else OpenSSL takes a connection that ends without close_notify for an attack and spoils its
    // session, which cancelled exchanges and lost connections would cost us every time.
    if (is_established()) SSL_set_shutdown(ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void tls_engine::implementation::set_names(const tls_settings& settings, const tls_names& names) {
    bool is_ok = names.sent && names.verified;
    if (is_ok && !names.sent->is_address()) {
        is_ok = SSL_set_tlsext_host_name(ssl(), names.sent->text.c_str()) == 1;
    }
    if (is_ok && !profile_->options().danger_skip_verification) {
        is_ok = require_peer_name(ssl(), *names.verified);
    }
    if (!is_ok) {
        fail(code_or_no_memory(errc::handshake_failed),
             "the host cannot be named in TLS (RFC 6066 3)");
        return;
    }
    hooks_.expected_name = names.verified->text;
    hooks_.question.host = settings.host;
}

tls_step tls_engine::implementation::step() {
    if (state_ == state::failed) return tls_step::failed;
    if (state_ == state::established) return tls_step::done;
    if (hooks_.verdict == verdict_state::asked) return tls_step::want_verdict;
    if (state_ == state::created) {
        set_session();
        keys_ = std::make_unique<tls13_traffic_keys>();
    }
    state_ = state::handshaking;
    clear_openssl_errors();
    const tls13_key_witness witness(*keys_);
    const int result = SSL_do_handshake(ssl());
    if (result == 1) return finish_handshake();
    const int why = SSL_get_error(ssl(), result);
    if (why == SSL_ERROR_WANT_RETRY_VERIFY) return tls_step::want_verdict;
    if (why != SSL_ERROR_WANT_READ) return fail_handshake(why);
    return bio_.has_record() ? tls_step::more : tls_step::want_input;
}

// Only now, so that a ticket of single use is not spent on a connection that never opened.
void tls_engine::implementation::set_session() {
    if (hooks_.sessions == nullptr) return;
    offered_ = hooks_.sessions->take(hooks_.profile, hooks_.session_key, openssl_time());
    if (offered_) SSL_set_session(ssl(), offered_.get());
}

tls_step tls_engine::implementation::finish_handshake() {
    // Not every OpenSSL 3.0 checks that the answer was among our offers (RFC 7301 3.2).
    const std::string_view chosen = alpn();
    if (!chosen.empty() && chosen != "http/1.1" &&
        (chosen != "h2" || offered_alpn_ != alpn_http2)) {
        fail(errc::handshake_failed, "the peer chose an ALPN protocol that was not offered");
        return tls_step::failed;
    }
    state_ = state::established;
    bio_.limit_input(memory_bio::no_limit);
    watch_messages();
    bio_.start_count();
    const bool is_never = libssl_calls_ == tls_settings::every_call;
    if (is_never || !keys_->are_whole()) keys_.reset();  // or it is an older version
    keep_renewed_session();
    offered_.reset();
    clear_openssl_errors();
    return tls_step::done;
}

// OpenSSL announces the ticket of a resumed connection for TLS 1.3 only; a TLS 1.2 server may renew
// as well (RFC 5077 3.3).
void tls_engine::implementation::keep_renewed_session() {
    if (!offered_ || SSL_session_reused(ssl()) != 1 || SSL_version(ssl()) >= TLS1_3_VERSION) return;
    ssl_session_ptr current(SSL_get1_session(ssl()));
    if (current == offered_) return;
    hooks_.sessions->store(hooks_.profile, hooks_.session_key, std::move(current));
}

tls_step tls_engine::implementation::fail_handshake(int why) {
    // A session that breaks handshakes must not break the next one as well.
    if (offered_) hooks_.sessions->remove(hooks_.profile, hooks_.session_key, offered_.get());
    offered_.reset();
    if (hooks_.lacked_memory || openssl_lacks_memory()) {
        fail(errc::out_of_memory, explain(why));
    } else if (!hooks_.rejection.empty()) {
        fail(errc::certificate_rejected, hooks_.rejection);
    } else if (bio_.is_over_limit()) {
        fail(errc::handshake_failed, "the peer sent more than " +
                                         std::to_string(max_handshake_input) +
                                         " octets before the end of the handshake");
    } else {
        fail(errc::handshake_failed, explain(why));
    }
    return tls_step::failed;
}

tls_engine::read_result tls_engine::implementation::decrypt(std::span<std::byte> plain) {
    HEARTH_ASSERT(is_established() || state_ == state::failed);
    if (!is_established()) return {0, tls_status::failed};
    if (peer_closed_) return {0, tls_status::closed};
    if (keys_ && bio_.has_record()) {
        const bool is_first = bio_.count().read == 0 && !opens_records();
        if (is_first && has_surplus_tickets()) start_opening();
        take_over();
    }
    const std::size_t queued = bio_.output().size();
    if (queued == 0) unsent_answers_ = 0;
    read_result result = read_records(plain);
    forward_output();
    if (!is_established()) result.status = tls_status::failed;
    unsent_answers_ += bio_.output().size() - queued;
    if (unsent_answers_ > max_unsent_answers && is_established()) {
        fail(errc::peer_tls_error, "the peer asks for answers that it does not read");
        result.status = tls_status::failed;
    }
    return result;
}

tls_engine::read_result tls_engine::implementation::read_records(std::span<std::byte> plain) {
    read_result result;
    bool is_clear = false;
    while (result.size < plain.size()) {
        const auto rest = plain.subspan(result.size);
        if (!left_.empty()) {
            const std::size_t count = std::min(rest.size(), left_.size());
            std::memcpy(rest.data(), left_.data().data(), count);
            left_.consume(count);
            left_.release();
            result.size += count;
            continue;
        }
        if (!has_record()) {  // saves the call that would find nothing
            result.status = tls_status::want_input;
            return result;
        }
        if (opens_records()) {
            if (const auto stopped = open_record(rest, result.size)) {
                result.status = *stopped;
                return result;
            }
            continue;
        }
        if (!std::exchange(is_clear, true)) clear_openssl_errors();
        std::size_t count = 0;
        const int outcome = SSL_read_ex(ssl(), rest.data(), rest.size(), &count);
        if (outcome != 1) {
            result.status = read_stopped(outcome);
            return result;
        }
        result.size += count;
        idle_messages_ = 0;
    }
    result.status = tls_status::ok;
    return result;
}

tls_status tls_engine::implementation::read_stopped(int result) {
    const int why = SSL_get_error(ssl(), result);
    if (why == SSL_ERROR_WANT_READ) return tls_status::want_input;
    if (why == SSL_ERROR_ZERO_RETURN) {
        peer_closed_ = true;
        return tls_status::closed;
    }
    if (idle_messages_ > max_idle_messages) {
        fail(errc::peer_tls_error, "the peer sent " + std::to_string(idle_messages_) +
                                       " handshake messages in a row without data");
    } else {
        const errc code = code_or_no_memory(errc::peer_tls_error);
        fail(code, explain(why));
    }
    return tls_status::failed;
}

// Reads a record without libssl, or through it what libssl must see. Nothing: go on.
std::optional<tls_status> tls_engine::implementation::open_record(std::span<std::byte> room,
                                                                  std::size_t& size) {
    const auto record = bio_.front();
    const std::size_t length = record.size();
    const bool is_whole = tls13_record::is_whole(record);
    if (!is_whole || record[0] != protected_type) {  // libssl will not like it
        const auto enough = record.first(std::min(length, enough_to_refuse));
        return give_to_libssl({tls13_records::content::failed, 0, enough}, length);
    }
    std::span<std::byte> into = room;
    const std::size_t needed = tls13_record_cipher::room_for(record);
    const bool has_room = needed <= room.size();
    if (!has_room) {
        if (size != 0) return tls_status::ok;  // the next buffer may have it
        into = left_.prepare(needed);
    }
    const tls13_records::received got = records_->open(record, into);
    if (!has_room && got.size != 0) left_.commit(got.size);
    if (!has_room) left_.release();
    if (got.is_tickets && wanted_tickets() == 0 && idle_messages_ < max_idle_messages) {
        ++idle_messages_;
        records_->withhold_control();
        bio_.drop_front(length);
        return std::nullopt;
    }
    if (got.what != tls13_records::content::data) return give_to_libssl(got, length);
    bio_.drop_front(length);
    if (has_room) size += got.size;
    if (got.size != 0) idle_messages_ = 0;
    return std::nullopt;
}

std::optional<tls_status> tls_engine::implementation::give_to_libssl(
    const tls13_records::received& what, std::size_t record_size) {
    if (what.what == tls13_records::content::no_memory) {
        fail(errc::out_of_memory, "OpenSSL could not make a cipher");
        return tls_status::failed;
    }
    bio_.inject(what.for_libssl);
    records_->forget_control();
    bio_.drop_front(record_size);
    clear_openssl_errors();
    char none = 0;
    std::size_t count = 0;
    const int outcome = SSL_read_ex(ssl(), &none, sizeof(none), &count);
    if (std::exchange(key_update_read_, false)) {
        records_->stop_opening();
        bio_.keep_records(false);
    }
    if (outcome != 1 && SSL_get_error(ssl(), outcome) != SSL_ERROR_WANT_READ) {
        return read_stopped(outcome);
    }
    if (outcome == 1 || what.what == tls13_records::content::failed) {
        fail(errc::peer_tls_error, "the peer sent a record that cannot be here");
        return tls_status::failed;
    }
    return std::nullopt;
}

/// What libssl wrote since, under the numbers that the peer expects.
void tls_engine::implementation::forward_output() {
    if (!records_ || bio_.diverted().empty()) return;
    const bool is_forwarded = records_->forward(bio_.diverted(), bio_.output());
    if (!records_->seals()) bio_.divert(false);
    if (!is_forwarded && is_established()) {
        fail(code_or_no_memory(errc::peer_tls_error), "an answer of OpenSSL's could not be sent");
    }
}

/// The engine protects records from here on, if it can and the connection is used again.
void tls_engine::implementation::take_over() {
    if (libssl_calls_ != 0) {
        --libssl_calls_;
        return;
    }
    start_opening();
    if (!keys_ || !opens_records()) return;
    const memory_bio::counts& by_libssl = bio_.count();
    if (by_libssl.are_known && records_->start_sealing(by_libssl.written)) bio_.divert(true);
    keys_.reset();
}

/// False: it cannot be, and will not be tried again.
bool tls_engine::implementation::make_records() {
    if (records_) return true;
    const tls13_aead* const aead =
        tls13_aead_of(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl())));
    if (aead == nullptr) return false;
    records_ = std::make_unique<tls13_records>(*aead, *keys_);
    return true;
}

void tls_engine::implementation::start_opening() {
    if (opens_records() || SSL_has_pending(ssl()) != 0) return;
    if (make_records() && records_->start_opening(bio_.count().read)) {
        bio_.keep_records(true);
    } else {
        keys_.reset();
    }
}

/// A server that has resumed a session takes the others in stock, too.
std::size_t tls_engine::implementation::wanted_tickets() const {
    if (hooks_.sessions == nullptr) return 0;
    const bool is_resumed = SSL_session_reused(ssl()) == 1;
    return is_resumed ? hooks_.sessions->lacking(hooks_.profile, hooks_.session_key, openssl_time())
                      : std::numeric_limits<std::size_t>::max();
}

/// Servers send two, as a rule.
bool tls_engine::implementation::has_surplus_tickets() const { return wanted_tickets() < 2; }

bool tls_engine::implementation::encrypt(std::span<const std::byte> plain) {
    HEARTH_ASSERT((is_established() && !close_sent_) || state_ == state::failed);
    if (!is_established()) return false;
    if (plain.empty()) return true;
    if (keys_) take_over();
    if (seals_records()) {
        if (records_->seal(plain, bio_.output())) return true;
        fail(code_or_no_memory(errc::peer_tls_error), "OpenSSL could not encrypt");
        return false;
    }
    const std::size_t records = plain.size() / max_fragment + 1;
    (void)bio_.output().prepare(plain.size() + records * record_overhead);  // grow once
    clear_openssl_errors();
    const std::size_t queued = bio_.output().size();
    std::size_t written = 0;
    if (SSL_write_ex(ssl(), plain.data(), plain.size(), &written) != 1) {
        const errc code = code_or_no_memory(errc::peer_tls_error);
        fail(code, take_openssl_error());
    }
    // Padding, which OpenSSL's configuration can ask for, is libssl's to add.
    const std::size_t unpadded =
        plain.size() + (plain.size() + max_fragment - 1) / max_fragment * tls13_record::overhead;
    if (bio_.output().size() - queued != unpadded) keys_.reset();
    forward_output();
    return is_established();
}

void tls_engine::implementation::shut_down() {
    if (!is_established() || close_sent_) return;
    close_sent_ = true;
    clear_openssl_errors();
    SSL_shutdown(ssl());
    forward_output();
    clear_openssl_errors();
}

std::string_view tls_engine::implementation::alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl(), &name, &size);
    const std::string_view chosen(reinterpret_cast<const char*>(name), size);
    // What is kept of it outlives the connection.
    for (const std::string_view known : {std::string_view("http/1.1"), std::string_view("h2")}) {
        if (chosen == known) return known;
    }
    return chosen;
}

void tls_engine::implementation::fail(errc code, std::string_view detail) {
    state_ = state::failed;
    error_code_ = code;
    if (code == errc::certificate_rejected) {
        error_detail_ = "the certificate of " + peer_ + " was rejected: ";
    } else if (code == errc::handshake_failed) {
        error_detail_ = "TLS with " + peer_ + " could not be negotiated: ";
    } else if (code == errc::out_of_memory) {
        error_detail_ = "there was no memory for TLS with " + peer_ + ": ";
    } else {
        error_detail_ = "TLS with " + peer_ + " broke: ";
    }
    error_detail_ += detail;
    clear_openssl_errors();
}

// Watches every message that follows the handshake, and ends the input from within OpenSSL's loop
// if there is nothing but such messages.
void tls_engine::implementation::watch_messages() {
    SSL_set_msg_callback_arg(ssl(), this);
    SSL_set_msg_callback(ssl(), [](int is_sent, int, int type, const void* message,
                                   std::size_t size, SSL*, void* self) {
        if (type != SSL3_RT_HANDSHAKE || size == 0) return;
        static_cast<implementation*>(self)->on_message(is_sent != 0,
                                                       *static_cast<const unsigned char*>(message));
    });
}

void tls_engine::implementation::on_message(bool is_sent, unsigned char kind) {
    if (kind == message_of_key_update) {
        keys_.reset();  // they are others from here on
        if (!is_sent) key_update_read_ = true;
    }
    if (is_sent) return;
    if (++idle_messages_ > max_idle_messages) bio_.refuse_input();
}

tls_engine::tls_engine(const tls_settings& settings)
    : implementation_(std::make_unique<implementation>(settings)) {}

tls_engine::~tls_engine() = default;

void tls_engine::receive(std::span<const std::byte> ciphertext) {
    implementation_->bio().receive(ciphertext);
}

void tls_engine::retain() { implementation_->bio().retain(); }

std::size_t tls_engine::pending_input() const { return implementation_->bio().pending(); }

std::size_t tls_engine::pending() const {
    return implementation_->bio().pending() + implementation_->decrypted();
}

bool tls_engine::has_complete_record() const { return implementation_->has_record(); }

tls_step tls_engine::step() { return implementation_->step(); }

const std::shared_ptr<const tls_profile>& tls_engine::profile() const {
    return implementation_->profile();
}

peer_to_verify tls_engine::take_question() { return std::move(implementation_->hooks().question); }

void tls_engine::set_verdict(bool is_accepted, std::string reason) {
    tls_hooks& hooks = implementation_->hooks();
    if (hooks.verdict != verdict_state::asked) return;
    hooks.verdict = is_accepted ? verdict_state::accepted : verdict_state::refused;
    if (is_accepted) return;
    hooks.rejection = reason.empty() ? "the verifier refused it" : std::move(reason);
}

bool tls_engine::is_established() const { return implementation_->is_established(); }

tls_engine::read_result tls_engine::decrypt(std::span<std::byte> plain) {
    return implementation_->decrypt(plain);
}

bool tls_engine::encrypt(std::span<const std::byte> plain) {
    return implementation_->encrypt(plain);
}

void tls_engine::shut_down() { implementation_->shut_down(); }

base::byte_queue& tls_engine::output() { return implementation_->bio().output(); }

bool tls_engine::is_resuming() const { return implementation_->is_resuming(); }

bool tls_engine::resumed() const { return SSL_session_reused(implementation_->ssl()) == 1; }

std::string_view tls_engine::version() const {
    return is_established() ? SSL_get_version(implementation_->ssl()) : std::string_view();
}

std::string_view tls_engine::cipher() const {
    const SSL_CIPHER* chosen = SSL_get_current_cipher(implementation_->ssl());
    return chosen != nullptr ? SSL_CIPHER_get_name(chosen) : std::string_view();
}

std::string_view tls_engine::alpn() const { return implementation_->alpn(); }

errc tls_engine::error_code() const { return implementation_->error_code(); }

const std::string& tls_engine::error_detail() const { return implementation_->error_detail(); }

std::size_t tls_engine::memory() const { return implementation_->memory(); }

}  // namespace hearth::proto
