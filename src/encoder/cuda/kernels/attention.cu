// Attention of packed texts: a block takes up to 64 queries of one text and one head.
//
// Scores are never stored: the softmax is made as the keys go by (Milakov and Gimelshein,
// 2018; Dao et al., FlashAttention, 2022). Queries come scaled, so that 2^score is the
// softmax's numerator.
#include "common.cuh"

struct Attention {
    address qkv;   // T, (tokens, 3 * hidden): queries, keys and values of all heads
    address tiles; // 4 u32 a tile: the text's first row, its tokens, the first query, unused
    address bias;  // f32, (heads, 2 * longest - 1), by key less query; or null
    address out;   // T, (tokens, hidden)
    uint32_t hidden;
    uint32_t head_dim;
    uint32_t longest;
    uint32_t unused;
};

constexpr int TILE = 64;
constexpr int ATTENTION_WARPS = 4;
constexpr int ATTENTION_THREADS = 32 * ATTENTION_WARPS;

struct Tile {
    uint32_t first, tokens, query;
};

__device__ __forceinline__ Tile tile_of(const Attention &a) {
    const uint32_t *t = at<uint32_t>(a.tiles) + 4 * size_t(blockIdx.x);
    return {t[0], t[1], t[2]};
}

// On the matrix units. A warp takes 16 queries; keys and values go by in tiles of 64, the next
// on its way while one is computed with.
template <typename T, int Dim>
__device__ __forceinline__ void attention_mma(const Attention &a) {
    // A row is 16 bytes longer than its numbers, so that eight rows lie in different banks.
    constexpr int STRIDE = Dim + 8;
    constexpr int CHUNKS = Dim / 8; // of 16 bytes
    SHARED(T, keys, 2 * TILE * STRIDE);
    SHARED(T, values, 2 * TILE * STRIDE);

    Tile tile = tile_of(a);
    if (tile.tokens == 0) {
        return;
    }
    uint32_t head = blockIdx.y, thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    uint32_t group = lane / 4, quad = lane % 4;
    size_t stride = 3 * size_t(a.hidden);
    const T *base = at<T>(a.qkv) + size_t(tile.first) * stride + head * Dim;

    auto fetch = [&](uint32_t first_key, uint32_t buffer) {
        for (uint32_t i = thread; i < TILE * CHUNKS; i += ATTENTION_THREADS) {
            uint32_t row = i / CHUNKS, chunk = i % CHUNKS, key = first_key + row;
            bool real = key < tile.tokens;
            const T *from = base + (real ? key : 0) * stride + 8 * chunk;
            uint32_t to = (buffer * TILE + row) * STRIDE + 8 * chunk;
            copy_16(keys + to, from + a.hidden, real);
            copy_16(values + to, from + 2 * size_t(a.hidden), real);
        }
        copies_end_group();
    };
    fetch(0, 0);

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
                          ? *reinterpret_cast<const uint32_t *>(base + row * stride + 16 * k +
                                                                8 * (i / 2) + 2 * quad)
                          : 0;
        }
    }
    float out[Dim / 8][4] = {};
    float most[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};
    const float *bias = nullptr;
    if (a.bias != 0) {
        bias = at<float>(a.bias) + size_t(head) * (2 * a.longest - 1) + (a.longest - 1);
    }

    uint32_t tiles = (tile.tokens + TILE - 1) / TILE;
    for (uint32_t t = 0; t < tiles; t++) {
        if (t + 1 < tiles) {
            fetch((t + 1) * TILE, (t + 1) % 2);
            copies_wait<1>();
        } else {
            copies_wait<0>();
        }
        BARRIER();
        if (busy) {
            const T *k_tile = keys + (t % 2) * TILE * STRIDE;
            const T *v_tile = values + (t % 2) * TILE * STRIDE;
            float scores[TILE / 8][4] = {};
#pragma unroll
            for (int n = 0; n < TILE / 8; n++) {
                // Eight keys, 32 dimensions at a time: two steps of 16.
#pragma unroll
                for (int d = 0; d < Dim / 32; d++) {
                    uint32_t b[4];
                    load_matrices(b, k_tile + (8 * n + lane % 8) * STRIDE + 32 * d + 8 * (lane / 8));
                    mma<T>(scores[n], q[2 * d], b[0], b[1]);
                    mma<T>(scores[n], q[2 * d + 1], b[2], b[3]);
                }
            }
            if (bias != nullptr || (t + 1) * TILE > tile.tokens) {
#pragma unroll
                for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        uint32_t key = t * TILE + 8 * n + 2 * quad + i % 2;
                        uint32_t row = query[i / 2];
                        if (key >= tile.tokens) {
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
                for (int n = 0; n < TILE / 8; n++) {
                    top = fmaxf(top, fmaxf(scores[n][2 * r], scores[n][2 * r + 1]));
                }
                top = fmaxf(top, shuffle_xor(top, 1));
                top = fmaxf(top, shuffle_xor(top, 2));
                // The first key of each tile is real, so `top` is finite.
                float shrink = exp2_fast(most[r] - top);
                most[r] = top;
                float added = 0.0f;
#pragma unroll
                for (int n = 0; n < TILE / 8; n++) {
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
            for (int k = 0; k < TILE / 16; k++) {
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
            T *row = at<T>(a.out) + size_t(tile.first + query[r]) * a.hidden + head * Dim;
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
    size_t stride = 3 * size_t(a.hidden);
    const T *base = at<T>(a.qkv) + size_t(tile.first) * stride + head * a.head_dim;
    uint32_t end = tile.query + TILE < tile.tokens ? tile.query + TILE : tile.tokens;
    for (uint32_t row = tile.query + warp; row < end; row += ATTENTION_WARPS) {
        const T *query = base + row * stride;
        float out[HEAD_PARTS] = {};
        float most = -INFINITY, sum = 0.0f;
        for (uint32_t first = 0; first < tile.tokens; first += 32) {
            uint32_t key = first + lane;
            float score = -INFINITY;
            if (key < tile.tokens) {
                const T *k = base + key * stride + a.hidden;
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
            uint32_t keys = tile.tokens - first < 32 ? tile.tokens - first : 32;
            for (uint32_t i = 0; i < keys; i++) {
                float w = shuffle_from(weight, i);
                const T *v = base + (first + i) * stride + 2 * size_t(a.hidden);
#pragma unroll
                for (int p = 0; p < HEAD_PARTS; p++) {
                    uint32_t d = lane + 32 * p;
                    if (d < a.head_dim) {
                        out[p] += w * as_float(v[d]);
                    }
                }
            }
        }
        T *to = at<T>(a.out) + size_t(tile.first + row) * a.hidden + head * a.head_dim;
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
KERNEL(attention_bf16_32, ATTENTION_THREADS, Attention, attention_mma<bf16, 32>)
KERNEL(attention_bf16_64, ATTENTION_THREADS, Attention, attention_mma<bf16, 64>)
KERNEL(attention_f32, ATTENTION_THREADS, Attention, attention_plain<float>)
KERNEL(attention_f16, ATTENTION_THREADS, Attention, attention_plain<f16>)
KERNEL(attention_bf16, ATTENTION_THREADS, Attention, attention_plain<bf16>)
