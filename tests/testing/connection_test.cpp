// A connection under a protocol that does one thing: output, pausing and the ways to end.
#include "testing/connection.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "testing/plain_client.hpp"
#include "testing/server.hpp"

namespace {

using namespace hearth::testing;
using namespace hearth::testing::internal;
using hearth::support::client_tls;
using hearth::support::plain_client;
using hearth::support::stream_end;

// What a test wants to happen; empty = nothing.
struct protocol_script {
    std::function<void(connection&)> on_open = {};
    std::function<void(connection&, std::string_view)> on_bytes = {};
    std::function<void(connection&)> on_room = {};
    std::function<void(connection&)> on_end = {};
    std::function<void()> on_closed = {};
};

class scripted final : public protocol {
public:
    scripted(connection& owner, const protocol_script& script)
        : connection_(owner), script_(script) {}
    void on_open() override {
        if (script_.on_open) script_.on_open(connection_);
    }
    void on_bytes(std::string_view bytes) override {
        if (script_.on_bytes) script_.on_bytes(connection_, bytes);
    }
    void on_room() override {
        if (script_.on_room) script_.on_room(connection_);
    }
    void on_end() override {
        if (script_.on_end) script_.on_end(connection_);
    }
    void on_drain() override {}
    void on_closed() override {
        if (script_.on_closed) script_.on_closed();
    }

private:
    connection& connection_;
    const protocol_script& script_;
};

struct connection_world {
    protocol_script script;
    server listening;

    explicit connection_world(protocol_script wanted, bool has_tls = false)
        : script(std::move(wanted)), listening({.tls = has_tls}, [this](connection& owner) {
              return std::make_unique<scripted>(owner, script);
          }) {}
};

TEST(ConnectionTest, OutputIsSentBeforeItEnds) {
    for (const bool has_tls : {false, true}) {
        connection_world world({.on_open =
                                    [](connection& owner) {
                                        owner.send(std::string(5'000'000, 'x'));
                                        owner.close_when_sent(close_kind::clean);
                                    }},
                               has_tls);
        client_tls tls(has_tls ? world.listening.ca_pem() : certificate_authority().ca_pem());
        plain_client client(world.listening.port(), has_tls ? &tls : nullptr);
        EXPECT_EQ(client.read_all().size(), 5'000'000U);
        EXPECT_EQ(client.end(), stream_end::clean);
    }
}

TEST(ConnectionTest, UnreadInputDoesNotDestroyTheLastOutput) {
    connection_world world({.on_bytes = [](connection& owner, std::string_view) {
        owner.send("goodbye");
        owner.close_when_sent(close_kind::clean);
    }});
    plain_client client(world.listening.port());
    client.send(std::string(2'000'000, 'x'));
    EXPECT_EQ(client.read_all(), "goodbye");
    EXPECT_EQ(client.end(), stream_end::clean);
}

TEST(ConnectionTest, RoomComesWhenEverythingWasSent) {
    std::atomic<int> rooms{0};
    connection_world world({.on_open =
                                [](connection& owner) {
                                    owner.want_room();
                                    owner.send("0");
                                    owner.flush();
                                },
                            .on_room =
                                [&](connection& owner) {
                                    EXPECT_EQ(owner.queued_bytes(), 0U);
                                    owner.send(std::string(100'000, 'x'));
                                    if (++rooms < 50) return owner.want_room();
                                    owner.close_when_sent(close_kind::clean);
                                }});
    plain_client client(world.listening.port());
    EXPECT_EQ(client.read_all().size(), 5'000'001U);
    EXPECT_EQ(rooms, 50);
}

TEST(ConnectionTest, NothingArrivesWhilePaused) {
    std::string seen;
    connection_world world({.on_bytes =
                                [&](connection& owner, std::string_view bytes) {
                                    seen += bytes;
                                    owner.pause_reading();
                                    owner.home().post([held = owner.shared_from_this(), &seen] {
                                        seen += "|";
                                        held->resume_reading();
                                        if (seen.size() < 40'000) return;
                                        held->send("done");
                                        held->close_when_sent(close_kind::clean);
                                    });
                                }},
                           true);
    client_tls tls(world.listening.ca_pem());
    plain_client client(world.listening.port(), &tls);
    client.send(std::string(40'000, 'x'));
    EXPECT_EQ(client.read_all(), "done");
    world.listening.stop();  // its thread writes `seen`
    EXPECT_NE(seen.find("x|x"), std::string::npos);
}

TEST(ConnectionTest, ClosingAtOnceIsToldToTheProtocol) {
    std::atomic<int> closed{0};
    connection_world world(
        {.on_bytes = [](connection& owner,
                        std::string_view) { owner.close_now(close_kind::reset); },
         .on_closed = [&] { ++closed; }});
    plain_client client(world.listening.port());
    client.send("x");
    client.read_all();
    EXPECT_EQ(client.end(), stream_end::reset);
    world.listening.stop();
    EXPECT_EQ(closed, 1);
    EXPECT_EQ(world.listening.counts().snapshot().connections_open, 0U);
}

TEST(ConnectionTest, TheEndOfTheClientIsToldOnce) {
    std::atomic<int> ends{0};
    connection_world world({.on_end = [&](connection& owner) {
        ++ends;
        owner.send("bye");
        owner.close_when_sent(close_kind::clean);
    }});
    plain_client client(world.listening.port());
    client.finish();
    EXPECT_EQ(client.read_all(), "bye");
    EXPECT_EQ(ends, 1);
}

}  // namespace
