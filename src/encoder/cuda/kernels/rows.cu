// What is done to rows, the hidden states of tokens, between matrix products: a warp takes a row,
// or one head of a row; and the pooling.
//
// LayerNorm is Ba, Kiros and Hinton, 2016; RMSNorm Zhang and Sennrich, 2019. The mean is taken
// first and the variance from the differences to it, all in f32, whatever type the rows have.
//
// Rows are as wide as fours can be loaded. What lies behind a row's own numbers is zero, in
// gains, biases and weights too, so that it stays so.
#include "common.cuh"

constexpr int ROW_WARPS = 4;
constexpr int ROW_THREADS = 32 * ROW_WARPS;

// Keeps the compiler from loading ahead what there are no registers for.
__device__ __forceinline__ void in_order() { asm volatile("" ::: "memory"); }

// A row, lane l having its fours l, l + 32 and so on.
template <typename T, int Chunks>
__device__ __forceinline__ void load_row(const T *a, uint32_t fours, uint32_t lane,
                                         Four (&x)[Chunks]) {
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        uint32_t four = lane + 32 * c;
        if (four < fours) {
            x[c] = load_four(a + 4 * four);
        }
    }
}

template <int Chunks> __device__ __forceinline__ void scale_row(float scale, Four (&x)[Chunks]) {
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            x[c].x[i] *= scale;
        }
    }
}

// Adds a row to one that is there.
template <typename T, int Chunks>
__device__ __forceinline__ void add_row(const T *a, uint32_t fours, uint32_t lane,
                                        Four (&x)[Chunks]) {
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        uint32_t four = lane + 32 * c;
        if (Chunks > 16 && c % 8 == 0) {
            in_order();
        }
        if (four < fours) {
            Four y = load_four(a + 4 * four);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[c].x[i] += y.x[i];
            }
        }
    }
}

// The sum of a row times `scale` and another. Both are on their way at a time, where there are
// registers for them.
template <typename T, int Chunks>
__device__ __forceinline__ void add_rows(const T *a, float scale, const T *b, uint32_t fours,
                                         uint32_t lane, Four (&x)[Chunks]) {
    if constexpr (Chunks > 16) {
        load_row(a, fours, lane, x);
        scale_row(scale, x);
        add_row(b, fours, lane, x);
    } else {
#pragma unroll
        for (int c = 0; c < Chunks; c++) {
            uint32_t four = lane + 32 * c;
            if (four < fours) {
                Four y = load_four(a + 4 * four), z = load_four(b + 4 * four);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    x[c].x[i] = y.x[i] * scale + z.x[i];
                }
            }
        }
    }
}

template <typename T, int Chunks>
__device__ __forceinline__ void store_row(const Four (&x)[Chunks], uint32_t fours, uint32_t lane,
                                          T *out) {
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        uint32_t four = lane + 32 * c;
        if (four < fours) {
            store_four(out + 4 * four, x[c]);
        }
    }
}

struct Norm {
    const float *gain;
    const float *bias; // or null
    bool centred;      // LayerNorm; else RMSNorm, which takes no mean off
    float eps;
};

// Normalises such a row of `hidden` numbers of its own, and applies gain and bias.
template <int Chunks>
__device__ __forceinline__ void normalise(Four (&x)[Chunks], uint32_t hidden, uint32_t lane,
                                          const Norm &norm) {
    uint32_t fours = (hidden + 3) / 4;
    if (norm.centred) {
        float sum = 0.0f;
#pragma unroll
        for (int c = 0; c < Chunks; c++) {
            if (lane + 32 * c < fours) {
                sum += (x[c].x[0] + x[c].x[1]) + (x[c].x[2] + x[c].x[3]);
            }
        }
        float mean = warp_sum(sum) / float(hidden);
#pragma unroll
        for (int c = 0; c < Chunks; c++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[c].x[i] -= mean;
            }
        }
        if (hidden % 4 != 0) {
#pragma unroll
            for (int c = 0; c < Chunks; c++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    if (4 * (lane + 32 * c) + i >= hidden) {
                        x[c].x[i] = 0.0f;
                    }
                }
            }
        }
    }
    float squares = 0.0f;
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        if (lane + 32 * c < fours) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                squares += x[c].x[i] * x[c].x[i];
            }
        }
    }
    float scale = 1.0f / sqrtf(warp_sum(squares) / float(hidden) + norm.eps);
