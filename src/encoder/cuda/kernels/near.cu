// Nearest neighbours and k-means over vectors on the device, by products of cuBLASLt's; those of few
// numbers a vector are in scan.cu.
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

// The higher one of a lane's key and that of another lane.
__device__ __forceinline__ unsigned long long highest(unsigned long long own, int lanes) {
    uint32_t high = shuffle_xor(static_cast<uint32_t>(own >> 32), lanes);
    uint32_t low = shuffle_xor(static_cast<uint32_t>(own), lanes);
    unsigned long long other = (static_cast<unsigned long long>(high) << 32) | low;
    return other > own ? other : own;
}

constexpr int SELECT_THREADS = 256;
constexpr int SELECT_ROOM = 2048;
constexpr int SELECT_STEP = 4 * SELECT_THREADS;
constexpr int SELECT_LOADS = 4; // of a thread that are on their way at once

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

// The keys of a row's scores, four at a time.
struct ScoreKeys {
    typedef Four Raw;
    typedef float Least;
    const float *scores;
    uint32_t begin, end, first;

    __device__ __forceinline__ Raw load(uint32_t at) const {
        return at < end ? load_four(scores + at)
                        : Four{{-INFINITY, -INFINITY, -INFINITY, -INFINITY}};
    }
    // Of the so many-th of four; 0, which is no key, behind the last and for what is no number.
    __device__ __forceinline__ unsigned long long key(const Raw &raw, uint32_t at, int i) const {
        return at + i < end && raw.x[i] == raw.x[i] ? key_of(raw.x[i], first + at + i) : 0;
    }
    // What keys above one have at least: a score that is equal may have the lower column.
    static __device__ __forceinline__ Least least(unsigned long long key) {
        return key > 0 ? score_of(key) : -INFINITY;
    }
};

// Keys that were selected before.
struct ListedKeys {
    struct Raw {
        unsigned long long x[4];
    };
    typedef unsigned long long Least;
    const unsigned long long *keys;
    uint32_t begin, end;

    __device__ __forceinline__ Raw load(uint32_t at) const {
        Raw raw = {};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (at + i < end) {
                raw.x[i] = keys[at + i];
            }
        }
        return raw;
    }
    __device__ __forceinline__ unsigned long long key(const Raw &raw, uint32_t, int i) const {
        return raw.x[i];
    }
    static __device__ __forceinline__ Least least(unsigned long long key) { return key + 1; }
};

// A number that the k-th best key is above, where no list says one yet: the best of each thread
// are that many keys, so that the k-th best of these is a bound, and a close one for a small k.
template <typename Keys>
__device__ __forceinline__ unsigned long long bound_of(unsigned long long *list, uint32_t k,
                                                       const Keys &keys) {
    unsigned long long most = 0;
#pragma unroll 4
    for (uint32_t at = keys.begin + 4 * threadIdx.x; at < keys.end; at += SELECT_STEP) {
        typename Keys::Raw raw = keys.load(at);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            unsigned long long key = keys.key(raw, at, i);
            most = key > most ? key : most;
        }
    }
    list[threadIdx.x] = most;
    sort_descending(list, SELECT_THREADS);
    unsigned long long bound = list[k - 1];
    return bound > 0 ? bound - 1 : 0;
}

// Puts a thread's keys above `least` behind the k of the list, from number `at` on, as long as
// there is room; says where it stopped, `keys.end` or beyond when it is through. Hardly any key is
// above the k-th best of many, so that threads read on without waiting for each other.
template <typename Keys>
__device__ __forceinline__ uint32_t gather(unsigned long long *list, uint32_t *gathered, uint32_t k,
                                           unsigned long long least, uint32_t at,
                                           const Keys &keys) {
    typename Keys::Least score = Keys::least(least);
    for (; at < keys.end; at += SELECT_LOADS * SELECT_STEP) {
        typename Keys::Raw raws[SELECT_LOADS];
#pragma unroll
        for (int n = 0; n < SELECT_LOADS; n++) {
            raws[n] = keys.load(at + n * SELECT_STEP);
        }
        bool any = false;
#pragma unroll
        for (int n = 0; n < SELECT_LOADS; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                any |= raws[n].x[i] >= score;
            }
        }
        if (!any) {
            continue;
        }
        // Read once more, as it is rare and registers are few.
#pragma unroll 1
        for (uint32_t four = at; four < at + SELECT_LOADS * SELECT_STEP; four += SELECT_STEP) {
            typename Keys::Raw raw = keys.load(four);
            uint32_t count = 0;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                count += keys.key(raw, four, i) > least;
            }
            if (count == 0) {
                continue;
            }
            uint32_t to = k + atomicAdd(gathered, count);
            bool fits = to + count <= SELECT_ROOM;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                unsigned long long key = keys.key(raw, four, i);
                if (key > least && to < SELECT_ROOM) {
                    list[to++] = fits ? key : 0;
                }
            }
            if (!fits) {
                return four;
            }
        }
    }
    return at;
}

