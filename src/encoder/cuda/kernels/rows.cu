// Kernels that take a row, the hidden state of one token, per warp, and the pooling.
//
// LayerNorm is Ba, Kiros and Hinton, 2016. The mean is taken first and the variance from the
// differences to it, all in f32, whatever type the rows have.
#include "common.cuh"

constexpr int ROW_WARPS = 4;
constexpr int ROW_THREADS = 32 * ROW_WARPS;

// The sum of two rows, lane l having its fours l, l + 32 and so on.
template <typename T, int Chunks>
__device__ __forceinline__ void add_rows(const T *a, const T *b, uint32_t fours, uint32_t lane,
                                         Four (&x)[Chunks]) {
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        uint32_t four = lane + 32 * c;
        if (four < fours) {
            Four y = load_four(a + 4 * four), z = load_four(b + 4 * four);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[c].x[i] = y.x[i] + z.x[i];
            }
        }
    }
}

// Scales such a row to mean zero and variance one, applies gain and bias, and stores it.
template <typename T, int Chunks>
__device__ __forceinline__ void norm_and_store(Four (&x)[Chunks], uint32_t fours, uint32_t lane,
                                               const float *gain, const float *bias, float eps,
                                               T *out) {
    float sum = 0.0f;
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        if (lane + 32 * c < fours) {
            sum += (x[c].x[0] + x[c].x[1]) + (x[c].x[2] + x[c].x[3]);
        }
    }
    float mean = warp_sum(sum) / (4.0f * fours);
    float squares = 0.0f;
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        if (lane + 32 * c < fours) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[c].x[i] -= mean;
                squares += x[c].x[i] * x[c].x[i];
            }
        }
    }
    float scale = 1.0f / sqrtf(warp_sum(squares) / (4.0f * fours) + eps);
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        uint32_t four = lane + 32 * c;
        if (four < fours) {
            Four g = load_four(gain + 4 * four), b = load_four(bias + 4 * four);
            Four y;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                y.x[i] = x[c].x[i] * scale * g.x[i] + b.x[i];
            }
            store_four(out + 4 * four, y);
        }
    }
}

struct Embed {
    address ids;       // u32, one a row
    address places;    // u32, the row's position in its text
    address words;     // T, (vocabulary, hidden)
    address positions; // T, (positions, hidden), the token type's embedding added
    address gain;      // f32, (hidden)
    address bias;      // f32, (hidden)
    address out;       // T, (rows, hidden)
    uint32_t rows;
    uint32_t hidden; // divisible by 4, at most 128 * Chunks
    float eps;
    uint32_t unused;
};

// Embedding of tokens and positions, and its LayerNorm.
template <typename T, int Chunks> __device__ __forceinline__ void embed(const Embed &a) {
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    uint32_t fours = a.hidden / 4;
    const T *word = at<T>(a.words) + size_t(at<uint32_t>(a.ids)[row]) * a.hidden;
    const T *position = at<T>(a.positions) + size_t(at<uint32_t>(a.places)[row]) * a.hidden;
    Four x[Chunks];
    add_rows(word, position, fours, lane, x);
    norm_and_store(x, fours, lane, at<float>(a.gain), at<float>(a.bias), a.eps,
                   at<T>(a.out) + size_t(row) * a.hidden);
}

struct AddNorm {
    address added;  // T, (rows, hidden)
    address stream; // T, (rows, hidden), read and written
    address gain;   // f32, (hidden)
    address bias;   // f32, (hidden)
    uint32_t rows;
    uint32_t hidden;
    float eps;
    uint32_t unused;
};

// stream = LayerNorm(stream + added).
template <typename T, int Chunks> __device__ __forceinline__ void add_norm(const AddNorm &a) {
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    uint32_t fours = a.hidden / 4;
    const T *added = at<T>(a.added) + size_t(row) * a.hidden;
    T *stream = at<T>(a.stream) + size_t(row) * a.hidden;
    Four x[Chunks];
    add_rows(stream, added, fours, lane, x);
    norm_and_store(x, fours, lane, at<float>(a.gain), at<float>(a.bias), a.eps, stream);
}

struct Activate {
    address values;           // T, read and written
    unsigned long long count; // divisible by 4
};

constexpr int ACTIVATE_THREADS = 256;

// The exact GELU, which cuBLASLt's epilogue has only by its tanh approximation.
template <typename T> __device__ __forceinline__ void activate(const Activate &a) {
    size_t i = 4 * (size_t(blockIdx.x) * ACTIVATE_THREADS + threadIdx.x);
    if (i >= a.count) {
        return;
    }
    Four x = load_four(at<T>(a.values) + i);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        x.x[k] = 0.5f * x.x[k] * (1.0f + erff(x.x[k] * 0.70710678118654752f));
    }
    store_four(at<T>(a.values) + i, x);
}

