#include "proto/h2_stream.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace hearth::proto {

h2_stream& h2_stream_table::add(exchange_id exchange, std::int32_t id) {
    HEARTH_ASSERT(find(exchange) == nullptr && find(id) == nullptr);
    auto& stream = by_id_[id] = std::make_unique<h2_stream>();
    stream->exchange = exchange;
    stream->id = id;
    by_exchange_[exchange] = stream.get();
    return *stream;
}

h2_stream* h2_stream_table::find(exchange_id exchange) const {
    const auto found = by_exchange_.find(exchange);
    return found != by_exchange_.end() ? found->second : nullptr;
}

h2_stream* h2_stream_table::find(std::int32_t id) const {
    const auto found = by_id_.find(id);
    return found != by_id_.end() ? found->second.get() : nullptr;
}

void h2_stream_table::erase(h2_stream& stream) {
    by_exchange_.erase(stream.exchange);
    by_id_.erase(stream.id);
}

std::vector<h2_stream*> h2_stream_table::in_order() const {
    std::vector<h2_stream*> ordered;
    ordered.reserve(by_id_.size());
    for (const auto& [id, stream] : by_id_) ordered.push_back(stream.get());
    std::sort(ordered.begin(), ordered.end(),
              [](const h2_stream* a, const h2_stream* b) { return a->id < b->id; });
    return ordered;
}

void h2_stream_table::note_ended(std::int32_t id) {
    ended_[next_ended_] = id;
    next_ended_ = (next_ended_ + 1) % remembered;
}

bool h2_stream_table::was_ended(std::int32_t id) const {
    return id != 0 && std::find(ended_.begin(), ended_.end(), id) != ended_.end();
}

}  // namespace hearth::proto