// Merges keys into the k best of earlier ones, all of one block. Keys above the k-th best are
// gathered behind the list, and sorted with it when all are seen or there is no room for more.
template <typename Keys>
__device__ __forceinline__ void merge_into(unsigned long long *best, uint32_t k, const Keys &keys) {
    SHARED(unsigned long long, list, SELECT_ROOM);
    SHARED(uint32_t, gathered, 1);
    uint32_t thread = threadIdx.x;
    unsigned long long least = best[k - 1];
    if (least == 0 && k <= SELECT_THREADS) {
        least = bound_of(list, k, keys);
    }
    bool changed = false, full = true;
    uint32_t at = keys.begin + 4 * thread;
    while (full) {
        if (thread == 0) {
            gathered[0] = 0;
        }
        BARRIER();
        at = gather(list, gathered, k, least, at, keys);
        BARRIER();
        uint32_t count = k + gathered[0];
        full = count > SELECT_ROOM;
        count = full ? SELECT_ROOM : count;
        if (count > k) {
            uint32_t size = 2;
            while (size < count) {
                size *= 2;
            }
            for (uint32_t i = thread; i < size; i += SELECT_THREADS) {
                if (i < k && !changed) {
                    list[i] = best[i];
                } else if (i >= count) {
                    list[i] = 0;
                }
            }
            changed = true;
            sort_descending(list, size);
            least = list[k - 1] > least ? list[k - 1] : least;
        }
    }
    for (uint32_t i = thread; i < k && changed; i += SELECT_THREADS) {
        best[i] = list[i];
    }
}

struct Select {
    address scores; // f32, (rows, stride)
    address best;   // u64, (rows, parts, k): the best keys so far, highest first, zeros at the start
    uint32_t columns;
    uint32_t stride; // divisible by 4
    uint32_t first;  // the column that the first score belongs to
    uint32_t k;      // at most 1024
    uint32_t parts;  // of a row, each with a list of its own
    uint32_t part;   // columns of one, divisible by 4
};

// Merges a part of a row of scores into the part's best of earlier columns; a block for each.
__device__ __forceinline__ void select(const Select &a) {
    uint32_t begin = blockIdx.y * a.part;
    if (begin >= a.columns) {
        return;
    }
    uint32_t end = a.columns - begin < a.part ? a.columns : begin + a.part;
    const float *scores = at<float>(a.scores) + size_t(blockIdx.x) * a.stride;
    size_t list = size_t(blockIdx.x) * a.parts + blockIdx.y;
    merge_into(at<unsigned long long>(a.best) + list * a.k, a.k,
               ScoreKeys{scores, begin, end, a.first});
}

struct Merge {
    address lists;  // u64, (rows, keys), zeros where there is none
    address best;   // u64, (rows, k), zeros at the start
    uint32_t keys;
    uint32_t k; // at most 1024
};

// The best of a row's lists; a block for each row.
__device__ __forceinline__ void merge(const Merge &a) {
    const unsigned long long *lists = at<unsigned long long>(a.lists);
    merge_into(at<unsigned long long>(a.best) + size_t(blockIdx.x) * a.k, a.k,
               ListedKeys{lists + size_t(blockIdx.x) * a.keys, 0, a.keys});
}

struct Few {
    address vectors; // f16, (count, dim)
    address asked;   // f16, (queries, dim)
    address scores;  // f32, (queries, stride)
    uint32_t count;
    uint32_t dim; // at most FEW_ROOM / the kernel's queries, rounded up to eights
    uint32_t queries;
    uint32_t stride;
};

constexpr int FEW_WARPS = 8;
constexpr int FEW_THREADS = 32 * FEW_WARPS;
constexpr int FEW_VECTORS = 256; // of a block
constexpr int FEW_ROOM = 8192;   // numbers of all queries

// Sums each of N numbers, a power of two below 64, over the warp. Lane l gets the sum of number
// l * N / 32: at each step a lane gives away half of what it has.
template <int N> __device__ __forceinline__ float sum_apart(float (&x)[N], uint32_t lane) {
    int lanes = 16;
#pragma unroll
    for (int kept = N / 2; kept > 0; kept /= 2, lanes /= 2) {
        bool upper = (lane & lanes) != 0;
#pragma unroll
        for (int i = 0; i < kept; i++) {
            float gives = upper ? x[i] : x[i + kept], keeps = upper ? x[i + kept] : x[i];
            x[i] = keeps + shuffle_xor(gives, lanes);
        }
    }
#pragma unroll
    for (; lanes > 0; lanes /= 2) {
        x[0] += shuffle_xor(x[0], lanes);
    }
    return x[0];
}