#pragma unroll
    for (int c = 0; c < Chunks; c++) {
        uint32_t four = lane + 32 * c;
        if (Chunks > 16 && c % 8 == 0) {
            in_order();
        }
        if (four < fours) {
            Four g = load_four(norm.gain + 4 * four), b = {};
            if (norm.bias != nullptr) {
                b = load_four(norm.bias + 4 * four);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[c].x[i] = x[c].x[i] * scale * g.x[i] + b.x[i];
            }
        }
    }
}

// The bits of a token that are its id; its type is above them (src/model/tokens.rs).
constexpr int ID_BITS = 26;

struct Embed {
    address tokens; // u32, one a row
    address places; // u32, the row's position in its text
    address words;  // T, (vocabulary, width)
    address added;  // T, (types, place_rows, width): what a type and a place add; or null
    address gain;   // f32, (width), of the norm; or null
    address bias;   // f32, (width); or null
    address out;    // T, (rows, width)
    uint32_t rows;
    uint32_t hidden;     // numbers of a row; the width is that, rounded up to fours
    uint32_t place_rows; // 1 where all places are alike
    uint32_t centred;
    float scale; // of words
    float eps;
};

// Embedding of tokens, their types and places, and its norm.
template <typename T, int Chunks> __device__ __forceinline__ void embed(const Embed &a) {
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    uint32_t fours = (a.hidden + 3) / 4;
    size_t width = 4 * size_t(fours);
    uint32_t token = at<uint32_t>(a.tokens)[row];
    const T *word = at<T>(a.words) + (token & ((1u << ID_BITS) - 1)) * width;
    uint32_t place = a.place_rows == 1 ? 0 : at<uint32_t>(a.places)[row];
    size_t at_place = (size_t(token >> ID_BITS) * a.place_rows + place) * width;
    Four x[Chunks] = {};
    if (a.added != 0 && Chunks <= 16) {
        add_rows(word, a.scale, at<T>(a.added) + at_place, fours, lane, x);
    } else {
        load_row(word, fours, lane, x);
        scale_row(a.scale, x);
        if (a.added != 0) {
            add_row(at<T>(a.added) + at_place, fours, lane, x);
        }
    }
    if (a.gain != 0) {
        normalise(x, a.hidden, lane,
                  {at<float>(a.gain), at<float>(a.bias), a.centred != 0, a.eps});
    }
    store_row(x, fours, lane, at<T>(a.out) + row * width);
}

struct AddNorm {
    address added;      // T, (rows, width); or null
    address stream;     // T, (rows, width)
    address inner_gain; // f32, (width), of the norm of what is added; or null
    address inner_bias; // f32, (width); or null
    address gain;       // f32, (width), of the norm of the stream; or null
    address bias;       // f32, (width); or null
    address out;        // T, (rows, width): the stream normalised, which may be the stream
    uint32_t rows;
    uint32_t hidden;
    uint32_t inner_centred;
    uint32_t centred;
    float inner_eps;
    float eps;
};

// stream = norm(stream + added): the common case of what follows, which takes fewer registers.
template <typename T, int Chunks> __device__ __forceinline__ void add_norm(const AddNorm &a) {
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    uint32_t fours = (a.hidden + 3) / 4;
    size_t begin = row * (4 * size_t(fours));
    T *stream = at<T>(a.stream) + begin;
    Four x[Chunks] = {};
    add_rows(stream, 1.0f, at<T>(a.added) + begin, fours, lane, x);
    normalise(x, a.hidden, lane, {at<float>(a.gain), at<float>(a.bias), a.centred != 0, a.eps});
    store_row(x, fours, lane, stream);
}

