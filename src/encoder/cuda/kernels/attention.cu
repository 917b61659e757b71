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
                                                 uint32_t head, uint32_t head_dim) {
    size_t stride = size_t(a.heads + 2 * a.kv_heads) * head_dim;
    uint32_t kv = head / (a.heads / a.kv_heads);
    const T *base = at<T>(a.qkv) + size_t(tile.first) * stride;
    return {base + head * head_dim, base + (a.heads + kv) * head_dim,
            base + (a.heads + a.kv_heads + kv) * head_dim, stride};
}

// The first key that a query sees, and the one behind the last.
__device__ __forceinline__ uint32_t first_key(const Attention &a, uint32_t query) {
    return query > a.before ? query - a.before : 0;
}
__device__ __forceinline__ uint32_t end_key(const Attention &a, uint32_t query, uint32_t tokens) {
    uint32_t end = query + a.behind + 1;
    return end < tokens ? end : tokens;
}

// On the matrix units. A warp takes 16 queries; keys and values go by in tiles, the next on its
// way while one is computed with, from the first key that one of the block's queries sees to the
// last.
template <typename T, int Dim>
__device__ __forceinline__ void attention_mma(const Attention &a) {
    // Keys of a tile: as many as shared memory holds twice, with their values.
    constexpr int KEYS = Dim <= 64 ? 64 : Dim <= 128 ? 32 : 16;
    // A row is 16 bytes longer than its numbers, so that eight rows lie in different banks.
    constexpr int STRIDE = Dim + 8;
    constexpr int CHUNKS = Dim / 8; // of 16 bytes
    SHARED(T, keys, 2 * KEYS * STRIDE);
    SHARED(T, values, 2 * KEYS * STRIDE);

    Tile tile = tile_of(a);
    if (tile.tokens == 0) {
        return;
    }
    uint32_t head = blockIdx.y, thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    uint32_t group = lane / 4, quad = lane % 4;
    Columns<T> columns = columns_of<T>(a, tile, head, Dim);
    uint32_t last = (tile.query + TILE < tile.tokens ? tile.query + TILE : tile.tokens) - 1;
    uint32_t begin = first_key(a, tile.query), end = end_key(a, last, tile.tokens);

    auto fetch = [&](uint32_t first, uint32_t buffer) {
        for (uint32_t i = thread; i < KEYS * CHUNKS; i += ATTENTION_THREADS) {
            uint32_t row = i / CHUNKS, chunk = i % CHUNKS, key = first + row;
            bool real = key < end;
            size_t from = (real ? key : 0) * columns.stride + 8 * chunk;
            uint32_t to = (buffer * KEYS + row) * STRIDE + 8 * chunk;
            copy_16(keys + to, columns.keys + from, real);
            copy_16(values + to, columns.values + from, real);
        }
        copies_end_group();
    };
    fetch(begin, 0);

    // This lane's queries are rows `group` and `group + 8` of the warp's sixteen.
    uint32_t own = tile.query + 16 * warp;
    bool busy = own < tile.tokens;
    uint32_t query[2] = {own + group, own + group + 8};
    uint32_t q[Dim / 16][4];
#pragma unroll
    for (int k = 0; k < Dim / 16; k++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint32_t row = query[i % 2];
            q[k][i] = row < tile.tokens
                          ? *reinterpret_cast<const uint32_t *>(
                                columns.queries + row * columns.stride + 16 * k + 8 * (i / 2) +
                                2 * quad)
                          : 0;
        }
    }
    float out[Dim / 8][4] = {};
    float most[2] = {LEAST, LEAST}, sum[2] = {0.0f, 0.0f};
    const float *bias = nullptr;
    if (a.bias != 0) {
        bias = at<float>(a.bias) + size_t(head) * (2 * a.longest - 1) + (a.longest - 1);
    }

    uint32_t tiles = (end - begin + KEYS - 1) / KEYS;
    for (uint32_t t = 0; t < tiles; t++) {
        if (t + 1 < tiles) {
            fetch(begin + (t + 1) * KEYS, (t + 1) % 2);
            copies_wait<1>();
        } else {
            copies_wait<0>();
        }
        BARRIER();
        if (busy) {
            const T *k_tile = keys + (t % 2) * KEYS * STRIDE;
            const T *v_tile = values + (t % 2) * KEYS * STRIDE;
            float scores[KEYS / 8][4] = {};
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                // Eight keys, 32 dimensions at a time: two steps of 16.
#pragma unroll
                for (int d = 0; d < Dim / 32; d++) {
                    uint32_t b[4];
                    load_matrices(b, k_tile + (8 * n + lane % 8) * STRIDE + 32 * d + 8 * (lane / 8));
                    mma<T>(scores[n], q[2 * d], b[0], b[1]);
                    mma<T>(scores[n], q[2 * d + 1], b[2], b[3]);
                }
            }
            // Whether each of the block's queries sees all of the tile's keys.
            uint32_t from = begin + t * KEYS, until = from + KEYS;
            bool whole = until <= end && until <= tile.query + a.behind + 1 &&
                         from + a.before >= last;
            if (bias != nullptr || !whole) {
#pragma unroll
                for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        uint32_t key = from + 8 * n + 2 * quad + i % 2;
                        uint32_t row = query[i / 2];
                        if (key >= end || key > row + a.behind || key + a.before < row) {
                            scores[n][i] = -INFINITY;
                        } else if (bias != nullptr && row < tile.tokens) {
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
                    load_transposed(b, v_tile + (16 * k + lane % 16) * STRIDE + 16 * d +
                                           8 * (lane / 16));
                    mma<T>(out[2 * d], p, b[0], b[1]);
                    mma<T>(out[2 * d + 1], p, b[2], b[3]);
                }
            }
        }
        // The next round's fetch overwrites this round's buffer.
        BARRIER();
    }
    if (!busy) {
        return;
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        sum[r] += shuffle_xor(sum[r], 1);
        sum[r] += shuffle_xor(sum[r], 2);
        if (query[r] < tile.tokens) {
            float scale = 1.0f / sum[r];
            T *row = at<T>(a.out) + (size_t(tile.first + query[r]) * a.heads + head) * Dim;
#pragma unroll
            for (int d = 0; d < Dim / 8; d++) {
                *reinterpret_cast<uint32_t *>(row + 8 * d + 2 * quad) =
                    pair<T>(out[d][2 * r] * scale, out[d][2 * r + 1] * scale);
            }
        }
    }
}

