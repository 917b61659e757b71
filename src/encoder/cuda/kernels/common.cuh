// What all kernels share: types of number, loads of four numbers, sums over a warp.
//
// The same source is compiled three ways: by nvcc to machine code; by a C++ compiler, with
// NEARWISE_TWIN defined, to a twin that runs each thread of a block on the CPU (see twin.h).
#pragma once

#ifdef NEARWISE_TWIN
#include "twin.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

typedef __half f16;
typedef __nv_bfloat16 bf16;

// A kernel of one argument: a struct passed by value, which the host has the same way. It takes no
// more registers than let so many blocks share a multiprocessor.
#define KERNEL_OF(name, threads, blocks, Args, ...)                                               \
    extern "C" __global__ void __launch_bounds__(threads, blocks)                                 \
        name(const __grid_constant__ Args a) {                                                    \
        __VA_ARGS__(a);                                                                           \
    }
#define KERNEL(name, threads, Args, ...) KERNEL_OF(name, threads, 1, Args, __VA_ARGS__)
#define SHARED(Type, name, count) __shared__ __align__(16) Type name[count]
// All that a block asks for when it is started, in place of what has a size here.
#define SHARED_ASKED(Type, name, count)                                                           \
    extern __shared__ __align__(1024) unsigned char asked_memory[];                               \
    Type *name = reinterpret_cast<Type *>(asked_memory)
#define BARRIER() __syncthreads()
#define WARP_BARRIER() __syncwarp()

__device__ __forceinline__ float shuffle_xor(float x, int lanes) {
    return __shfl_xor_sync(0xffffffffu, x, lanes);
}
__device__ __forceinline__ uint32_t shuffle_xor(uint32_t x, int lanes) {
    return __shfl_xor_sync(0xffffffffu, x, lanes);
}
__device__ __forceinline__ float shuffle_from(float x, int lane) {
    return __shfl_sync(0xffffffffu, x, lane);
}
__device__ __forceinline__ uint32_t shuffle_from(uint32_t x, int lane) {
    return __shfl_sync(0xffffffffu, x, lane);
}
// Whether it is so for any lane of the warp.
__device__ __forceinline__ bool warp_any(bool x) { return __any_sync(0xffffffffu, x); }

__device__ __forceinline__ float as_float(float x) { return x; }
__device__ __forceinline__ float as_float(f16 x) { return __half2float(x); }
__device__ __forceinline__ float as_float(bf16 x) { return __bfloat162float(x); }

template <typename T> __device__ __forceinline__ T rounded(float x);
template <> __device__ __forceinline__ float rounded<float>(float x) { return x; }
template <> __device__ __forceinline__ f16 rounded<f16>(float x) { return __float2half_rn(x); }
template <> __device__ __forceinline__ bf16 rounded<bf16>(float x) {
    return __float2bfloat16_rn(x);
}

// Two numbers in one register, the first in the low half.
template <typename T> __device__ __forceinline__ uint32_t pair(float low, float high);
template <> __device__ __forceinline__ uint32_t pair<f16>(float low, float high) {
    uint32_t out;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    return out;
}
template <> __device__ __forceinline__ uint32_t pair<bf16>(float low, float high) {
    uint32_t out;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    return out;
}

// c += a · b for the warp: a 16 × 16, b 16 × 8, c 16 × 8 (PTX ISA, mma.m16n8k16).
template <typename T>
__device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1);
template <>
__device__ __forceinline__ void mma<f16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                         uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ __forceinline__ void mma<bf16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                          uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 × 8 matrices of 16-bit numbers from shared memory; lane i gives the address of row
// i % 8 of matrix i / 8.
__device__ __forceinline__ void load_matrices(uint32_t (&out)[4], const void *row) {
    uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
}
// The same, each matrix transposed.
__device__ __forceinline__ void load_transposed(uint32_t (&out)[4], const void *row) {
    uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
}

// Copies 16 bytes to shared memory in the background, or 16 zeros.
__device__ __forceinline__ void copy_16(void *to, const void *from, bool real) {
    uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
    int bytes = real ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                 "r"(bytes)
                 : "memory");
}
__device__ __forceinline__ void copies_end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most `Groups` groups of this thread's copies are under way.
template <int Groups> __device__ __forceinline__ void copies_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory");
}

// Products of a warpgroup, 128 threads, by instructions that Hopper alone has (PTX ISA, wgmma): they
// read one operand from shared memory by themselves, and are under way until they are waited for.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define WIDE_PRODUCTS

