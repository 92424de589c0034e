#include "proto/h2_stream.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace hearth::proto {

h2_stream& h2_stream_table::add(exchange_id exchange, std::int32_t id) {
    HEARTH_ASSERT(find(exchange) == nullptr && find(id) == nullptr);
    if (size_ == buckets_.size()) grow();
    auto made = std::make_unique<node>();
    node& stream = *made;
    stream.exchange = exchange;
    stream.id = id;
    file(std::move(made));
    ++size_;
    return stream;
}

void h2_stream_table::file(std::unique_ptr<node> stream) {
    node*& by_exchange = buckets_[place(stream->exchange)].by_exchange;
    stream->next_by_exchange = std::exchange(by_exchange, stream.get());
    std::unique_ptr<node>& by_id = buckets_[place(stream->id)].by_id;
    stream->next_by_id = std::move(by_id);
    by_id = std::move(stream);
}

void h2_stream_table::grow() {
    std::vector<bucket> old(buckets_.size() * 2);
    old.swap(buckets_);
    for (bucket& one : old) {
        while (one.by_id) {
            std::unique_ptr<node> stream = std::move(one.by_id);
            one.by_id = std::move(stream->next_by_id);
            file(std::move(stream));
        }
    }
}

h2_stream* h2_stream_table::find(exchange_id exchange) const {
    node* stream = buckets_[place(exchange)].by_exchange;
    while (stream != nullptr && stream->exchange != exchange) stream = stream->next_by_exchange;
    return stream;
}

h2_stream* h2_stream_table::find(std::int32_t id) const {
    node* stream = buckets_[place(id)].by_id.get();
    while (stream != nullptr && stream->id != id) stream = stream->next_by_id.get();
    return stream;
}

void h2_stream_table::erase(h2_stream& stream) {
    node** named = &buckets_[place(stream.exchange)].by_exchange;
    while (*named != &stream) named = &(*named)->next_by_exchange;
    *named = (*named)->next_by_exchange;
    std::unique_ptr<node>* owner = &buckets_[place(stream.id)].by_id;
    while (owner->get() != &stream) owner = &(*owner)->next_by_id;
    const std::unique_ptr<node> gone = std::move(*owner);
    *owner = std::move(gone->next_by_id);
    --size_;
}

std::vector<h2_stream*> h2_stream_table::in_order() const {
    std::vector<h2_stream*> ordered;
    ordered.reserve(size_);
    for (const bucket& one : buckets_) {
        for (node* s = one.by_id.get(); s != nullptr; s = s->next_by_id.get()) ordered.push_back(s);
    }
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
