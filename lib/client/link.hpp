// link: what a shard has of one connection: its sockets, its protocol engine, and when it came to
// be.
//
// Created by core's `dial`, named by core's id, ended by core's `close` or by a fact that says it
// is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "base/time.hpp"
#include "hearth/response.hpp"
#include "io/connection_driver.hpp"
#include "proto/connection.hpp"

namespace hearth::detail {

struct link {
    link(connection_id name, origin_id where, std::shared_ptr<io::readiness_set> sockets,
         std::shared_ptr<io::driver_listener> listener, const io::socket_settings& settings)
        : id(name),
          origin(where),
          driver(std::move(sockets), std::move(listener), name, settings) {}

    connection_id id;
    origin_id origin;
    io::connection_driver driver;
    std::unique_ptr<proto::connection> wire;  // once connected
    std::vector<io::endpoint> addresses;      // once resolved
    std::uint64_t resolve_ticket = 0;
    std::string connect_detail;               // what each failed attempt said
    boost::system::error_code connect_error;  // of the last failed attempt

    exchange_id exchange;          // the one it carries, dead if none
    std::uint32_t served = 0;      // exchanges assigned so far
    bool ready = false;            // usable: core was told
    bool paused = false;           // its exchange's reader is slow: nothing is read
    bool dirty = false;            // in the shard's list of links to flush
    bool closing = false;          // core was told that it ends, its `close` is on the way
    bool flight_reported = false;  // core knows that a slice can run
    connection_info info;

    base::time_point dial_began;
    base::time_point resolved;
    base::time_point connected;
    base::time_point became_ready;
};

}  // namespace hearth::detail
