// Attention of packed texts: a block takes up to 64 queries of one text and one head.
//
// Scores are never stored: the softmax is made as the keys go by (Milakov and Gimelshein,
// 2018; Dao et al., FlashAttention, 2022). Queries come scaled, so that 2^score is the
// softmax's numerator.
#include "common.cuh"

struct Attention {
    // T, (tokens, (heads + 2 * kv_heads) * head_dim): queries of all heads, keys and values of all
    // theirs.
    address qkv;
    address tiles; // 4 u32 a tile: the text's first row, its tokens, the first query, unused
    address bias;  // f32, (heads, 2 * longest - 1), by key less query; or null
    address out;   // T, (tokens, heads * head_dim)
    uint32_t heads;
    uint32_t kv_heads; // each serves heads / kv_heads heads of queries in a row
    uint32_t head_dim;
    uint32_t longest;
    // A query sees itself, so many keys before it and so many behind; below 2^30.
    uint32_t before;
    uint32_t behind;
};

constexpr int TILE = 64;
// Below any score, and far from infinite: less itself it is zero.
constexpr float LEAST = -1e30f;
constexpr int ATTENTION_WARPS = 4;
constexpr int ATTENTION_THREADS = 32 * ATTENTION_WARPS;

struct Tile {
    uint32_t first, tokens, query;
};

__device__ __forceinline__ Tile tile_of(const Attention &a) {
    const uint32_t *t = at<uint32_t>(a.tiles) + 4 * size_t(blockIdx.x);
    return {t[0], t[1], t[2]};
}

// Where the numbers of a head begin in the first row of a text, and those from one row to the
// next.
template <typename T> struct Columns {
    const T *queries, *keys, *values;
    size_t stride;
};

template <typename T>
__device__ __forceinline__ Columns<T> columns_of(const Attention &a, const Tile &tile,
                                                 uint32_t head) {
    size_t stride = size_t(a.heads + 2 * a.kv_heads) * a.head_dim;
    uint32_t kv = head / (a.heads / a.kv_heads);
    const T *base = at<T>(a.qkv) + size_t(tile.first) * stride;
    return {base + head * a.head_dim, base + (a.heads + kv) * a.head_dim,
            base + (a.heads + a.kv_heads + kv) * a.head_dim, stride};
}

// What scores of a head get by key less query, or null.
__device__ __forceinline__ const float *bias_of(const Attention &a, uint32_t head) {
    if (a.bias == 0) {
        return nullptr;
    }
    return at<float>(a.bias) + size_t(head) * (2 * a.longest - 1) + (a.longest - 1);
}

// The first key that a query sees, and the one behind the last.
__device__ __forceinline__ uint32_t first_key(const Attention &a, uint32_t query) {
    return query > a.before ? query - a.before : 0;
}
__device__ __forceinline__ uint32_t end_key(const Attention &a, uint32_t query, uint32_t tokens) {
    uint32_t end = query + a.behind + 1;
    return end < tokens ? end : tokens;
}

