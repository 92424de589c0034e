// All of hearth's test support: embedded origins with scripted behaviour and run-time certificates.
//
// Link with libhearth_testing; it does not need libhearth, so it can test any HTTP client.
#pragma once

#include "hearth/testing/certificate_authority.hpp"
#include "hearth/testing/h2_frames.hpp"
#include "hearth/testing/handler.hpp"
#include "hearth/testing/listen_options.hpp"
#include "hearth/testing/origin.hpp"
#include "hearth/testing/raw_origin.hpp"