// stream += norm(added); out = norm(stream). Each part may be left out, and the stream's own value
// is not written where its norm takes its place.
template <typename T, int Chunks> __device__ __forceinline__ void add_norms(const AddNorm &a) {
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    uint32_t fours = (a.hidden + 3) / 4;
    size_t begin = row * (4 * size_t(fours));
    const T *added = at<T>(a.added) + begin;
    T *stream = at<T>(a.stream) + begin;
    Four x[Chunks] = {};
    if (a.added == 0) {
        load_row(stream, fours, lane, x);
    } else if (a.inner_gain == 0 && Chunks <= 16) {
        add_rows(stream, 1.0f, added, fours, lane, x);
    } else {
        load_row(added, fours, lane, x);
        if (a.inner_gain != 0) {
            normalise(x, a.hidden, lane,
                      {at<float>(a.inner_gain), at<float>(a.inner_bias), a.inner_centred != 0,
                       a.inner_eps});
        }
        add_row(stream, fours, lane, x);
    }
    if (a.added != 0 && (a.gain == 0 || a.out != a.stream)) {
        store_row(x, fours, lane, stream);
    }
    if (a.gain != 0) {
        normalise(x, a.hidden, lane,
                  {at<float>(a.gain), at<float>(a.bias), a.centred != 0, a.eps});
        store_row(x, fours, lane, at<T>(a.out) + begin);
    }
}

struct Heads {
    address qkv;        // T, (rows, stride): of each row queries, then keys, read and written
    address places;     // u32, the row's position in its text
    address cosines;    // f32, (positions, pairs); or null
    address sines;      // f32, (positions, pairs); or null
    address query_gain; // f32, (head_dim), of the norm of queries; or null
    address query_bias; // f32, (head_dim); or null
    address key_gain;   // f32, (head_dim), of the norm of keys; or null
    address key_bias;   // f32, (head_dim); or null
    uint32_t rows;
    uint32_t stride;
    uint32_t heads;    // of queries; those of keys follow
    uint32_t head_dim; // at most 64 * HEAD_SLOTS
    uint32_t pairs;    // that are rotated, a pair's numbers so many apart
    uint32_t centred;
    float eps;
    uint32_t unused;
};

constexpr int HEAD_SLOTS = 4;

// Normalises a head of queries or keys, and rotates it by its place. A lane has pairs of numbers,
// what is not rotated in pairs as well, so that no lane needs what another has.
template <typename T> __device__ __forceinline__ void heads(const Heads &a) {
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) {
        return;
    }
    uint32_t number = blockIdx.y;
    T *head = at<T>(a.qkv) + size_t(row) * a.stride + size_t(number) * a.head_dim;
    uint32_t still = (a.head_dim - 2 * a.pairs + 1) / 2, slots = a.pairs + still;
    float x[HEAD_SLOTS][2] = {};
    uint32_t place[HEAD_SLOTS][2];
    bool real[HEAD_SLOTS][2];
#pragma unroll
    for (int s = 0; s < HEAD_SLOTS; s++) {
        uint32_t slot = lane + 32 * s;
        bool turns = slot < a.pairs;
        place[s][0] = turns ? slot : slot + a.pairs;
        place[s][1] = place[s][0] + (turns ? a.pairs : still);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            real[s][i] = slot < slots && place[s][i] < a.head_dim;
            if (real[s][i]) {
                x[s][i] = as_float(head[place[s][i]]);
            }
        }
    }
    bool query = number < a.heads;
    const float *gain = at<float>(query ? a.query_gain : a.key_gain);
    const float *bias = at<float>(query ? a.query_bias : a.key_bias);
    if (gain != nullptr) {
        if (a.centred != 0) {
            float sum = 0.0f;
#pragma unroll
            for (int s = 0; s < HEAD_SLOTS; s++) {
                sum += x[s][0] + x[s][1];
            }
            float mean = warp_sum(sum) / float(a.head_dim);
#pragma unroll
            for (int s = 0; s < HEAD_SLOTS; s++) {
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    x[s][i] = real[s][i] ? x[s][i] - mean : 0.0f;
                }
            }
        }
        float squares = 0.0f;
#pragma unroll
        for (int s = 0; s < HEAD_SLOTS; s++) {
            squares += x[s][0] * x[s][0] + x[s][1] * x[s][1];
        }
        float scale = 1.0f / sqrtf(warp_sum(squares) / float(a.head_dim) + a.eps);
#pragma unroll
        for (int s = 0; s < HEAD_SLOTS; s++) {
#pragma unroll
            for (int i = 0; i < 2; i++) {
                if (real[s][i]) {
                    float b = bias != nullptr ? bias[place[s][i]] : 0.0f;
                    x[s][i] = x[s][i] * scale * gain[place[s][i]] + b;
                }
            }
        }
    }
    size_t angles = size_t(a.pairs != 0 ? at<uint32_t>(a.places)[row] : 0) * a.pairs;
