// Version of the library and the macros every public header needs.
//
// Releases are 0.y: each y may break source and binary compatibility, so y is part of the SONAME
// and of the inline namespace. Mixing two releases in one program links, because no symbol is
// shared.
#pragma once

#define HEARTH_VERSION_MAJOR 0
#define HEARTH_VERSION_MINOR 1
#define HEARTH_VERSION_PATCH 0
#define HEARTH_VERSION_STRING "0.1.0"

#if defined(_WIN32)
#define HEARTH_API
#else
#define HEARTH_API __attribute__((visibility("default")))
#endif

// Opens and closes the namespace all public names live in.
#define HEARTH_BEGIN_NAMESPACE \
    namespace hearth {         \
    inline namespace v0_1 {
#define HEARTH_END_NAMESPACE \
    }                        \
    }

HEARTH_BEGIN_NAMESPACE

namespace detail {}  // namespace detail

/// The version of the library that was linked, as "0.y.z". It differs from HEARTH_VERSION_STRING
/// when the headers are of another patch release than the shared object.
[[nodiscard]] HEARTH_API const char* version() noexcept;

HEARTH_END_NAMESPACE
