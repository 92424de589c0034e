// form: both encodings, files read piece by piece, and what an origin gets of them.
#include "hearth/form.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "client/scripted.hpp"
#include "support/server_process.hpp"

namespace hearth {
namespace {

using namespace hearth::support;
using boost::system::error_code;

// The whole of a source, pulled in pieces of `step`.
std::string pulled(body_source& source, std::size_t step, error_code& error) {
    std::string all;
    for (int pulls = 0; pulls < 100'000; ++pulls) {
        std::string buffer(step, '\0');
        std::size_t size = 0;
        source.async_pull(buffer, [&](error_code result, std::size_t got) {
            error = result;
            size = got;
        });
        if (error || size == 0) return all;
        all.append(buffer, 0, size);
    }
    return all;
}

TEST(FormTest, FieldsAreEncoded) {
    EXPECT_EQ(form_encode({}), "");
    EXPECT_EQ(form_encode({{"a", "1"}, {"b c", "x&y=z"}, {"", "\xc3\xa9~*-._"}}),
              "a=1&b+c=x%26y%3Dz&=%C3%A9%7E*-._");
    testing::origin origin(plaintext());
    request what = post(origin.url("/echo"), {});
    set_form(what, {{"q", "a b"}});
    const std::string echo = client(one_thread()).send(what).body;
    EXPECT_NE(echo.find("content-type: application/x-www-form-urlencoded"), std::string::npos);
    EXPECT_TRUE(echo.ends_with("q=a+b")) << echo;
}

class temporary_file {
public:
    explicit temporary_file(std::string_view text) {
        const auto path = directory_.write("file", text);
        descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    }
    ~temporary_file() { ::close(descriptor); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    int descriptor = -1;

private:
    scratch_directory directory_;
};

TEST(FormTest, PartsInAnyPieceSizeAndAgain) {
    const temporary_file file("0123456789");
    multipart form;
    form.add("a\"b\r\n", "v1").add("json", "{}", "application/json");
    form.add_file("f", "x.bin", file_range{file.descriptor, 2, 5});
    form.add_file("g", "y.txt", "bytes", "text/plain\r\nevil: 1");
    const std::string boundary =
        form.content_type().substr(std::string("multipart/form-data; boundary=").size());
    EXPECT_EQ(boundary.size(), 7U + 32U);
    const std::string expected =
        "--" + boundary + "\r\ncontent-disposition: form-data; name=\"a%22b%0D%0A\"\r\n\r\nv1\r\n" +
        "--" + boundary + "\r\ncontent-disposition: form-data; name=\"json\"\r\n" +
        "content-type: application/json\r\n\r\n{}\r\n" +  //
        "--" + boundary + "\r\ncontent-disposition: form-data; name=\"f\"; filename=\"x.bin\"\r\n" +
        "content-type: application/octet-stream\r\n\r\n23456\r\n" +  //
        "--" + boundary + "\r\ncontent-disposition: form-data; name=\"g\"; filename=\"y.txt\"\r\n" +
        "content-type: text/plainevil: 1\r\n\r\nbytes\r\n" +  //
        "--" + boundary + "--\r\n";
    const auto source = form.body();
    EXPECT_EQ(source->size(), expected.size());
    for (const std::size_t step : {1U, 7U, 100U, 65'536U}) {
        error_code error;
        EXPECT_EQ(pulled(*source, step, error), expected) << step;
        EXPECT_FALSE(error);
        EXPECT_TRUE(source->rewind());
    }
    EXPECT_NE(multipart().content_type(), form.content_type());
}

TEST(FormTest, FileThatEndsEarlyIsAnError) {
    const temporary_file file("123");
    multipart form;
    form.add_file("f", "x", file_range{file.descriptor, 0, 4});
    error_code error;
    (void)pulled(*form.body(), 100, error);
    EXPECT_EQ(error, errc::invalid_body);
    testing::origin origin(plaintext());
    request what = post(origin.url("/upload"), {});
    form.set(what);
    (void)client(one_thread()).send(what, error);
    EXPECT_EQ(error, errc::invalid_body);
}

TEST(FormTest, LargeFileReachesTheOriginAndIsRepeated) {
    const std::string content(3'000'000, 'x');
    const temporary_file file(content);
    testing::origin origin(plaintext());
    const auto first = std::make_shared<std::atomic<bool>>(true);
    origin.on("/", [first](const testing::request_view& seen, testing::responder reply) {
        testing::reply whole;
        whole.status = first->exchange(false) ? 503 : 200;
        whole.body = std::to_string(seen.body.size()) + " " +
                     std::string(seen.header("content-length").value_or("?"));
        reply.answer(std::move(whole));
    });
    config values = one_thread();
    values.retry.max_attempts = 2;
    values.retry.statuses = {503};
    client subject(values);
    multipart form;
    form.add_file("f", "x", file_range{file.descriptor, 0, content.size()});
    request what = post(origin.url("/"), {});
    form.set(what);
    what.idempotent = true;
    const response got = subject.send(what);
    const std::string size = std::to_string(*form.body()->size());
    EXPECT_EQ(got.body, size + " " + size);
    EXPECT_EQ(got.attempt_log.size(), 2U);
}

}  // namespace
}  // namespace hearth
