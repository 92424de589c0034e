#include "io/name_lookup.hpp"

#include <algorithm>
#include <array>

namespace hearth::io {

address_list interleave_families(const address_list& addresses) {
    if (addresses.empty()) return {};
    const bool first = addresses.front().is_v6();
    std::array<address_list, 2> families;  // The first one's, and the other.
    for (const auto& address : addresses) {
        address_list& family = families[address.is_v6() == first ? 0 : 1];
        if (family.size() == max_addresses) continue;
        if (std::ranges::find(family, address) == family.end()) family.push_back(address);
    }
    address_list result;
    const std::size_t rounds = std::max(families[0].size(), families[1].size());
    for (std::size_t i = 0; i < rounds; ++i) {
        for (const address_list& family : families) {
            if (i < family.size() && result.size() < max_addresses) result.push_back(family[i]);
        }
    }
    return result;
}

name_answer make_failed_answer(errc code, const std::string& name, const std::string& reason) {
    return {make_error_code(code), "'" + name + "': " + reason + ".", {}, std::chrono::seconds(0)};
}

name_answer make_starved_answer(const std::string& name) {
    return make_failed_answer(errc::descriptor_limit, name,
                              "no file descriptor is left to ask a name server with");
}

}  // namespace hearth::io