// Products of all vectors with a few queries, which are kept at hand: as fast as vectors can be
// read, which a product of matrices of so few rows is not. A warp takes so many vectors at once.
template <int Queries, int Vectors> __device__ __forceinline__ void few(const Few &a) {
    constexpr int ALL = Queries * Vectors;
    SHARED(float, queries, FEW_ROOM);
    uint32_t thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    // Of eight numbers the first four lie in one plane and the others in another, so that lanes
    // read 16 bytes side by side.
    uint32_t wide = (a.dim + 7) / 8 * 8;
    auto place = [&](uint32_t query, uint32_t d) {
        return query * wide + (d / 4 % 2) * (wide / 2) + d / 8 * 4 + d % 4;
    };
    for (uint32_t i = thread; i < Queries * wide; i += FEW_THREADS) {
        uint32_t query = i / wide, d = i % wide;
        bool real = query < a.queries && d < a.dim;
        queries[place(query, d)] =
            real ? as_float(at<f16>(a.asked)[size_t(query) * a.dim + d]) : 0.0f;
    }
    BARRIER();
    for (uint32_t n = Vectors * warp; n < FEW_VECTORS; n += Vectors * FEW_WARPS) {
        uint32_t first = blockIdx.x * FEW_VECTORS + n;
        if (first >= a.count) {
            break;
        }
        const f16 *rows[Vectors];
#pragma unroll
        for (int v = 0; v < Vectors; v++) {
            uint32_t row = first + v < a.count ? first + v : first;
            rows[v] = at<f16>(a.vectors) + size_t(row) * a.dim;
        }
        float sums[ALL] = {};
        if (a.dim % 8 == 0) {
            for (uint32_t eight = lane; eight < a.dim / 8; eight += 32) {
                Eight x[Vectors];
#pragma unroll
                for (int v = 0; v < Vectors; v++) {
                    x[v] = load_eight(rows[v] + 8 * eight);
                }
#pragma unroll
                for (int q = 0; q < Queries; q++) {
                    const float *query = queries + q * wide + 4 * eight;
                    Four low = load_four(query), high = load_four(query + wide / 2);
#pragma unroll
                    for (int v = 0; v < Vectors; v++) {
#pragma unroll
                        for (int i = 0; i < 4; i++) {
                            sums[q * Vectors + v] += as_float(x[v].x[i]) * low.x[i];
                            sums[q * Vectors + v] += as_float(x[v].x[i + 4]) * high.x[i];
                        }
                    }
                }
            }
        } else {
            for (uint32_t d = lane; d < a.dim; d += 32) {
#pragma unroll
                for (int v = 0; v < Vectors; v++) {
                    float x = as_float(rows[v][d]);
#pragma unroll
                    for (int q = 0; q < Queries; q++) {
                        sums[q * Vectors + v] += x * queries[place(q, d)];
                    }
                }
            }
        }
        float sum = sum_apart(sums, lane);
        uint32_t number = lane * ALL / 32, query = number / Vectors, row = first + number % Vectors;
        if (lane % (32 / ALL) == 0 && query < a.queries && row < a.count) {
            at<float>(a.scores)[size_t(query) * a.stride + row] = sum;
        }
    }
}

struct Nearest {
    address scores;  // f32, (rows, stride)
    address offsets; // f32, (columns): added to the scores; minus infinity up to a multiple of 4
    address best;    // u64, (rows): the best key so far
    uint32_t rows;
    uint32_t columns;
    uint32_t stride; // divisible by 4
    uint32_t first;
};

constexpr int NEAREST_WARPS = 8;
constexpr int NEAREST_THREADS = 32 * NEAREST_WARPS;
constexpr int NEAREST_LOADS = 4; // of a lane that are on their way at once