struct Pool {
    address rows;   // T, (tokens, hidden)
    address starts; // u32, (texts + 1): the first row of each text, and the end of the last
    address out;    // f32, (texts, hidden), each of unit length
    uint32_t hidden;
    uint32_t mode; // 0: first token, 1: mean, which has the direction of the sum, 2: maximum
};

constexpr int POOL_THREADS = 512;
constexpr int POOL_WARPS = POOL_THREADS / 32;

// A text's rows to one vector of unit length; a block for each text. Threads are groups that
// take every so many-th row, each thread four columns.
template <typename T> __device__ __forceinline__ void pool(const Pool &a) {
    SHARED(float, partial, POOL_THREADS * 4);
    SHARED(float, squares, POOL_WARPS);
    uint32_t first = at<uint32_t>(a.starts)[blockIdx.x];
    uint32_t count = at<uint32_t>(a.starts)[blockIdx.x + 1] - first;
    uint32_t fours = a.hidden / 4, thread = threadIdx.x;
    uint32_t groups = fours >= POOL_THREADS ? 1 : POOL_THREADS / fours;
    float *out = at<float>(a.out) + size_t(blockIdx.x) * a.hidden;
    float own = 0.0f;
    for (uint32_t begin = 0; begin < fours; begin += POOL_THREADS) {
        uint32_t wide = fours < POOL_THREADS ? fours : POOL_THREADS;
        uint32_t group = thread / wide, four = begin + thread % wide;
        bool active = group < groups && four < fours;
        Four sum;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            sum.x[i] = a.mode == 2 ? -INFINITY : 0.0f;
        }
        if (active) {
            uint32_t rows = a.mode == 0 ? (count > 0 ? 1 : 0) : count;
            for (uint32_t r = group; r < rows; r += groups) {
                Four x = load_four(at<T>(a.rows) + size_t(first + r) * a.hidden + 4 * four);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    sum.x[i] = a.mode == 2 ? fmaxf(sum.x[i], x.x[i]) : sum.x[i] + x.x[i];
                }
            }
            store_four(partial + 4 * thread, sum);
        }
        BARRIER();
        if (active && group == 0) {
            for (uint32_t g = 1; g < groups; g++) {
                Four x = load_four(partial + 4 * (g * wide + thread));
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    sum.x[i] = a.mode == 2 ? fmaxf(sum.x[i], x.x[i]) : sum.x[i] + x.x[i];
                }
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                sum.x[i] = count > 0 ? sum.x[i] : 0.0f;
                own += sum.x[i] * sum.x[i];
            }
            store_four(out + 4 * four, sum);
        }
        BARRIER();
    }
    own = warp_sum(own);
    if (thread % 32 == 0) {
        squares[thread / 32] = own;
    }
    BARRIER();
    float total = 0.0f;
    for (int w = 0; w < POOL_WARPS; w++) {
        total += squares[w];
    }
    float scale = total > 0.0f ? 1.0f / sqrtf(total) : 1.0f;
    // Each thread scales what it stored itself.
    uint32_t wide = fours < POOL_THREADS ? fours : POOL_THREADS;
    for (uint32_t begin = 0; begin < fours; begin += POOL_THREADS) {
        uint32_t four = begin + thread;
        if (thread < wide && four < fours) {
            Four x = load_four(out + 4 * four);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x.x[i] *= scale;
            }
            store_four(out + 4 * four, x);
        }
    }
}

#define ROW_KERNELS(T, chunks)                                                                    \
    KERNEL(embed_##T##_##chunks, ROW_THREADS, Embed, embed<T, chunks>)                            \
    KERNEL(add_norm_##T##_##chunks, ROW_THREADS, AddNorm, add_norm<T, chunks>)

typedef float f32;
#define ALL_ROW_KERNELS(T)                                                                        \
    ROW_KERNELS(T, 1)                                                                             \
    ROW_KERNELS(T, 2)                                                                             \
    ROW_KERNELS(T, 3)                                                                             \
    ROW_KERNELS(T, 4)                                                                             \
    ROW_KERNELS(T, 6)                                                                             \
    ROW_KERNELS(T, 8)                                                                             \
    ROW_KERNELS(T, 16)                                                                            \
    KERNEL(activate_##T, ACTIVATE_THREADS, Activate, activate<T>)                                 \
    KERNEL(pool_##T, POOL_THREADS, Pool, pool<T>)

ALL_ROW_KERNELS(f32)
ALL_ROW_KERNELS(f16)
ALL_ROW_KERNELS(bf16)
