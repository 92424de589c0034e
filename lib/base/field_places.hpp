// field_places: fills `headers` from the text of a message's section, without taking it apart.
//
// Whoever reads a section line by line notes where the fields are; when the section is whole, its
// text is copied once and the places mean something. Between the two the object is of no use but to
// `clear`. Of a section of N octets, N are held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "hearth/headers.hpp"

namespace hearth::base {

class field_places {
public:
    /// A place in the section: octets from its beginning, and how many.
    struct range {
        std::size_t at = 0;
        std::size_t size = 0;
    };

    /// The section must stay below 4 GiB.
    static void note(headers& fields, range name, range value) {
        if (fields.entries_.capacity() == 0) fields.entries_.reserve(usual_fields);
        fields.entries_.push_back(
            {narrow(name.at), narrow(name.size), narrow(value.at), narrow(value.size)});
    }
    static void complete(headers& fields, std::string_view section) {
        if (fields.entries_.empty()) return;
        fields.text_.assign(section);
    }

    /// Octets that the object holds elsewhere.
    [[nodiscard]] static std::size_t memory(const headers& fields) {
        const std::size_t own = std::string().capacity();  // of the object itself
        const std::size_t text = fields.text_.capacity();
        return (text > own ? text : 0) + fields.entries_.capacity() * sizeof(headers::entry);
    }

private:
    static constexpr std::size_t usual_fields = 16;
    static std::uint32_t narrow(std::size_t value) { return static_cast<std::uint32_t>(value); }
};

}  // namespace hearth::base