// The most numbers of a head that a lane holds: heads up to 256 wide.
constexpr int HEAD_PARTS = 8;

// For any size of head and in f32: a warp takes one query at a time, a lane one key at a time.
template <typename T> __device__ __forceinline__ void attention_plain(const Attention &a) {
    Tile tile = tile_of(a);
    if (tile.tokens == 0) {
        return;
    }
    uint32_t head = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    Columns<T> columns = columns_of<T>(a, tile, head, a.head_dim);
    uint32_t end = tile.query + TILE < tile.tokens ? tile.query + TILE : tile.tokens;
    for (uint32_t row = tile.query + warp; row < end; row += ATTENTION_WARPS) {
        const T *query = columns.queries + row * columns.stride;
        uint32_t until = end_key(a, row, tile.tokens);
        float out[HEAD_PARTS] = {};
        float most = -INFINITY, sum = 0.0f;
        for (uint32_t first = first_key(a, row); first < until; first += 32) {
            uint32_t key = first + lane;
            float score = -INFINITY;
            if (key < until) {
                const T *k = columns.keys + key * columns.stride;
                score = 0.0f;
                for (uint32_t d = 0; d < a.head_dim; d++) {
                    score += as_float(query[d]) * as_float(k[d]);
                }
                if (a.bias != 0) {
                    score += at<float>(a.bias)[size_t(head) * (2 * a.longest - 1) +
                                               (a.longest - 1 + key - row)];
                }
            }
            float top = fmaxf(most, score);
#pragma unroll
            for (int lanes = 16; lanes > 0; lanes /= 2) {
                top = fmaxf(top, shuffle_xor(top, lanes));
            }
            float shrink = exp2f(most - top), weight = exp2f(score - top);
            most = top;
            sum = sum * shrink + warp_sum(weight);
#pragma unroll
            for (int p = 0; p < HEAD_PARTS; p++) {
                out[p] *= shrink;
            }
            uint32_t keys = until - first < 32 ? until - first : 32;
            for (uint32_t i = 0; i < keys; i++) {
                float w = shuffle_from(weight, i);
                const T *v = columns.values + (first + i) * columns.stride;
#pragma unroll
                for (int p = 0; p < HEAD_PARTS; p++) {
                    uint32_t d = lane + 32 * p;
                    if (d < a.head_dim) {
                        out[p] += w * as_float(v[d]);
                    }
                }
            }
        }
        T *to = at<T>(a.out) + (size_t(tile.first + row) * a.heads + head) * a.head_dim;
#pragma unroll
        for (int p = 0; p < HEAD_PARTS; p++) {
            uint32_t d = lane + 32 * p;
            if (d < a.head_dim) {
                to[d] = rounded<T>(out[p] / sum);
            }
        }
    }
}

KERNEL(attention_f16_32, ATTENTION_THREADS, Attention, attention_mma<f16, 32>)
KERNEL(attention_f16_64, ATTENTION_THREADS, Attention, attention_mma<f16, 64>)
KERNEL(attention_f16_128, ATTENTION_THREADS, Attention, attention_mma<f16, 128>)
KERNEL(attention_f16_256, ATTENTION_THREADS, Attention, attention_mma<f16, 256>)
KERNEL(attention_bf16_32, ATTENTION_THREADS, Attention, attention_mma<bf16, 32>)
KERNEL(attention_bf16_64, ATTENTION_THREADS, Attention, attention_mma<bf16, 64>)
KERNEL(attention_bf16_128, ATTENTION_THREADS, Attention, attention_mma<bf16, 128>)
KERNEL(attention_bf16_256, ATTENTION_THREADS, Attention, attention_mma<bf16, 256>)
KERNEL(attention_f32, ATTENTION_THREADS, Attention, attention_plain<float>)
KERNEL(attention_f16, ATTENTION_THREADS, Attention, attention_plain<f16>)
KERNEL(attention_bf16, ATTENTION_THREADS, Attention, attention_plain<bf16>)
