// What real servers do with the content of requests and responses: redirects and codings of nginx
// and apache2, forms, multipart bodies and server-sent events of a program on Node's http.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>

#include "hearth/event_stream.hpp"
#include "hearth/form.hpp"
#include "hearth/testing/origin.hpp"
#include "interop/servers.hpp"
#include "support/awaited.hpp"

namespace hearth::interop {
namespace {

using namespace hearth::support;
using namespace std::string_literals;
using boost::system::error_code;

std::string sha256(std::string_view octets) {
    std::array<unsigned char, 32> digest{};
    unsigned size = 0;
    EVP_Digest(octets.data(), octets.size(), digest.data(), &size, EVP_sha256(), nullptr);
    std::string text;
    for (const unsigned char one : digest) {
        std::array<char, 3> hex{};
        std::snprintf(hex.data(), hex.size(), "%02x", one);
        text += hex.data();
    }
    return text;
}

config following() {
    config values = client_config(1);
    values.redirect.enabled = true;
    return values;
}

TEST(InteropContentTest, RedirectsOfNginxAndApacheLeadToTheEnd) {
    const nginx_server nginx;
    const apache_server apache;
    const struct {
        std::string url;
        std::string end;
        std::string body;
    } rows[] = {
        {nginx.plain("/moved/301"), nginx.plain("/hello"), "hello from nginx\n"},
        {nginx.tls("/moved/308"), nginx.tls("/hello"), "hello from nginx\n"},
        {nginx.plain("/to-tls"), nginx.tls("/hello"), "hello from nginx\n"},
        {apache.plain("/moved"), apache.plain("/hello"), "hello from apache\n"},
        {apache.tls("/gone-away"), apache.tls("/hello"), "hello from apache\n"},
    };
    client subject(following());
    for (const auto& one : rows) {
        const response got = subject.send(get(one.url));
        EXPECT_EQ(got.status, 200U) << one.url;
        EXPECT_EQ(got.body, one.body) << one.url;
        ASSERT_EQ(got.redirects.size(), 1U) << one.url;
        EXPECT_EQ(got.redirects.front().url, one.end);
    }
    error_code error;
    (void)subject.send(get(nginx.plain("/loop")), error);
    EXPECT_EQ(error, errc::too_many_redirects);
    EXPECT_EQ(subject.stats().internal_errors, 0U);
}

TEST(InteropContentTest, RedirectedBodiesOfNodeAreSentAgainOrDropped) {
    const node_server server;
    client subject(following());
    EXPECT_EQ(subject.send(post(server.plain("/moved/307"), std::string(100'000, 'x'))).body,
              "POST 100000");
    EXPECT_EQ(subject.send(post(server.plain("/moved/303"), "what")).body, "GET 0");
}

TEST(InteropContentTest, CodingsAreUndone) {
    const std::string text = testing::pattern_octets(0, 300'000);
    const nginx_server nginx;
    const apache_server apache;
    const node_server node;
    std::ofstream(nginx.www() / "text") << text;
    for (const char* coding : {"gzip", "br"}) {
        std::filesystem::create_directory(apache.www() / coding);
        std::ofstream(apache.www() / coding / "text") << text;
    }
    const struct {
        std::string url;
        std::string coding;
        std::size_t size;
    } rows[] = {
        {nginx.plain("/gzip/text"), "gzip", text.size()},
        {apache.plain("/gzip/text"), "gzip", text.size()},
        {apache.tls("/br/text"), "br", text.size()},
        {node.plain("/coded/gzip"), "gzip", 1'000'000},
        {node.plain("/coded/deflate"), "deflate", 1'000'000},
        {node.plain("/coded/br"), "br", 1'000'000},
    };
    config values = client_config(1);
    values.decode.enabled = true;
    values.decode.max_ratio.reset();  // the text of Node's is far more regular than any
    client subject(values);
    for (const auto& one : rows) {
        for (int i = 0; i < 3; ++i) {
            const response got = subject.send(get(one.url));
            EXPECT_EQ(got.status, 200U) << one.url;
            EXPECT_EQ(got.decoded_from, one.coding) << one.url;
            EXPECT_EQ(got.body.size(), one.size) << one.url;
            if (one.size == text.size()) {
                EXPECT_EQ(got.body, text) << one.url;
            }
        }
    }
    EXPECT_EQ(subject.stats().total().opened, 4U) << "each body was read to its very end";
}

TEST(InteropContentTest, NodeReadsFormsAndMultipartBodies) {
    const node_server server;
    client subject(client_config(1));
    request form = get(server.plain("/form"));
    form.method = method::post;
    set_form(form, {{"a", "1 & 2"}, {"b\xc3\xa4", "=?"}});
    EXPECT_EQ(subject.send(std::move(form)).body, "{\"a\":\"1 & 2\",\"b\xc3\xa4\":\"=?\"}");

    const scratch_directory directory;
    const std::string bytes = testing::pattern_octets(7, 2'000'000);
    const auto path = directory.write("file", bytes);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                               &std::fclose);
    multipart parts;
    parts.add("field", "a value\r\n--with-dashes")
        .add_file("blob", "some \"name\".bin", "\0\1\2"s, "application/x-blob")
        .add_file("big", "big.bin", file_range{::fileno(file.get()), 0, bytes.size()});
    request what = get(server.plain("/multipart"));
    what.method = method::post;
    parts.set(what);
    const response got = subject.send(std::move(what));
    EXPECT_EQ(got.status, 200U) << got.body;
    EXPECT_EQ(got.body, "field|||22|" + sha256("a value\r\n--with-dashes") +
                            "\nblob|some %22name%22.bin|application/x-blob|3|" + sha256("\0\1\2"s) +
                            "\nbig|big.bin|application/octet-stream|2000000|" + sha256(bytes));
}

TEST(InteropContentTest, EventsOfNodeAreReadAndGoOnWhereTheyEnded) {
    const node_server server;
    client subject(client_config(1));
    event_stream_parser parser;
    std::vector<server_event> all;
    // The second stream begins behind the last event of the first.
    for (const char* path : {"/events?to=2", "/events?to=5"}) {
        request what = get(server.plain(path));
        if (!parser.last_id().empty()) what.headers.set("last-event-id", parser.last_id());
        awaited_exchange opened;
        subject.async_open(std::move(what), opened.handler());
        ASSERT_FALSE(opened.error());
        exchange stream = std::move(opened.value());
        const awaited_head head = read_head(stream);
        EXPECT_EQ(head.value().headers["content-type"], "text/event-stream");
        error_code end;
        EXPECT_TRUE(parser.feed(read_body(stream, end)));
        EXPECT_EQ(end, boost::asio::error::eof);
        while (auto one = parser.next()) all.push_back(std::move(*one));
    }
    ASSERT_EQ(all.size(), 5U);
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i].type, "tick");
        EXPECT_EQ(all[i].id, std::to_string(i + 1));
        EXPECT_EQ(all[i].data, "event " + all[i].id + "\nsecond line");
    }
    EXPECT_EQ(parser.retry_ms(), 250U);
    EXPECT_EQ(subject.stats().total().opened, 1U);
}

}  // namespace
}  // namespace hearth::interop
