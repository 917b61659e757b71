// The kernels' twin: what they need of CUDA, done by the CPU for one block at a time.
//
// Each thread of a block is a fiber. Threads run until a barrier or an operation of the whole
// warp, in an order that changes with the seed, so that a missing barrier shows; shared memory
// starts as NaN, copies in the background land at once or only when they are waited for. It is there to
// test the kernels' arithmetic and indices, at a millionth of a device's speed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#define __device__
#define __forceinline__ inline
#define __align__(n) alignas(n)

struct uint2 {
    uint32_t x, y;
};
struct float2 {
    float x, y;
};
struct float4 {
    float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct f16 {
    uint16_t bits;
};
struct bf16 {
    uint16_t bits;
};

inline uint32_t bits(float x) {
    uint32_t b;
    memcpy(&b, &x, 4);
    return b;
}
inline float from_bits(uint32_t b) {
    float x;
    memcpy(&x, &b, 4);
    return x;
}

namespace twin {
struct Index {
    uint32_t x, y, z;
};
struct Copy {
    void *to;
    const void *from;
    bool real;
};
struct Thread {
    Index index;
    std::vector<std::vector<Copy>> groups;
    std::vector<Copy> open;
    // Products of a warpgroup that are under way, in groups.
    std::vector<std::vector<std::function<void()>>> products;
    std::vector<std::function<void()>> begun;
};
// The thread that runs, its block and the grid.
Thread &now();
Index block();
// Waits for all threads of the block.
void barrier();
// Whether this block's copies in the background land at once; otherwise when they are waited
// for. A device may do either. So it is with a warpgroup's products.
bool copies_land_early();
// Memory that all threads of the block share, by the place in the source that names it.
void *shared(int place, size_t bytes);
// The same of what the launch asked for.
void *asked(int place, size_t bytes);
// Gives every lane of the warp what all of them hand in; `bytes` at most 64. The result lies
// 64 bytes apart and is valid until the lane's next exchange but one.
const unsigned char *exchange(const void *own, size_t bytes);

typedef void (*Body)(const void *);
void add(const char *name, uint32_t threads, size_t args, Body body);
struct Register {
    Register(const char *name, uint32_t threads, size_t args, Body body) {
        add(name, threads, args, body);
    }
};

float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float x);
inline float bf16_to_f32(uint16_t h) { return from_bits(uint32_t(h) << 16); }
inline uint16_t f32_to_bf16(float x) {
    uint32_t b = bits(x);
    if (x != x) {
        return uint16_t((b >> 16) | 0x40);
    }
    return uint16_t((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}
} // namespace twin

#define threadIdx (twin::now().index)
#define blockIdx (twin::block())
#define BARRIER() twin::barrier()
#define WARP_BARRIER() twin::exchange("", 1)
#define SHARED(Type, name, count)                                                                 \
    Type *name = static_cast<Type *>(twin::shared(__COUNTER__, sizeof(Type) * (count)))
#define SHARED_ASKED(Type, name, count)                                                           \
    Type *name = static_cast<Type *>(twin::asked(__COUNTER__, sizeof(Type) * (count)))
// Products of a warpgroup are there.
#define WIDE_PRODUCTS
#define KERNEL(name, threads, Args, ...)                                                          \
    static void name##_body(const void *a) { __VA_ARGS__(*static_cast<const Args *>(a)); }        \
    static twin::Register name##_entry(#name, threads, sizeof(Args), name##_body);
#define KERNEL_OF(name, threads, blocks, Args, ...) KERNEL(name, threads, Args, __VA_ARGS__)

inline float as_float(float x) { return x; }
inline float as_float(f16 x) { return twin::f16_to_f32(x.bits); }
inline float as_float(bf16 x) { return twin::bf16_to_f32(x.bits); }
template <typename T> inline T rounded(float x);
template <> inline float rounded<float>(float x) { return x; }
template <> inline f16 rounded<f16>(float x) { return {twin::f32_to_f16(x)}; }
template <> inline bf16 rounded<bf16>(float x) { return {twin::f32_to_bf16(x)}; }
template <typename T> inline uint32_t pair(float low, float high) {
    return uint32_t(rounded<T>(low).bits) | uint32_t(rounded<T>(high).bits) << 16;
}

template <typename X> inline X shuffle_to(X x, int lane) {
    X out;
    memcpy(&out, twin::exchange(&x, sizeof x) + 64 * lane, sizeof x);
    return out;
}
inline float shuffle_xor(float x, int lanes) { return shuffle_to(x, (threadIdx.x % 32) ^ lanes); }
inline uint32_t shuffle_xor(uint32_t x, int lanes) {
    return shuffle_to(x, (threadIdx.x % 32) ^ lanes);
}
inline float shuffle_from(float x, int lane) { return shuffle_to(x, lane); }
inline uint32_t shuffle_from(uint32_t x, int lane) { return shuffle_to(x, lane); }
inline bool warp_any(bool x) {
    const unsigned char *all = twin::exchange(&x, sizeof x);
    for (int lane = 0; lane < 32; lane++) {
        if (all[64 * lane]) {
            return true;
        }
    }
    return false;
}

// After the PTX ISA's figures of the fragments of mma.m16n8k16.
template <typename T>
inline void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    uint32_t own[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const unsigned char *all = twin::exchange(own, sizeof own);
    auto operand = [&](uint32_t lane, uint32_t reg, uint32_t half) {
        uint16_t h;
        memcpy(&h, all + 64 * lane + 4 * reg + 2 * half, 2);
        return as_float(T{h});
    };
    uint32_t lane = threadIdx.x % 32;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
        float sum = c[i];
        for (uint32_t k = 0; k < 16; k++) {
            float x = operand(4 * (row % 8) + (k % 8) / 2, row / 8 + 2 * (k / 8), k % 2);
            float y = operand(4 * column + (k % 8) / 2, 4 + k / 8, k % 2);
            sum += x * y;
        }
        c[i] = sum;
    }
}

inline void matrices(uint32_t (&out)[4], const void *row, bool transposed) {
    const unsigned char *all = twin::exchange(&row, sizeof row);
    uint32_t lane = threadIdx.x % 32;
    for (uint32_t m = 0; m < 4; m++) {
        uint16_t halves[2];
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t r = transposed ? 2 * (lane % 4) + i : lane / 4;
            uint32_t c = transposed ? lane / 4 : 2 * (lane % 4) + i;
            const uint16_t *from;
            memcpy(&from, all + 64 * (8 * m + r), sizeof from);
            halves[i] = from[c];
        }
        memcpy(&out[m], halves, 4);
    }
}
inline void load_matrices(uint32_t (&out)[4], const void *row) { matrices(out, row, false); }
inline void load_transposed(uint32_t (&out)[4], const void *row) { matrices(out, row, true); }

