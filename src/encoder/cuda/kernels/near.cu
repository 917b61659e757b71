// Nearest neighbours and k-means over vectors on the device; what multiplies them is cuBLASLt.
#include "common.cuh"

// A score and a column as one number: the higher the score the higher the number, of equal
// scores the lower column. Zero is below all of them and means that there is none.
__device__ __forceinline__ unsigned long long key_of(float score, uint32_t column) {
    uint32_t b = bits(score);
    b ^= b >> 31 ? 0xffffffffu : 0x80000000u;
    return (static_cast<unsigned long long>(b) << 32) | (0xffffffffu - column);
}

__device__ __forceinline__ float score_of(unsigned long long key) {
    uint32_t b = static_cast<uint32_t>(key >> 32);
    return from_bits(b ^ (b >> 31 ? 0x80000000u : 0xffffffffu));
}

struct Select {
    address scores; // f32, (rows, stride)
    address best;   // u64, (rows, k): the best keys so far, highest first, zeros at the start
    uint32_t columns;
    uint32_t stride; // divisible by 4
    uint32_t first;  // the column that the first score belongs to
    uint32_t k;      // at most 1024
};

constexpr int SELECT_THREADS = 256;
constexpr int SELECT_ROOM = 2048;
constexpr int SELECT_STEP = 4 * SELECT_THREADS;

// Sorts `count` numbers, a power of two, highest first (Batcher's bitonic network, 1968).
__device__ __forceinline__ void sort_descending(unsigned long long *x, uint32_t count) {
    for (uint32_t size = 2; size <= count; size *= 2) {
        for (uint32_t step = size / 2; step > 0; step /= 2) {
            BARRIER();
            for (uint32_t i = threadIdx.x; i < count / 2; i += SELECT_THREADS) {
                uint32_t low = 2 * step * (i / step) + i % step, high = low + step;
                bool descending = (low & size) == 0;
                if ((x[low] < x[high]) == descending) {
                    unsigned long long t = x[low];
                    x[low] = x[high];
                    x[high] = t;
                }
            }
        }
    }
    BARRIER();
}

// Merges a row of scores into the k best of earlier columns; a block for each row. Scores
// above the k-th best are gathered behind the list, and sorted with it when there is no room
// for another step.
__device__ __forceinline__ void select(const Select &a) {
    SHARED(unsigned long long, list, SELECT_ROOM);
    SHARED(uint32_t, gathered, 1);
    const float *scores = at<float>(a.scores) + size_t(blockIdx.x) * a.stride;
    unsigned long long *best = at<unsigned long long>(a.best) + size_t(blockIdx.x) * a.k;
    uint32_t thread = threadIdx.x;
    for (uint32_t i = thread; i < SELECT_ROOM; i += SELECT_THREADS) {
        list[i] = i < a.k ? best[i] : 0;
    }
    if (thread == 0) {
        gathered[0] = 0;
    }
    BARRIER();
    unsigned long long least = list[a.k - 1];
    for (uint32_t begin = 0; begin < a.columns; begin += SELECT_STEP) {
        // As many fit as a step can add: k is at most half of the room.
        uint32_t column = begin + 4 * thread;
        if (column < a.columns) {
            Four s = load_four(scores + column);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                unsigned long long key = key_of(s.x[i], a.first + column + i);
                if (column + i < a.columns && key > least) {
                    list[a.k + atomicAdd(gathered, 1u)] = key;
                }
            }
        }
        BARRIER();
        uint32_t count = a.k + gathered[0];
        bool last = begin + SELECT_STEP >= a.columns;
        if (gathered[0] > 0 && (last || count + SELECT_STEP > SELECT_ROOM)) {
            uint32_t size = 2;
            while (size < count) {
                size *= 2;
            }
            sort_descending(list, size);
            least = list[a.k - 1];
            for (uint32_t i = a.k + thread; i < count; i += SELECT_THREADS) {
                list[i] = 0;
            }
            if (thread == 0) {
                gathered[0] = 0;
            }
        }
        BARRIER();
    }
    for (uint32_t i = thread; i < a.k; i += SELECT_THREADS) {
        best[i] = list[i];
    }
}

struct Nearest {
    address scores;  // f32, (rows, stride)
    address offsets; // f32, (columns): added to the scores
    address best;    // u64, (rows): the best key so far
    uint32_t rows;
    uint32_t columns;
    uint32_t stride;
    uint32_t first;
};

constexpr int NEAREST_WARPS = 8;
constexpr int NEAREST_THREADS = 32 * NEAREST_WARPS;

// The column of the highest score plus offset of each row; a warp for each row.
__device__ __forceinline__ void nearest(const Nearest &a) {
    uint32_t row = blockIdx.x * NEAREST_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    const float *scores = at<float>(a.scores) + size_t(row) * a.stride;
    const float *offsets = at<float>(a.offsets);
    unsigned long long best = 0;
    for (uint32_t column = lane; column < a.columns; column += 32) {
        unsigned long long key = key_of(scores[column] + offsets[column], a.first + column);
        best = key > best ? key : best;
    }
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        uint32_t high = shuffle_xor(static_cast<uint32_t>(best >> 32), lanes);
        uint32_t low = shuffle_xor(static_cast<uint32_t>(best), lanes);
        unsigned long long other = (static_cast<unsigned long long>(high) << 32) | low;
        best = other > best ? other : best;
    }
    if (lane == 0) {
        unsigned long long *out = at<unsigned long long>(a.best) + row;
        *out = best > *out ? best : *out;
    }
}

struct Sums {
    address vectors; // f16, (rows, dim)
    address order;   // u32: rows, those of one cluster one behind another
    address weights; // f32, (rows)
    address starts;  // u32, (clusters + 1)
    address out;     // f32, (clusters, dim), added to
    uint32_t dim;
    uint32_t unused;
};

constexpr int SUMS_THREADS = 128;

// The weighted sum of each cluster's vectors, in the order given; a block for each cluster and
// 128 dimensions.
__device__ __forceinline__ void sums(const Sums &a) {
    uint32_t column = blockIdx.y * SUMS_THREADS + threadIdx.x;
    if (column >= a.dim) {
        return;
    }
    const uint32_t *order = at<uint32_t>(a.order);
    uint32_t begin = at<uint32_t>(a.starts)[blockIdx.x], end = at<uint32_t>(a.starts)[blockIdx.x + 1];
    float sum = 0.0f;
    for (uint32_t i = begin; i < end; i++) {
        uint32_t row = order[i];
        sum += at<float>(a.weights)[row] * as_float(at<f16>(a.vectors)[size_t(row) * a.dim + column]);
    }
    at<float>(a.out)[size_t(blockIdx.x) * a.dim + column] += sum;
}

KERNEL(select_best, SELECT_THREADS, Select, select)
KERNEL(nearest_column, NEAREST_THREADS, Nearest, nearest)
KERNEL(cluster_sums, SUMS_THREADS, Sums, sums)