// Sixteen queries of a head, which a warp computes on the matrix units. Heads are `Dim` wide or
// less, by eights; what is missing is zero.
template <typename T, int Dim> struct Strip {
    // A row of keys or values is 16 bytes longer than its numbers, so that eight rows lie in
    // different banks.
    static constexpr int STRIDE = Dim + 8;
    // This lane's queries are rows `group` and `group + 8` of the sixteen.
    uint32_t query[2];
    uint32_t q[Dim / 16][4];
    float out[Dim / 8][4];
    float most[2], sum[2];

    __device__ __forceinline__ void load(const Attention &a, const Tile &tile,
                                         const Columns<T> &columns, uint32_t own, uint32_t lane) {
        uint32_t group = lane / 4, quad = lane % 4;
        query[0] = own + group;
        query[1] = own + group + 8;
#pragma unroll
        for (int k = 0; k < Dim / 16; k++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32_t row = query[i % 2], d = 16 * k + 8 * (i / 2);
                q[k][i] = row < tile.tokens && d < a.head_dim
                              ? *reinterpret_cast<const uint32_t *>(
                                    columns.queries + row * columns.stride + d + 2 * quad)
                              : 0;
            }
        }
#pragma unroll
        for (int d = 0; d < Dim / 8; d++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                out[d][i] = 0.0f;
            }
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            most[r] = LEAST;
            sum[r] = 0.0f;
        }
    }

    // Takes the keys and values from `from` on, of which those below `end` are real. `whole` says
    // that each query sees all of them.
    template <int KEYS>
    __device__ __forceinline__ void take(const Attention &a, const T *keys, const T *values,
                                         const float *bias, uint32_t from, uint32_t end,
                                         uint32_t tokens, bool whole, uint32_t lane) {
        uint32_t quad = lane % 4;
        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
            // Eight keys, 32 dimensions at a time: two steps of 16.
#pragma unroll
            for (int d = 0; d < Dim / 32; d++) {
                uint32_t b[4];
                load_matrices(b, keys + (8 * n + lane % 8) * STRIDE + 32 * d + 8 * (lane / 8));
                mma<T>(scores[n], q[2 * d], b[0], b[1]);
                mma<T>(scores[n], q[2 * d + 1], b[2], b[3]);
            }
        }
        if (bias != nullptr || !whole) {
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    uint32_t key = from + 8 * n + 2 * quad + i % 2;
                    uint32_t row = query[i / 2];
                    if (key >= end || key > row + a.behind || key + a.before < row) {
                        scores[n][i] = -INFINITY;
                    } else if (bias != nullptr && row < tokens) {
                        scores[n][i] += bias[int(key) - int(row)];
                    }
                }
            }
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float top = most[r];
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                top = fmaxf(top, fmaxf(scores[n][2 * r], scores[n][2 * r + 1]));
            }
            top = fmaxf(top, shuffle_xor(top, 1));
            top = fmaxf(top, shuffle_xor(top, 2));
            // Finite, also while a query has seen no key.
            float shrink = exp2_fast(most[r] - top);
            most[r] = top;
            float added = 0.0f;
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
                for (int i = 2 * r; i < 2 * r + 2; i++) {
                    scores[n][i] = exp2_fast(scores[n][i] - top);
                    added += scores[n][i];
                }
            }
            sum[r] = sum[r] * shrink + added;
#pragma unroll
            for (int d = 0; d < Dim / 8; d++) {
                out[d][2 * r] *= shrink;
                out[d][2 * r + 1] *= shrink;
            }
        }
#pragma unroll
        for (int k = 0; k < KEYS / 16; k++) {
            // What was a result of one product lies as the next one's operand.
            uint32_t p[4] = {pair<T>(scores[2 * k][0], scores[2 * k][1]),
                             pair<T>(scores[2 * k][2], scores[2 * k][3]),
                             pair<T>(scores[2 * k + 1][0], scores[2 * k + 1][1]),
                             pair<T>(scores[2 * k + 1][2], scores[2 * k + 1][3])};
#pragma unroll
            for (int d = 0; d < Dim / 16; d++) {
                uint32_t b[4];
                load_transposed(b, values + (16 * k + lane % 16) * STRIDE + 16 * d +
                                       8 * (lane / 16));
                mma<T>(out[2 * d], p, b[0], b[1]);
                mma<T>(out[2 * d + 1], p, b[2], b[3]);
            }
        }
    }

    __device__ __forceinline__ void store(const Attention &a, const Tile &tile, uint32_t head,
                                          uint32_t lane) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            sum[r] += shuffle_xor(sum[r], 1);
            sum[r] += shuffle_xor(sum[r], 2);
            if (query[r] < tile.tokens) {
                float scale = 1.0f / sum[r];
                T *row = at<T>(a.out) +
                         (size_t(tile.first + query[r]) * a.heads + head) * a.head_dim;
#pragma unroll
                for (int d = 0; d < Dim / 8; d++) {
                    if (uint32_t(8 * d) < a.head_dim) {
                        *reinterpret_cast<uint32_t *>(row + 8 * d + 2 * (lane % 4)) =
                            pair<T>(out[d][2 * r] * scale, out[d][2 * r + 1] * scale);
                    }
                }
            }
        }
    }
};