// What this thread's copies brought is seen by products begun behind the next barrier.
__device__ __forceinline__ void copies_reach_products() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
// Before the first of a group.
__device__ __forceinline__ void products_begin() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
// c = a · bᵀ, or added to it: a 64 × 16, b 128 × 16; c 64 × 128, of which a warp has 16 rows and c[n]
// is as for `mma`. Both lie row by row in shared memory, sixteens of bytes swizzled: rows of a have 64
// numbers, whose eights lie at i ^ (row % 8); rows of b 32 numbers, at i ^ (row / 2 % 4). Taken are
// the sixteens of numbers of these steps.
__device__ __forceinline__ void mma_wide(float (&c)[16][4], const f16 *a, uint32_t a_step,
                                         const f16 *b, uint32_t b_step, bool add) {
    auto at = [](const f16 *from, uint32_t step) {
        return ((static_cast<uint32_t>(__cvta_generic_to_shared(from)) + 32 * step) & 0x3ffff) >> 4;
    };
    // 128 bytes swizzled, or 64; eight rows of them one behind another.
    uint64_t rows = (1ull << 62) | (uint64_t(8 * 128 / 16) << 32) | (1ull << 16) | at(a, a_step);
    uint64_t columns = (2ull << 62) | (uint64_t(8 * 64 / 16) << 32) | (1ull << 16) | at(b, b_step);
    asm volatile("{\n"
                 ".reg .pred add;\n"
                 "setp.ne.b32 add, %66, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
                 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
                 "%64, %65, add, 1, 1, 0, 0;\n"
                 "}"
                 : "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]),
                   "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]), "+f"(c[1][3]),
                   "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]),
                   "+f"(c[3][0]), "+f"(c[3][1]), "+f"(c[3][2]), "+f"(c[3][3]),
                   "+f"(c[4][0]), "+f"(c[4][1]), "+f"(c[4][2]), "+f"(c[4][3]),
                   "+f"(c[5][0]), "+f"(c[5][1]), "+f"(c[5][2]), "+f"(c[5][3]),
                   "+f"(c[6][0]), "+f"(c[6][1]), "+f"(c[6][2]), "+f"(c[6][3]),
                   "+f"(c[7][0]), "+f"(c[7][1]), "+f"(c[7][2]), "+f"(c[7][3]),
                   "+f"(c[8][0]), "+f"(c[8][1]), "+f"(c[8][2]), "+f"(c[8][3]),
                   "+f"(c[9][0]), "+f"(c[9][1]), "+f"(c[9][2]), "+f"(c[9][3]),
                   "+f"(c[10][0]), "+f"(c[10][1]), "+f"(c[10][2]), "+f"(c[10][3]),
                   "+f"(c[11][0]), "+f"(c[11][1]), "+f"(c[11][2]), "+f"(c[11][3]),
                   "+f"(c[12][0]), "+f"(c[12][1]), "+f"(c[12][2]), "+f"(c[12][3]),
                   "+f"(c[13][0]), "+f"(c[13][1]), "+f"(c[13][2]), "+f"(c[13][3]),
                   "+f"(c[14][0]), "+f"(c[14][1]), "+f"(c[14][2]), "+f"(c[14][3]),
                   "+f"(c[15][0]), "+f"(c[15][1]), "+f"(c[15][2]), "+f"(c[15][3])
                 : "l"(rows), "l"(columns), "r"(int(add)));
}
__device__ __forceinline__ void products_end_group() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits until at most `Groups` groups are under way.
template <int Groups> __device__ __forceinline__ void products_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Groups) : "memory");
}
// Waits for all, whose results these are.
__device__ __forceinline__ void products_end(float (&c)[2][16][4]) {
    products_wait<0>();
#pragma unroll
    for (int i = 0; i < 128; i++) {
        asm volatile("" : "+f"(c[i / 64][i / 4 % 16][i % 4])::"memory");
    }
}
#endif

// The same number, of which the compiler does not know it: what is computed from it is computed
// where it is needed, and takes no registers until then.
__device__ __forceinline__ uint32_t again(uint32_t x) {
    asm volatile("" : "+r"(x));
    return x;
}

// 2^x; 0 for minus infinity.
__device__ __forceinline__ float exp2_fast(float x) {
    float out;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
    return out;
}
__device__ __forceinline__ uint32_t bits(float x) { return __float_as_uint(x); }
__device__ __forceinline__ float from_bits(uint32_t x) { return __uint_as_float(x); }
#endif

typedef unsigned long long address;

template <typename T> __device__ __forceinline__ T *at(address a) {
    return reinterpret_cast<T *>(a);
}

// Four numbers that lie one behind another, 8 bytes of 16-bit numbers and 16 of 32-bit ones.
struct Four {
    float x[4];
};

template <typename T> __device__ __forceinline__ Four load_four(const T *from);
template <> __device__ __forceinline__ Four load_four<float>(const float *from) {
    float4 v = *reinterpret_cast<const float4 *>(from);
    return {{v.x, v.y, v.z, v.w}};
}
template <typename T> __device__ __forceinline__ Four load_four_halves(const T *from) {
    uint2 v = *reinterpret_cast<const uint2 *>(from);
    T t[4];
    memcpy(t, &v, sizeof v);
    return {{as_float(t[0]), as_float(t[1]), as_float(t[2]), as_float(t[3])}};
}
template <> __device__ __forceinline__ Four load_four<f16>(const f16 *from) {
    return load_four_halves(from);
}
template <> __device__ __forceinline__ Four load_four<bf16>(const bf16 *from) {
    return load_four_halves(from);
}

// Eight 16-bit numbers that lie one behind another, loaded at once.
struct Eight {
    f16 x[8];
};
__device__ __forceinline__ Eight load_eight(const f16 *from) {
    float4 v = *reinterpret_cast<const float4 *>(from);
    Eight out;
    memcpy(&out, &v, sizeof v);
    return out;
}

template <typename T> __device__ __forceinline__ void store_four(T *to, const Four &v) {
    uint2 out;
    out.x = pair<T>(v.x[0], v.x[1]);
    out.y = pair<T>(v.x[2], v.x[3]);
    *reinterpret_cast<uint2 *>(to) = out;
}
template <> __device__ __forceinline__ void store_four<float>(float *to, const Four &v) {
    *reinterpret_cast<float4 *>(to) = make_float4(v.x[0], v.x[1], v.x[2], v.x[3]);
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        x += shuffle_xor(x, lanes);
    }
    return x;
}