#pragma unroll
    for (int s = 0; s < HEAD_SLOTS; s++) {
        uint32_t slot = lane + 32 * s;
        if (slot < a.pairs) {
            float c = at<float>(a.cosines)[angles + slot], n = at<float>(a.sines)[angles + slot];
            float first = x[s][0], second = x[s][1];
            x[s][0] = first * c - second * n;
            x[s][1] = second * c + first * n;
        }
#pragma unroll
        for (int i = 0; i < 2; i++) {
            if (real[s][i]) {
                head[place[s][i]] = rounded<T>(x[s][i]);
            }
        }
    }
}

// What is done to single numbers; `ACTIVATIONS` in forward.rs has the same order.
__device__ __forceinline__ float activated(float x, uint32_t which) {
    switch (which) {
    case 0: // The exact GELU, which cuBLASLt's epilogue has only by its tanh approximation.
        return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case 1: // That approximation.
        return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case 2:
        return fmaxf(x, 0.0f);
    case 3: // SiLU
        return x / (1.0f + expf(-x));
    case 4:
        return tanhf(x);
    case 5: // The logistic function.
        return 1.0f / (1.0f + expf(-x));
    default:
        return x;
    }
}

struct Activate {
    address values; // T, (rows, width) read and written; where gated (rows, 2 * width)
    uint32_t fours; // of a row's width
    uint32_t count; // of all rows' widths
    uint32_t activation;
    uint32_t unused;
};

constexpr int ACTIVATE_THREADS = 256;

template <typename T> __device__ __forceinline__ void activate(const Activate &a) {
    uint32_t i = blockIdx.x * ACTIVATE_THREADS + threadIdx.x;
    if (i >= a.count) {
        return;
    }
    T *values = at<T>(a.values) + 4 * size_t(i);
    Four x = load_four(values);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        x.x[k] = activated(x.x[k], a.activation);
    }
    store_four(values, x);
}

// Each row's first half becomes its activation times the second half.
template <typename T> __device__ __forceinline__ void gate(const Activate &a) {
    uint32_t i = blockIdx.x * ACTIVATE_THREADS + threadIdx.x;
    if (i >= a.count) {
        return;
    }
    // Row `i / fours` begins two halves of as many fours for each row before it.
    T *values = at<T>(a.values) + 4 * (size_t(i) + size_t(i / a.fours) * a.fours);
    Four x = load_four(values), up = load_four(values + 4 * size_t(a.fours));
#pragma unroll
    for (int k = 0; k < 4; k++) {
        x.x[k] = activated(x.x[k], a.activation) * up.x[k];
    }
    store_four(values, x);
}

struct Finish {
    address values; // T, (rows, stride), read and written
    address bias;   // T, (columns); or null
    uint32_t columns;
    uint32_t stride;
    uint32_t activation;
    uint32_t unused;
};

constexpr int FINISH_THREADS = 256;

// Bias and activation of a product that cuBLASLt did without; a block for a row and 256 columns.
template <typename T> __device__ __forceinline__ void finish(const Finish &a) {
    uint32_t column = blockIdx.y * FINISH_THREADS + threadIdx.x;
    if (column >= a.columns) {
        return;
    }
    T *value = at<T>(a.values) + size_t(blockIdx.x) * a.stride + column;
    float bias = a.bias != 0 ? as_float(at<T>(a.bias)[column]) : 0.0f;
    *value = rounded<T>(activated(as_float(*value) + bias, a.activation));
}

struct Pool {
    address rows;   // T, (tokens, width)
    address starts; // u32, (texts + 1): the first row of each text, and the end of the last
    address out;    // f32, (texts, out_stride), of which this has the first `width`
    uint32_t width; // divisible by 4
    uint32_t mode;
    uint32_t out_stride; // divisible by 4
    uint32_t left_out;   // from `starts` to u32, (texts): the first rows of each text that do not count
};

// Modes of the pooling; `pool` in forward.rs has the same.
constexpr uint32_t FIRST = 0, MEAN = 1, MOST = 2, MEAN_SQRT = 3, WEIGHTED = 4, LAST = 5;

