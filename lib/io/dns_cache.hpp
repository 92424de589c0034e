// dns_cache: answers of the name service, by name, until they expire.
//
// Bounded: the least recently used name goes first. A success lives as long as its TTL, within
// floor and ceiling; "no such name" a fixed time; other failures are not kept. A success whose life
// is over is stale: it is kept for as long as either of the uses of such answers allows, through
// failures, and until there is another answer. Time is passed in. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/time.hpp"
#include "hearth/config.hpp"
#include "io/name_lookup.hpp"

namespace hearth::io {

class dns_cache {
public:
    explicit dns_cache(const dns_config& config);

    /// The answer known for a name at `now`, or null. Valid until the next `store` or `find`.
    [[nodiscard]] const name_answer* find(base::time_point now, std::string_view name);
    /// The answer that was true of a name no longer than `age` before `now`, or null.
    [[nodiscard]] const name_answer* find_stale(base::time_point now, std::string_view name,
                                                std::chrono::seconds age) const;
    /// When the life of what is known about a name ends; nothing if nothing is.
    [[nodiscard]] std::optional<base::time_point> expiry(std::string_view name) const;
    /// Replaces what is known about a name.
    void store(base::time_point now, const std::string& name, const name_answer& answer);

    [[nodiscard]] std::size_t size() const { return index_.size(); }

private:
    struct entry {
        std::string name;
        name_answer answer;
        base::time_point expires;
    };
    using entry_list = std::list<entry>;

    [[nodiscard]] base::duration lifetime(const name_answer& answer) const;
    [[nodiscard]] bool is_over(base::time_point now, const entry& one) const;
    void erase(entry_list::iterator at);

    const std::chrono::seconds min_ttl_;
    const std::chrono::seconds max_ttl_;
    const std::chrono::seconds negative_ttl_;
    const std::chrono::seconds stale_;  // kept for so long
    const std::size_t capacity_;
    entry_list entries_;                                                // Most recently used first.
    std::unordered_map<std::string_view, entry_list::iterator> index_;  // Keys view into entries_.
};

}  // namespace hearth::io
