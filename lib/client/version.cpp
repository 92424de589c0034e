// The version that was compiled into the library.

#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

const char* version() noexcept { return HEARTH_VERSION_STRING; }

HEARTH_END_NAMESPACE
