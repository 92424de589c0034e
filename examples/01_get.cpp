// One GET: `01_get [URL]`. The client owns its threads; a program has one client and shares it.
#include <chrono>
#include <hearth/hearth.hpp>
#include <iostream>

int main(int argc, char** argv) {
    hearth::client client;
    hearth::request request{hearth::method::get, argc > 1 ? argv[1] : "https://example.org/"};
    request.headers.set("accept", "text/html");
    request.deadline = hearth::in(std::chrono::seconds(5));
    try {
        const hearth::response response = client.send(request);
        std::cout << response.status << ", " << response.body.size() << " octets from "
                  << response.connection.peer_address << "\n";
    } catch (const hearth::send_error& error) {
        std::cerr << error.what() << " (phase: " << error.failure().phase << ")\n";
        return 1;
    }
}
