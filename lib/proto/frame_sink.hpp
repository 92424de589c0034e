// frame_sink: where large frames go that need not be copied behind what is put out.
//
// A body that is encrypted lies in its stream's queue, where the header of a frame fits in front of
// it: together they are one record. `connection` is the sink of its HTTP/2 engine.
#pragma once

#include <cstddef>
#include <span>

namespace hearth::proto {

class frame_sink {
public:
    /// Sends a whole frame behind all that is in the output, of which nothing is left there then;
    /// about `more` octets will follow. The frame is not looked at any more afterwards. False: the
    /// connection is dead.
    [[nodiscard]] virtual bool put_frame(std::span<const std::byte> frame, std::size_t more) = 0;
    /// Octets, header included, that are one record.
    static constexpr std::size_t best_size = 16 * 1024;
    /// Smaller ones are better copied, and sent with what is beside them.
    static constexpr std::size_t least_size = 8 * 1024;

protected:
    ~frame_sink() = default;
};

}  // namespace hearth::proto
