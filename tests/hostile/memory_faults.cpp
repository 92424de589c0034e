#include "hostile/memory_faults.hpp"

#include <link.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <new>
#include <string_view>

// Sanitizers take malloc over themselves: there operator new is all that can fail.
#ifdef HEARTH_SANITIZED
namespace {
void* real_malloc(std::size_t size) { return std::malloc(size); }
void* real_aligned(std::size_t alignment, std::size_t size) {
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void real_free(void* memory) { std::free(memory); }
}  // namespace
#else
// The C library's own, which do not come back here.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);
}
namespace {
void* real_malloc(std::size_t size) { return __libc_malloc(size); }
void* real_aligned(std::size_t alignment, std::size_t size) {
    return __libc_memalign(alignment, size);
}
void real_free(void* memory) { __libc_free(memory); }
}  // namespace
#endif

namespace hearth::hostile {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

thread_local bool is_watched = false;
std::atomic<heap> short_heap{heap::libraries};
std::atomic<std::uint64_t> fails_at{never};
std::atomic<bool> goes_on{false};  // failing
std::atomic<std::uint64_t> made{0};

bool fails(heap which) {
    if (!is_watched || which != short_heap) return false;
    const std::uint64_t number = made.fetch_add(1);
    const std::uint64_t first = fails_at;
    return number == first || (goes_on && number > first);
}

#ifndef HEARTH_SANITIZED
/// The C library's code. What it asks for itself it cannot always do without: it ends the process
/// where it cannot note a thread's destructors.
struct code_range {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
};
code_range c_library() {
    code_range found;
    ::dl_iterate_phdr(
        [](dl_phdr_info* module, std::size_t, void* to) {
            if (std::string_view(module->dlpi_name).find("/libc.so") == std::string_view::npos) {
                return 0;
            }
            for (unsigned i = 0; i < module->dlpi_phnum; ++i) {
                const auto& part = module->dlpi_phdr[i];
                if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
                const std::uintptr_t begin = module->dlpi_addr + part.p_vaddr;
                *static_cast<code_range*>(to) = {begin, begin + part.p_memsz};
            }
            return 1;
        },
        &found);
    return found;
}
const code_range c_library_code = c_library();

bool fails_for(const void* caller) {
    const auto at = reinterpret_cast<std::uintptr_t>(caller);
    if (at >= c_library_code.begin && at < c_library_code.end) return false;
    return fails(heap::libraries);
}
#endif

void* new_object(std::size_t size, std::size_t alignment) {
    void* memory = nullptr;
    if (!fails(heap::objects)) {
        if (size == 0) size = 1;
        memory = alignment > alignof(std::max_align_t) ? real_aligned(alignment, size)
                                                       : real_malloc(size);
    }
    return memory;
}

void* new_object_or_throw(std::size_t size, std::size_t alignment) {
    void* const memory = new_object(size, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

namespace {

void begin(heap of, std::uint64_t at, bool for_good) {
    fails_at = never;
    short_heap = of;
    made = 0;
    goes_on = for_good;
    fails_at = at;
}

}  // namespace

void set_shortage(heap of, std::uint64_t at) { begin(of, at, false); }

void set_famine(heap of, std::uint64_t at) { begin(of, at, true); }

void end_shortage() { fails_at = never; }

std::uint64_t requests_made() { return made; }

void watch_this_thread() { is_watched = true; }

watched_thread::watched_thread() { is_watched = true; }
watched_thread::~watched_thread() { is_watched = false; }

}  // namespace hearth::hostile

using hearth::hostile::new_object;
using hearth::hostile::new_object_or_throw;

#ifndef HEARTH_SANITIZED
namespace {
using hearth::hostile::fails;
using hearth::hostile::fails_for;
using hearth::hostile::heap;

void* no_memory() {
    errno = ENOMEM;
    return nullptr;
}
}  // namespace

extern "C" {
void* malloc(std::size_t size) noexcept {
    return fails_for(__builtin_return_address(0)) ? no_memory() : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
    return fails_for(__builtin_return_address(0)) ? no_memory() : __libc_calloc(count, size);
}
/// Asio's operations come from here.
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    return fails(heap::objects) ? no_memory() : __libc_memalign(alignment, size);
}
void* realloc(void* memory, std::size_t size) noexcept {
    return fails_for(__builtin_return_address(0)) ? no_memory() : __libc_realloc(memory, size);
}
}
#endif

void* operator new(std::size_t size) { return new_object_or_throw(size, 1); }
void* operator new[](std::size_t size) { return new_object_or_throw(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return new_object_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return new_object_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
    return new_object(size, 1);
}
void* operator new[](std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
    return new_object(size, 1);
}
void operator delete(void* memory) noexcept { real_free(memory); }
void operator delete[](void* memory) noexcept { real_free(memory); }
void operator delete(void* memory, std::size_t) noexcept { real_free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { real_free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { real_free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { real_free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { real_free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { real_free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { real_free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { real_free(memory); }