// The column of the highest score plus offset of each row; a warp for each row.
__device__ __forceinline__ void nearest(const Nearest &a) {
    uint32_t row = blockIdx.x * NEAREST_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    const float *scores = at<float>(a.scores) + size_t(row) * a.stride;
    const float *offsets = at<float>(a.offsets);
    // A lane's columns go up, so that of equal scores the first one is kept.
    float most = -INFINITY;
    uint32_t place = a.columns;
    for (uint32_t begin = 4 * lane; begin < a.columns; begin += NEAREST_LOADS * 128) {
        Four some[NEAREST_LOADS];
#pragma unroll
        for (int n = 0; n < NEAREST_LOADS; n++) {
            uint32_t column = begin + n * 128;
            some[n] = column < a.columns ? load_four(scores + column) : Four{};
        }
#pragma unroll
        for (int n = 0; n < NEAREST_LOADS; n++) {
            uint32_t column = begin + n * 128;
            if (column < a.columns) {
                Four added = load_four(offsets + column);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    float score = some[n].x[i] + added.x[i];
                    // What lies behind the last column is no number, or minus infinity.
                    if (score > most) {
                        most = score;
                        place = column + i;
                    }
                }
            }
        }
    }
    unsigned long long best = place < a.columns ? key_of(most, a.first + place) : 0;
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        best = highest(best, lanes);
    }
    if (lane == 0) {
        unsigned long long *out = at<unsigned long long>(a.best) + row;
        *out = best > *out ? best : *out;
    }
}

struct Sums {
    address vectors; // f16, (rows, dim)
    address order;   // u32, (rows): of each segment the rows, those of one cluster one behind another
    address weights; // f32, (rows)
    address starts;  // u32, (segments, clusters + 1): where in the order a cluster begins
    address out;     // f32, (clusters, dim), added to
    uint32_t dim;
    uint32_t clusters;
    uint32_t segments;
    uint32_t unused;
};

constexpr int SUMS_WARPS = 8;
constexpr int SUMS_THREADS = 32 * SUMS_WARPS;
constexpr int SUMS_COLUMNS = 128; // of a block
constexpr int SUMS_LOADS = 8;     // of a warp that are on their way at once

// The weighted sum of each cluster's vectors; a block for each cluster and 128 dimensions. A warp
// adds those of every eighth segment, in their order, and the warps' sums are added in theirs, so
// that a sum is the same each time.
__device__ __forceinline__ void sums(const Sums &a) {
    SHARED(float, parts, SUMS_WARPS *SUMS_COLUMNS);
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    uint32_t column = blockIdx.y * SUMS_COLUMNS + 4 * lane;
    bool wide = a.dim % 4 == 0;
    const f16 *vectors = at<f16>(a.vectors) + column;
    float sum[4] = {};
    for (uint32_t segment = warp; segment < a.segments; segment += SUMS_WARPS) {
        const uint32_t *starts = at<uint32_t>(a.starts) + size_t(segment) * (a.clusters + 1);
        uint32_t begin = starts[blockIdx.x], end = starts[blockIdx.x + 1];
        for (; begin < end; begin += 32) {
            uint32_t some = end - begin < 32 ? end - begin : 32;
            uint32_t own = lane < some ? at<uint32_t>(a.order)[begin + lane] : 0;
            float weight = lane < some ? at<float>(a.weights)[own] : 0.0f;
            for (uint32_t first = 0; first < some; first += SUMS_LOADS) {
                Four x[SUMS_LOADS];
                float w[SUMS_LOADS];
#pragma unroll
                for (int n = 0; n < SUMS_LOADS; n++) {
                    uint32_t row = shuffle_from(own, first + n);
                    w[n] = shuffle_from(weight, first + n);
                    const f16 *from = vectors + size_t(row) * a.dim;
                    x[n] = Four{};
                    if (first + n < some && column < a.dim) {
                        if (wide) {
                            x[n] = load_four(from);
                        } else {
#pragma unroll
                            for (uint32_t i = 0; i < 4; i++) {
                                x[n].x[i] = column + i < a.dim ? as_float(from[i]) : 0.0f;
                            }
                        }
                    }
                }
#pragma unroll
                for (int n = 0; n < SUMS_LOADS; n++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        sum[i] += w[n] * x[n].x[i];
                    }
                }
            }
        }
    }
    store_four(parts + warp * SUMS_COLUMNS + 4 * lane, Four{{sum[0], sum[1], sum[2], sum[3]}});
    BARRIER();
    uint32_t own = threadIdx.x, to = blockIdx.y * SUMS_COLUMNS + own;
    if (own < SUMS_COLUMNS && to < a.dim) {
        float all = 0.0f;
#pragma unroll
        for (int w = 0; w < SUMS_WARPS; w++) {
            all += parts[w * SUMS_COLUMNS + own];
        }
        at<float>(a.out)[size_t(blockIdx.x) * a.dim + to] += all;
    }
}

KERNEL(select_best, SELECT_THREADS, Select, select)
KERNEL(merge_best, SELECT_THREADS, Merge, merge)
KERNEL(few_scores_1, FEW_THREADS, Few, few<1, 8>)
KERNEL(few_scores_8, FEW_THREADS, Few, few<8, 4>)
KERNEL(nearest_column, NEAREST_THREADS, Nearest, nearest)
KERNEL(cluster_sums, SUMS_THREADS, Sums, sums)