constexpr int POOL_THREADS = 512;

// A text's rows to one vector; a block for each text. Threads are groups that take every so
// many-th row, each thread four columns. A text of no rows gets zeros.
template <typename T> __device__ __forceinline__ void pool(const Pool &a) {
    SHARED(float, partial, POOL_THREADS * 4);
    uint32_t first = at<uint32_t>(a.starts)[blockIdx.x];
    uint32_t count = at<uint32_t>(a.starts)[blockIdx.x + 1] - first;
    // Fewer than there are, so a text of some rows keeps one.
    uint32_t before = at<uint32_t>(a.starts)[a.left_out + blockIdx.x];
    first += before;
    count -= before;
    bool one = a.mode == FIRST || a.mode == LAST;
    if (a.mode == LAST && count > 0) {
        first += count - 1;
    }
    uint32_t rows = one && count > 0 ? 1 : count;
    float n = float(count), divisor = 1.0f;
    if (a.mode == MEAN) {
        divisor = n;
    } else if (a.mode == MEAN_SQRT) {
        divisor = sqrtf(n);
    } else if (a.mode == WEIGHTED) {
        divisor = 0.5f * n * (n + 1.0f) + float(before) * n;
    }
    uint32_t fours = a.width / 4, thread = threadIdx.x;
    uint32_t groups = fours >= POOL_THREADS ? 1 : POOL_THREADS / fours;
    float *out = at<float>(a.out) + size_t(blockIdx.x) * a.out_stride;
    for (uint32_t begin = 0; begin < fours; begin += POOL_THREADS) {
        uint32_t wide = fours < POOL_THREADS ? fours : POOL_THREADS;
        uint32_t group = thread / wide, four = begin + thread % wide;
        bool active = group < groups && four < fours;
        Four sum;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            sum.x[i] = a.mode == MOST ? -INFINITY : 0.0f;
        }
        if (active) {
            for (uint32_t r = group; r < rows; r += groups) {
                Four x = load_four(at<T>(a.rows) + size_t(first + r) * a.width + 4 * four);
                float weight = a.mode == WEIGHTED ? float(before + r + 1) : 1.0f;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    sum.x[i] = a.mode == MOST ? fmaxf(sum.x[i], x.x[i])
                                              : sum.x[i] + weight * x.x[i];
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
                    sum.x[i] = a.mode == MOST ? fmaxf(sum.x[i], x.x[i]) : sum.x[i] + x.x[i];
                }
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                sum.x[i] = count > 0 ? sum.x[i] / divisor : 0.0f;
            }
            store_four(out + 4 * four, sum);
        }
        BARRIER();
    }
}

#define ROW_KERNELS(T, chunks)                                                                    \
    KERNEL(embed_##T##_##chunks, ROW_THREADS, Embed, embed<T, chunks>)                            \
    KERNEL(add_norm_##T##_##chunks, ROW_THREADS, AddNorm, add_norm<T, chunks>)                    \
    KERNEL(add_norms_##T##_##chunks, ROW_THREADS, AddNorm, add_norms<T, chunks>)

typedef float f32;
#define ALL_ROW_KERNELS(T)                                                                        \
    ROW_KERNELS(T, 1)                                                                             \
    ROW_KERNELS(T, 2)                                                                             \
    ROW_KERNELS(T, 3)                                                                             \
    ROW_KERNELS(T, 4)                                                                             \
    ROW_KERNELS(T, 6)                                                                             \
    ROW_KERNELS(T, 8)                                                                             \
    ROW_KERNELS(T, 16)                                                                            \
    ROW_KERNELS(T, 32)                                                                            \
    KERNEL(heads_##T, ROW_THREADS, Heads, heads<T>)                                               \
    KERNEL(activate_##T, ACTIVATE_THREADS, Activate, activate<T>)                                 \
    KERNEL(gate_##T, ACTIVATE_THREADS, Activate, gate<T>)                                         \
    KERNEL(finish_##T, FINISH_THREADS, Finish, finish<T>)                                         \
    KERNEL(pool_##T, POOL_THREADS, Pool, pool<T>)

ALL_ROW_KERNELS(f32)
ALL_ROW_KERNELS(f16)
ALL_ROW_KERNELS(bf16)
