// Everything hearth offers but `hearth::testing`.
#pragma once

#include "hearth/authorization.hpp"        // IWYU pragma: export
#include "hearth/body.hpp"                 // IWYU pragma: export
#include "hearth/client.hpp"               // IWYU pragma: export
#include "hearth/config.hpp"               // IWYU pragma: export
#include "hearth/deadline.hpp"             // IWYU pragma: export
#include "hearth/error.hpp"                // IWYU pragma: export
#include "hearth/event_stream.hpp"         // IWYU pragma: export
#include "hearth/exchange.hpp"             // IWYU pragma: export
#include "hearth/form.hpp"                 // IWYU pragma: export
#include "hearth/headers.hpp"              // IWYU pragma: export
#include "hearth/hooks.hpp"                // IWYU pragma: export
#include "hearth/origin.hpp"               // IWYU pragma: export
#include "hearth/proxy.hpp"                // IWYU pragma: export
#include "hearth/request.hpp"              // IWYU pragma: export
#include "hearth/reserved_connection.hpp"  // IWYU pragma: export
#include "hearth/response.hpp"             // IWYU pragma: export
#include "hearth/stats.hpp"                // IWYU pragma: export
#include "hearth/tls.hpp"                  // IWYU pragma: export
#include "hearth/version.hpp"              // IWYU pragma: export
