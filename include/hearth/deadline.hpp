// Deadlines that travel: what is left of an exchange's time is told to its origin, and what a
// caller of ours told us bounds what we do for it.
#pragma once

#include "hearth/config.hpp"
#include "hearth/headers.hpp"
#include "hearth/request.hpp"
#include "hearth/version.hpp"

HEARTH_BEGIN_NAMESPACE

/// Bounds `what` by the remaining time that the fields of an incoming request name, as
/// `rules.header` and `rules.format` say (less `rules.margin`), counted from now; a deadline that
/// `what` has and that is nearer stays. True if the incoming request named a time. One that does
/// not parse, or is above a year, is none.
HEARTH_API bool adopt_deadline(request& what, const headers& incoming,
                               const deadline_config& rules);

HEARTH_END_NAMESPACE
