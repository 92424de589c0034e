#include "proto/openssl_error.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string_view>

namespace hearth::proto {
namespace {

// OpenSSL reports an alert of the peer as this plus the alert's number.
constexpr int alert_offset = SSL_AD_REASON_OFFSET;
constexpr int last_alert = 255;

bool is_alert(unsigned long code) {
    const int reason = ERR_GET_REASON(code);
    return ERR_GET_LIB(code) == ERR_LIB_SSL && reason > alert_offset &&
           reason <= alert_offset + last_alert;
}

std::string alert_text(unsigned long code) {
    // "tlsv13 alert certificate required": the version in it is where the alert was first defined.
    const char* reason = ERR_reason_error_string(code);
    const std::string_view text = reason != nullptr ? reason : "";
    constexpr std::string_view mark = " alert ";
    const auto place = text.find(mark);
    std::string sentence = "the peer sent the alert ";
    if (place == std::string_view::npos) {
        return sentence + std::to_string(ERR_GET_REASON(code) - alert_offset);
    }
    sentence += '"';
    sentence += text.substr(place + mark.size());
    sentence += '"';
    return sentence;
}

std::string text_of(unsigned long code) {
    if (ERR_SYSTEM_ERROR(code)) return "a system call failed";
    if (is_alert(code)) return alert_text(code);
    const char* reason = ERR_reason_error_string(code);
    std::string text = reason != nullptr ? reason : "error " + std::to_string(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
        return text + ": what the peer sent is not TLS";
    }
    return text;
}

}  // namespace

std::string take_openssl_error() {
    const unsigned long first = ERR_peek_error();
    const unsigned long last = ERR_peek_last_error();
    if (first == 0) return "OpenSSL gave no reason";
    std::string text = text_of(last);
    if (first != last) {
        const std::string cause = text_of(first);
        if (cause != text) text += " (" + cause + ")";
    }
    ERR_clear_error();
    return text;
}

bool openssl_lacks_memory() noexcept {
    // The first cause comes first.
    return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE;
}

void clear_openssl_errors() noexcept {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace hearth::proto