// Asks for `KEYS` keys and values from `first` on, zeros from `end` on; one of so many threads.
template <typename T, int Dim, int KEYS>
__device__ __forceinline__ void fetch(const Attention &a, const Columns<T> &columns, T *keys,
                                      T *values, uint32_t first, uint32_t end, uint32_t thread,
                                      uint32_t threads) {
    constexpr int CHUNKS = Dim / 8; // of 16 bytes
    for (uint32_t i = thread; i < KEYS * CHUNKS; i += threads) {
        uint32_t row = i / CHUNKS, d = 8 * (i % CHUNKS), key = first + row;
        bool real = key < end && d < a.head_dim;
        size_t from = real ? key * columns.stride + d : 0;
        uint32_t to = row * Strip<T, Dim>::STRIDE + d;
        copy_16(keys + to, columns.keys + from, real);
        copy_16(values + to, columns.values + from, real);
    }
    copies_end_group();
}

// On the matrix units, heads by eights. A warp takes 16 queries; keys and values go by in tiles,
// the next on its way while one is computed with, from the first key that one of the block's
// queries sees to the last.
template <typename T, int Dim> __device__ __forceinline__ void attention_mma(const Attention &a) {
    // Keys of a tile: as many as shared memory holds twice, with their values.
    constexpr int KEYS = Dim <= 64 ? 64 : Dim <= 128 ? 32 : 16;
    constexpr int PART = KEYS * Strip<T, Dim>::STRIDE;
    SHARED(T, keys, 2 * PART);
    SHARED(T, values, 2 * PART);

    Tile tile = tile_of(a);
    if (tile.tokens == 0) {
        return;
    }
    uint32_t head = blockIdx.y, thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    Columns<T> columns = columns_of<T>(a, tile, head);
    uint32_t last = (tile.query + TILE < tile.tokens ? tile.query + TILE : tile.tokens) - 1;
    uint32_t begin = first_key(a, tile.query), end = end_key(a, last, tile.tokens);
    fetch<T, Dim, KEYS>(a, columns, keys, values, begin, end, thread, ATTENTION_THREADS);

    uint32_t own = tile.query + 16 * warp;
    bool busy = own < tile.tokens;
    Strip<T, Dim> strip;
    strip.load(a, tile, columns, own, lane);
    const float *bias = bias_of(a, head);

    uint32_t tiles = (end - begin + KEYS - 1) / KEYS;
    for (uint32_t t = 0; t < tiles; t++) {
        uint32_t from = begin + t * KEYS, until = from + KEYS;
        if (t + 1 < tiles) {
            uint32_t other = (t + 1) % 2 * PART;
            fetch<T, Dim, KEYS>(a, columns, keys + other, values + other, until, end, thread,
                                ATTENTION_THREADS);
            copies_wait<1>();
        } else {
            copies_wait<0>();
        }
        BARRIER();
        if (busy) {
            // Whether each of the block's queries sees all of the tile's keys.
            bool whole = until <= end && until <= tile.query + a.behind + 1 &&
                         from + a.before >= last;
            uint32_t part = t % 2 * PART;
            strip.template take<KEYS>(a, keys + part, values + part, bias, from, end, tile.tokens,
                                      whole, lane);
        }
        // The next round's fetch overwrites this round's buffer.
        BARRIER();
    }
    if (busy) {
        strip.store(a, tile, head, lane);
    }
}

// The longest text of `attention_short`; `SHORT` in pack.rs.
constexpr int SHORT = 32;

// The same for short texts, of which a block takes one and four heads: each warp one, with keys
// and values of its own, that wait for no other warp's.
template <typename T, int Dim> __device__ __forceinline__ void attention_short(const Attention &a) {
    constexpr int PART = SHORT * Strip<T, Dim>::STRIDE;
    SHARED(T, all_keys, ATTENTION_WARPS * PART);
    SHARED(T, all_values, ATTENTION_WARPS * PART);

    Tile tile = tile_of(a);
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    uint32_t head = blockIdx.y * ATTENTION_WARPS + warp;
    if (tile.tokens == 0 || head >= a.heads) {
        return;
    }
    T *keys = all_keys + warp * PART, *values = all_values + warp * PART;
    Columns<T> columns = columns_of<T>(a, tile, head);
    const float *bias = bias_of(a, head);
    bool narrow = tile.tokens <= SHORT / 2;
    if (narrow) {
        fetch<T, Dim, SHORT / 2>(a, columns, keys, values, 0, tile.tokens, lane, 32);
    } else {
        fetch<T, Dim, SHORT>(a, columns, keys, values, 0, tile.tokens, lane, 32);
    }
    copies_wait<0>();
    WARP_BARRIER();
    for (uint32_t own = 0; own < tile.tokens; own += 16) {
        Strip<T, Dim> strip;
        strip.load(a, tile, columns, own, lane);
        if (narrow) {
            strip.template take<SHORT / 2>(a, keys, values, bias, 0, tile.tokens, tile.tokens,
                                           false, lane);
        } else {
            strip.template take<SHORT>(a, keys, values, bias, 0, tile.tokens, tile.tokens, false,
                                       lane);
        }
        strip.store(a, tile, head, lane);
    }
}