// Does a copy that was asked for.
inline void land(const twin::Copy &c) {
    if (c.real) {
        memcpy(c.to, c.from, 16);
    } else {
        memset(c.to, 0, 16);
    }
}
inline void copy_16(void *to, const void *from, bool real) {
    if (twin::copies_land_early()) {
        land({to, from, real});
    } else {
        twin::now().open.push_back({to, from, real});
    }
}
inline void copies_end_group() {
    twin::Thread &t = twin::now();
    t.groups.push_back(t.open);
    t.open.clear();
}
template <int Groups> inline void copies_wait() {
    twin::Thread &t = twin::now();
    while (t.groups.size() > size_t(Groups)) {
        for (const twin::Copy &c : t.groups.front()) {
            land(c);
        }
        t.groups.erase(t.groups.begin());
    }
}

// What `mma_wide` computes, now.
inline void wide_product(float (*c)[4], const f16 *a, uint32_t a_step, const f16 *b,
                         uint32_t b_step, bool add) {
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4, rows[4];
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t row = 16 * warp + lane / 4 + 8 * (i % 2), eight = 2 * a_step + i / 2;
        memcpy(&rows[i], a + 64 * row + 8 * (eight ^ row % 8) + 2 * (lane % 4), 4);
    }
    for (uint32_t n = 0; n < 16; n++) {
        uint32_t columns[2], column = 8 * n + lane / 4;
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t eight = 2 * b_step + i;
            memcpy(&columns[i], b + 32 * column + 8 * (eight ^ column / 2 % 4) + 2 * (lane % 4), 4);
        }
        if (!add) {
            memset(c[n], 0, sizeof c[n]);
        }
        mma<f16>(*reinterpret_cast<float(*)[4]>(c[n]), rows, columns[0], columns[1]);
    }
}
inline void copies_reach_products() {}
inline void products_begin() {}
inline void mma_wide(float (&c)[16][4], const f16 *a, uint32_t a_step, const f16 *b,
                     uint32_t b_step, bool add) {
    float(*out)[4] = c;
    auto product = [=]() { wide_product(out, a, a_step, b, b_step, add); };
    if (twin::copies_land_early()) {
        product();
    } else {
        twin::now().begun.push_back(product);
    }
}
inline void products_end_group() {
    twin::Thread &t = twin::now();
    t.products.push_back(t.begun);
    t.begun.clear();
}
template <int Groups> inline void products_wait() {
    twin::Thread &t = twin::now();
    while (t.products.size() > size_t(Groups)) {
        for (const auto &product : t.products.front()) {
            product();
        }
        t.products.erase(t.products.begin());
    }
}
inline void products_end(float (&)[2][16][4]) { products_wait<0>(); }

inline uint32_t again(uint32_t x) { return x; }
inline float exp2_fast(float x) { return exp2f(x); }
// Fibers take turns, so nothing comes between.
inline uint32_t atomicAdd(uint32_t *to, uint32_t x) {
    uint32_t old = *to;
    *to += x;
    return old;
}
