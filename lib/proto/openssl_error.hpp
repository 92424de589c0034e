// OpenSSL's error queue as text.
//
// The queue belongs to the thread, not to a connection: whoever calls OpenSSL clears it before a
// call whose outcome depends on it (SSL_get_error) and leaves it empty behind.
#pragma once

#include <string>

namespace hearth::proto {

/// Takes everything out of this thread's error queue and says what it meant: the peer's alert by
/// name, else OpenSSL's reason and, where it differs, the first cause. Never empty.
[[nodiscard]] std::string take_openssl_error();

/// True if this thread's error queue says that a call failed because OpenSSL found no memory.
[[nodiscard]] bool openssl_lacks_memory() noexcept;

/// Empties this thread's error queue; nearly free if it is empty.
void clear_openssl_errors() noexcept;

}  // namespace hearth::proto