// For f32, and for heads that are no multiple of eight: products by the ordinary units, of numbers
// that lie in shared memory as f32. A warp takes 16 queries, a thread four of them with four keys,
// then with an eighth of the values' columns. Heads are `Wide` or less.
template <typename T, int Wide> __device__ __forceinline__ void attention_tiled(const Attention &a) {
    constexpr int KEYS = 32;
    // Columns of queries and keys at a time, so that all fits into shared memory.
    constexpr int SLICE = Wide <= 64 ? Wide : Wide <= 128 ? 64 : 32;
    // Rows are 16 bytes longer, so that eight rows lie in different banks.
    constexpr int STRIDE = SLICE + 4;
    constexpr int PARTS = Wide / 32;
    SHARED(float, queries, TILE * STRIDE);
    SHARED(float, keys, KEYS * STRIDE);
    SHARED(float, values, KEYS * Wide);

    Tile tile = tile_of(a);
    if (tile.tokens == 0) {
        return;
    }
    uint32_t head = blockIdx.y, thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    uint32_t across = lane % 8, down = lane / 8;
    Columns<T> columns = columns_of<T>(a, tile, head);
    uint32_t last = (tile.query + TILE < tile.tokens ? tile.query + TILE : tile.tokens) - 1;
    uint32_t begin = first_key(a, tile.query), end = end_key(a, last, tile.tokens);
    const float *bias = bias_of(a, head);
    // This thread's queries are every fourth of the warp's sixteen, its keys every eighth.
    uint32_t own = 16 * warp + down;
    bool busy = tile.query + 16 * warp < tile.tokens;

    // Rows from `first` on, zeros from `until` on, of `width` columns from `column` on.
    auto load = [&](float *to, int to_stride, const T *from, int rows, uint32_t first,
                    uint32_t until, uint32_t column, int width) {
        for (uint32_t i = thread; i < uint32_t(rows * width); i += ATTENTION_THREADS) {
            uint32_t row = i / width, d = i % width;
            bool real = first + row < until && column + d < a.head_dim;
            to[row * to_stride + d] =
                real ? as_float(from[(first + row) * columns.stride + column + d]) : 0.0f;
        }
    };

    float out[4][PARTS][4] = {};
    float most[4] = {LEAST, LEAST, LEAST, LEAST}, sum[4] = {};
    for (uint32_t from = begin; from < end; from += KEYS) {
        float scores[4][4] = {};
        for (uint32_t slice = 0; slice < Wide; slice += SLICE) {
            // What the round before reads is overwritten.
            BARRIER();
            if (SLICE < Wide || from == begin) {
                load(queries, STRIDE, columns.queries, TILE, tile.query, tile.tokens, slice, SLICE);
            }
            load(keys, STRIDE, columns.keys, KEYS, from, end, slice, SLICE);
            if (slice == 0) {
                load(values, Wide, columns.values, KEYS, from, end, 0, Wide);
            }
            BARRIER();
            if (busy) {
                // More at a time would take registers that another block has use for.
#pragma unroll 1
                for (int d = 0; d < SLICE; d += 4) {
                    Four q[4], k[4];
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        q[i] = load_four(queries + (own + 4 * i) * STRIDE + d);
                        k[i] = load_four(keys + (across + 8 * i) * STRIDE + d);
                    }
#pragma unroll
                    for (int i = 0; i < 4; i++) {
#pragma unroll
                        for (int j = 0; j < 4; j++) {
#pragma unroll
                            for (int x = 0; x < 4; x++) {
                                scores[i][j] += q[i].x[x] * k[j].x[x];
                            }
                        }
                    }
                }
            }
        }
        if (!busy) {
            continue;
        }
        bool whole = from + KEYS <= end && from + KEYS <= tile.query + a.behind + 1 &&
                     from + a.before >= last;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint32_t row = tile.query + own + 4 * i;
            if (bias != nullptr || !whole) {
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    uint32_t key = from + across + 8 * j;
                    if (key >= end || key > row + a.behind || key + a.before < row) {
                        scores[i][j] = -INFINITY;
                    } else if (bias != nullptr && row < tile.tokens) {
                        scores[i][j] += bias[int(key) - int(row)];
                    }
                }
            }
            float top = most[i];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                top = fmaxf(top, scores[i][j]);
            }
#pragma unroll
            for (int lanes = 1; lanes < 8; lanes *= 2) {
                top = fmaxf(top, shuffle_xor(top, lanes));
            }
            float shrink = exp2f(most[i] - top);
            most[i] = top;
            sum[i] *= shrink;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                scores[i][j] = exp2f(scores[i][j] - top);
                sum[i] += scores[i][j];
            }
#pragma unroll
            for (int p = 0; p < PARTS; p++) {
#pragma unroll
                for (int x = 0; x < 4; x++) {
                    out[i][p][x] *= shrink;
                }
            }
        }
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll 1
            for (uint32_t k = 0; k < 8; k++) {
                // The lanes of a query have its weights, each of every eighth key.
                float weight[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    weight[i] = shuffle_from(scores[i][j], 8 * down + k);
                }
#pragma unroll
                for (int p = 0; p < PARTS; p++) {
                    Four v = load_four(values + (8 * j + k) * Wide + 32 * p + 4 * across);
#pragma unroll
                    for (int i = 0; i < 4; i++) {
#pragma unroll
                        for (int x = 0; x < 4; x++) {
                            out[i][p][x] += weight[i] * v.x[x];
                        }
                    }
                }
            }
        }
    }
    if (!busy) {
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int lanes = 1; lanes < 8; lanes *= 2) {
            sum[i] += shuffle_xor(sum[i], lanes);
        }
        uint32_t row = tile.query + own + 4 * i;
        if (row < tile.tokens) {
            T *to = at<T>(a.out) + (size_t(tile.first + row) * a.heads + head) * a.head_dim;
#pragma unroll
            for (int p = 0; p < PARTS; p++) {
#pragma unroll
                for (int x = 0; x < 4; x++) {
                    uint32_t d = 32 * p + 4 * across + x;
                    if (d < a.head_dim) {
                        to[d] = rounded<T>(out[i][p][x] / sum[i]);
                    }
                }
            }
        }
    }
}

#define TILED_KERNELS(name, T)                                                                    \
    KERNEL(attention_tiled_##name##_32, ATTENTION_THREADS, Attention, attention_tiled<T, 32>)     \
    KERNEL(attention_tiled_##name##_64, ATTENTION_THREADS, Attention, attention_tiled<T, 64>)     \
    KERNEL(attention_tiled_##name##_128, ATTENTION_THREADS, Attention, attention_tiled<T, 128>)   \
    KERNEL(attention_tiled_##name##_256, ATTENTION_THREADS, Attention, attention_tiled<T, 256>)
#define MATRIX_KERNELS(T)                                                                         \
    KERNEL(attention_##T##_32, ATTENTION_THREADS, Attention, attention_mma<T, 32>)                \
    KERNEL(attention_##T##_64, ATTENTION_THREADS, Attention, attention_mma<T, 64>)                \
    KERNEL(attention_##T##_128, ATTENTION_THREADS, Attention, attention_mma<T, 128>)              \
    KERNEL(attention_##T##_256, ATTENTION_THREADS, Attention, attention_mma<T, 256>)              \
    KERNEL(attention_short_##T##_32, ATTENTION_THREADS, Attention, attention_short<T, 32>)        \
    KERNEL(attention_short_##T##_64, ATTENTION_THREADS, Attention, attention_short<T, 64>)

MATRIX_KERNELS(f16)
MATRIX_KERNELS(bf16)
TILED_KERNELS(f32, float)
TILED_KERNELS(f16, f16)
TILED_KERNELS(bf16, bf16)
