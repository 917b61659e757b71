// Attention of packed texts: a block takes up to 128 queries of one text and one head.
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
    // Queries that a block takes, `HALF` or `TILE`; results are the same.
    uint32_t size;
    uint32_t unused;
};

// Queries of a tile; `TILE` in pack.rs.
constexpr uint32_t TILE = 128;
// Queries of a block where registers or shared memory hold no more, and where there would be too
// few blocks for the device; `HALF` in forward.rs.
constexpr uint32_t HALF = 64;
// Below any score, and far from infinite: less itself it is zero.
constexpr float LEAST = -1e30f;
// Weights are powers of two to their row's greatest score so far, as long as later scores pass it
// by no more than this: a new greatest score costs a multiplication of all that was summed up.
// 2^8 is far from what f16 holds at most, and sums are f32.
constexpr float SLACK = 8.0f;
constexpr int ATTENTION_WARPS = 4;
constexpr int ATTENTION_THREADS = 32 * ATTENTION_WARPS;

__device__ __forceinline__ uint32_t min_of(uint32_t x, uint32_t y) { return x < y ? x : y; }

// Queries of one text from `query` to before `end`, for one head or some in a row.
struct Tile {
    uint32_t first, tokens, query, end, head;
};

// What this block takes. Blocks of one tile and all heads follow each other: they read the same
// rows.
__device__ __forceinline__ Tile tile_of(const Attention &a, uint32_t heads) {
    uint32_t block = again(blockIdx.x), head = block % heads, part = block / heads;
    uint32_t parts = TILE / a.size;
    const uint32_t *t = at<uint32_t>(a.tiles) + 4 * size_t(part / parts);
    uint32_t tokens = t[1], query = t[2] + part % parts * a.size;
    return {t[0], tokens, query, min_of(query + a.size, tokens), head};
}

// Where the numbers of a head begin in the first row of a text, and those from one row to the
// next.
template <typename T> struct Columns {
    const T *queries, *keys;
    uint32_t stride;
    uint32_t apart; // numbers from a key to its value

    __device__ __forceinline__ const T *values() const { return keys + apart; }
};

template <typename T>
__device__ __forceinline__ Columns<T> columns_of(const Attention &a, const Tile &tile,
                                                 uint32_t head) {
    uint32_t stride = (a.heads + 2 * a.kv_heads) * a.head_dim;
    uint32_t kv = a.heads == a.kv_heads ? head : head / (a.heads / a.kv_heads);
    const T *base = at<T>(a.qkv) + size_t(tile.first) * stride;
    return {base + head * a.head_dim, base + (a.heads + kv) * a.head_dim, stride,
            a.kv_heads * a.head_dim};
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
    return min_of(query + a.behind + 1, tokens);
}

// From one row of a head in shared memory to the next: 16 bytes longer than its numbers, so that
// eight rows lie in different banks.
template <int Dim> constexpr int STRIDE = Dim + 8;

// Asks for rows of a head from `first` on, zeros from `end` on; one of so many threads.
template <int Dim, int Rows, int Threads, typename T>
__device__ __forceinline__ void fetch(T *to, const T *from, uint32_t stride, uint32_t head_dim,
                                      uint32_t first, uint32_t end, uint32_t thread) {
    constexpr int CHUNKS = Dim / 8; // of 16 bytes
    constexpr int AT_ONCE = Threads / CHUNKS;
    static_assert(Threads % CHUNKS == 0 && Rows % AT_ONCE == 0, "threads without work");
    uint32_t row = thread / CHUNKS, d = 8 * (thread % CHUNKS);
    // Of what is not real nothing is read.
    const T *source = from + size_t(first + row) * stride + d;
    int real = d < head_dim ? int(end - first) - int(row) : 0;
    to += row * STRIDE<Dim> + d;
#pragma unroll
    for (int i = 0; i < Rows / AT_ONCE; i++) {
        copy_16(to + i * AT_ONCE * STRIDE<Dim>, source, i * AT_ONCE < real);
        source += AT_ONCE * stride;
    }
}

// What a warp knows of its queries: those of a tile from `own` on, `Count` at most. All else is
// computed from that where it is needed, as registers are scarce.
template <int Count> struct View {
    uint32_t own;
    uint32_t tokens;
    uint32_t head;

    // Whether one of them sees one of the keys from `from` to before `until`.
    __device__ __forceinline__ bool some(const Attention &a, uint32_t from, uint32_t until) const {
        uint32_t first = again(own), last = min_of(first + Count, tokens) - 1;
        return first < tokens && from < end_key(a, last, tokens) && until > first_key(a, first);
    }
    // The end of the keys that a block's queries see, which has so many queries and begins at a
    // multiple of that.
    __device__ __forceinline__ uint32_t end_of(const Attention &a, uint32_t block) const {
        uint32_t last = min_of((again(own) | (block - 1)) + 1, tokens) - 1;
        return end_key(a, last, tokens);
    }
    // Whether all of them see all of these keys.
    __device__ __forceinline__ bool all(const Attention &a, uint32_t from, uint32_t until) const {
        uint32_t first = again(own), last = min_of(first + Count, tokens) - 1;
        return until <= end_key(a, first, tokens) && from >= first_key(a, last);
    }
};

// Sixteens of queries of a head, which a warp computes on the matrix units: the more at once, the
// less often keys and values are read from shared memory. Heads are `Dim` wide or less, by
// eights; what is missing is zero.
//
// A query's results are the same to the bit however many are computed with it: what it does not
// see adds zeros.
//
// Where scores get nothing by distance (`Plain`), nothing is kept for it.
template <typename T, int Dim, int Groups, bool Plain> struct Strip {
    static constexpr int ROWS = 16 * Groups;
    // Of each sixteen, rows `lane / 4` and `lane / 4 + 8` are this lane's.
    uint32_t q[Groups][Dim / 16][4];
    float out[Groups][Dim / 8][4];
    float most[Groups][2], sum[Groups][2];

    // Takes its queries from shared memory.
    __device__ __forceinline__ void load(const T *rows, uint32_t lane) {
#pragma unroll
        for (int g = 0; g < Groups; g++) {
#pragma unroll
            for (int k = 0; k < Dim / 16; k++) {
                load_matrices(q[g][k], rows + (16 * g + lane % 16) * STRIDE<Dim> + 16 * k +
                                           8 * (lane / 16));
            }
#pragma unroll
            for (int d = 0; d < Dim / 8; d++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    out[g][d][i] = 0.0f;
                }
            }
#pragma unroll
            for (int r = 0; r < 2; r++) {
                most[g][r] = LEAST;
                sum[g][r] = 0.0f;
            }
        }
    }

    // Takes the keys and values from `from` on.
    template <int Keys>
    __device__ __forceinline__ void take(const Attention &a, const View<ROWS> &view, const T *keys,
                                         const T *values, uint32_t from, uint32_t lane) {
        float scores[Groups][Keys / 8][4] = {};
        // All scores get a step of 16 dimensions before the next one: a product does not wait
        // for the one before.
        const T *key = keys + (lane % 8 + lane / 16 * 8) * STRIDE<Dim> + lane / 8 % 2 * 8;
#pragma unroll
        for (int k = 0; k < Dim / 16; k++) {
#pragma unroll
            for (int n = 0; n < Keys / 16; n++) {
                uint32_t b[4];
                load_matrices(b, key + 16 * n * STRIDE<Dim> + 16 * k);
#pragma unroll
                for (int g = 0; g < Groups; g++) {
                    mma<T>(scores[g][2 * n], q[g][k], b[0], b[1]);
                }
#pragma unroll
                for (int g = 0; g < Groups; g++) {
                    mma<T>(scores[g][2 * n + 1], q[g][k], b[2], b[3]);
                }
            }
        }
        if ((!Plain && a.bias != 0) || !view.all(a, from, from + Keys)) {
            hide(a, view, from, lane, scores);
        }
        float shrink[Groups][2];
        bool grew = false;
#pragma unroll
        for (int g = 0; g < Groups; g++) {
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float top = scores[g][0][2 * r];
#pragma unroll
                for (int n = 0; n < Keys / 8; n++) {
                    top = fmaxf(top, fmaxf(scores[g][n][2 * r], scores[g][n][2 * r + 1]));
                }
                top = fmaxf(top, shuffle_xor(top, 1));
                top = fmaxf(top, shuffle_xor(top, 2));
                // A query's own scores decide, so that it does not matter what is beside it. Its
                // greatest is finite, also while it has seen no key.
                float before = most[g][r];
                bool passed = top > before + SLACK;
                most[g][r] = passed ? top : before;
                shrink[g][r] = before - most[g][r];
                grew = grew || passed;
            }
        }
        if (warp_any(grew)) {
#pragma unroll
            for (int g = 0; g < Groups; g++) {
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    float factor = exp2_fast(shrink[g][r]);
                    sum[g][r] *= factor;
#pragma unroll
                    for (int d = 0; d < Dim / 8; d++) {
                        out[g][d][2 * r] *= factor;
                        out[g][d][2 * r + 1] *= factor;
                    }
                }
            }
        }
#pragma unroll
        for (int n = 0; n < Keys / 8; n++) {
#pragma unroll
            for (int g = 0; g < Groups; g++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    scores[g][n][i] = exp2_fast(scores[g][n][i] - most[g][i / 2]);
                }
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    sum[g][r] += scores[g][n][2 * r] + scores[g][n][2 * r + 1];
                }
            }
        }
        const T *value = values + lane % 16 * STRIDE<Dim> + lane / 16 * 8;
#pragma unroll
        for (int k = 0; k < Keys / 16; k++) {
            // What was a result of one product lies as the next one's operand.
            uint32_t p[Groups][4];
#pragma unroll
            for (int g = 0; g < Groups; g++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const float *two = &scores[g][2 * k + i / 2][i % 2 * 2];
                    p[g][i] = pair<T>(two[0], two[1]);
                }
            }
#pragma unroll
            for (int d = 0; d < Dim / 16; d++) {
                uint32_t b[4];
                load_transposed(b, value + 16 * k * STRIDE<Dim> + 16 * d);
#pragma unroll
                for (int g = 0; g < Groups; g++) {
                    mma<T>(out[g][2 * d], p[g], b[0], b[1]);
                }
#pragma unroll
                for (int g = 0; g < Groups; g++) {
                    mma<T>(out[g][2 * d + 1], p[g], b[2], b[3]);
                }
            }
        }
    }

    // Adds to scores what they get by distance, and hides keys that a query does not see.
    template <int Eights>
    __device__ __forceinline__ void hide(const Attention &a, const View<ROWS> &view, uint32_t from,
                                         uint32_t lane, float (&scores)[Groups][Eights][4]) {
        const float *bias = Plain ? nullptr : bias_of(a, view.head);
#pragma unroll
        for (int g = 0; g < Groups; g++) {
#pragma unroll
            for (int r = 0; r < 2; r++) {
                uint32_t row = again(view.own) + 16 * g + 8 * r + lane / 4;
                uint32_t key = from + 2 * (lane % 4), first = first_key(a, row);
                // Keys before the first wrap around to more than there are. A row behind the
                // text's last is no query.
                uint32_t seen = row < view.tokens ? end_key(a, row, view.tokens) - first : 0;
#pragma unroll
                for (int n = 0; n < Eights; n++) {
#pragma unroll
                    for (int i = 0; i < 2; i++) {
                        uint32_t other = key + 8 * n + i;
                        float &score = scores[g][n][2 * r + i];
                        if (other - first >= seen) {
                            score = -INFINITY;
                        } else if (bias != nullptr) {
                            score += bias[int(other) - int(row)];
                        }
                    }
                }
            }
        }
    }

    // Writes its results, by way of as many rows of shared memory, so that a row is written by
    // 16 bytes.
    __device__ __forceinline__ void store(const Attention &a, const Tile &tile,
                                          const View<ROWS> &view, T *rows, uint32_t lane) {
#pragma unroll
        for (int g = 0; g < Groups; g++) {
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float all = sum[g][r];
                all += shuffle_xor(all, 1);
                all += shuffle_xor(all, 2);
                float scale = 1.0f / all;
                T *row = rows + (16 * g + 8 * r + lane / 4) * STRIDE<Dim> + lane % 4 * 2;
#pragma unroll
                for (int d = 0; d < Dim / 8; d++) {
                    *reinterpret_cast<uint32_t *>(row + 8 * d) =
                        pair<T>(out[g][d][2 * r] * scale, out[g][d][2 * r + 1] * scale);
                }
            }
        }
        WARP_BARRIER();
        constexpr int CHUNKS = Dim / 8, AT_ONCE = 32 / CHUNKS;
        uint32_t row = lane / CHUNKS, d = lane % CHUNKS * 8;
        size_t stride = size_t(a.heads) * a.head_dim;
        T *to = at<T>(a.out) + (tile.first + view.own + row) * stride + tile.head * a.head_dim + d;
#pragma unroll
        for (int i = 0; i < ROWS / AT_ONCE; i++) {
            if (view.own + row + i * AT_ONCE < view.tokens && d < a.head_dim) {
                *reinterpret_cast<float4 *>(to + i * AT_ONCE * stride) =
                    *reinterpret_cast<const float4 *>(rows + (row + i * AT_ONCE) * STRIDE<Dim> + d);
            }
        }
    }
};

// Attention of a tile, a warp having that many sixteens of its queries. Keys and values go by in
// stages, the next on its way while one is computed with, from the first key that one of the
// queries sees to the last.
template <typename T, int Dim, int Keys, int Groups, bool Plain>
__device__ __forceinline__ void attention_of(const Attention &a, const Tile &tile, T *memory) {
    // Keys that a warp takes at a time: more would take registers that another block has use for.
    constexpr int STEP = Keys < 32 ? Keys : 32;
    constexpr int ROWS = 16 * Groups;
    // Memory is keys of the first stage and of the second, values of the second and of the first.
    // Whether the queries fit into the second stage, while keys come into the first.
    constexpr bool BESIDE = ATTENTION_WARPS * ROWS <= 2 * Keys;
    uint32_t thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    Columns<T> columns = columns_of<T>(a, tile, tile.head);
    // A query's keys come by the same steps, whichever queries the block has besides.
    uint32_t begin = first_key(a, tile.query) / STEP * STEP;
    View<ROWS> view = {tile.query + ROWS * warp, tile.tokens, tile.head};
    auto end = [&] { return view.end_of(a, ATTENTION_WARPS * ROWS); };
    auto values_at = [&](uint32_t slot) { return memory + (2 * Keys + (slot ^ Keys)) * STRIDE<Dim>; };
    // In one register: heads, and so all that is read, begin at whole 16 bytes.
    uint32_t keys_at = uint32_t((columns.keys - at<T>(a.qkv)) / 8);
    auto stage = [&](uint32_t slot, uint32_t from) {
        const T *keys = at<T>(a.qkv) + size_t(keys_at) * 8;
        uint32_t own = again(thread), until = end();
        fetch<Dim, Keys, ATTENTION_THREADS>(memory + slot * STRIDE<Dim>, keys, columns.stride,
                                            a.head_dim, from, until, own);
        fetch<Dim, Keys, ATTENTION_THREADS>(values_at(slot), keys + columns.apart, columns.stride,
                                            a.head_dim, from, until, own);
        copies_end_group();
    };

    T *queries = memory + ((BESIDE ? Keys : 0) + ROWS * warp) * STRIDE<Dim>;
    fetch<Dim, ROWS, 32>(queries, columns.queries, columns.stride, a.head_dim, view.own, tile.tokens,
                         lane);
    copies_end_group();
    if (BESIDE) {
        stage(0, begin);
    }
    copies_wait<BESIDE ? 1 : 0>();
    WARP_BARRIER();
    Strip<T, Dim, Groups, Plain> strip;
    strip.load(queries, lane);
    if (!BESIDE) {
        BARRIER();
        stage(0, begin);
    }
    uint32_t slot = 0;
#pragma unroll 1
    for (uint32_t from = begin; from < end(); from += STEP) {
        if (slot % Keys == 0) {
            copies_wait<0>();
            // All copies of this stage are there, and nobody reads the other any more.
            BARRIER();
            if (from + Keys < end()) {
                stage(slot ^ Keys, from + Keys);
            }
        }
        if (view.some(a, from, from + STEP)) {
            strip.template take<STEP>(a, view, memory + slot * STRIDE<Dim>, values_at(slot), from,
                                      lane);
        }
        slot = (slot + STEP) % (2 * Keys);
    }
    // Results go through the stages' memory. Where they belong is read anew, so that it takes no
    // registers until here.
    BARRIER();
    uint32_t late = again(threadIdx.x);
    strip.store(a, tile_of(a, a.heads), view, memory + late / 32 * ROWS * STRIDE<Dim>,
                late % 32);
}

// On the matrix units, heads by eights.
template <typename T, int Dim> __device__ __forceinline__ void attention_mma(const Attention &a) {
    // Keys of a stage: as many as shared memory holds twice, with their values.
    constexpr int KEYS = Dim <= 64 ? 64 : Dim <= 128 ? 32 : 16;
    // Sixteens of queries of a warp, as registers hold them.
    constexpr int GROUPS = Dim <= 64 ? 2 : 1;
    SHARED(T, memory, 4 * KEYS * STRIDE<Dim>);
    Tile tile = tile_of(a, a.heads);
    if (tile.query >= tile.tokens) {
        return;
    }
    if (GROUPS > 1 && a.bias == 0 && tile.end - tile.query > HALF) {
        attention_of<T, Dim, KEYS, GROUPS, true>(a, tile, memory);
        return;
    }
    // Few queries are shared by all warps. What is added by distance takes registers, which leaves
    // none for more queries at once.
    for (Tile half = tile; half.query < tile.end; half.query += HALF) {
        half.end = min_of(half.query + HALF, tile.end);
        attention_of<T, Dim, KEYS, 1, false>(a, half, memory);
        // The next half's queries and keys take the memory of these results.
        BARRIER();
    }
}

// The longest text of `attention_short`; `SHORT` in pack.rs.
constexpr int SHORT = 32;

// Attention of a short text for one head, of at most `Keys` tokens, by one warp, with memory of its
// own, so that it waits for no other warp.
template <typename T, int Dim, int Keys>
__device__ __forceinline__ void short_of(const Attention &a, const Tile &tile, T *memory,
                                         uint32_t lane) {
    T *queries = memory, *keys = queries + 16 * STRIDE<Dim>, *values = keys + Keys * STRIDE<Dim>;
    Columns<T> columns = columns_of<T>(a, tile, tile.head);
    fetch<Dim, Keys, 32>(keys, columns.keys, columns.stride, a.head_dim, 0, tile.tokens, lane);
    fetch<Dim, Keys, 32>(values, columns.values(), columns.stride, a.head_dim, 0, tile.tokens, lane);
#pragma unroll 1
    for (uint32_t own = 0; own < tile.tokens; own += 16) {
        fetch<Dim, 16, 32>(queries, columns.queries, columns.stride, a.head_dim, own, tile.tokens,
                           lane);
        copies_end_group();
        View<16> view = {own, tile.tokens, tile.head};
        copies_wait<0>();
        WARP_BARRIER();
        Strip<T, Dim, 1, false> strip;
        strip.load(queries, lane);
        strip.template take<Keys>(a, view, keys, values, 0, lane);
        // The results take the queries' place.
        WARP_BARRIER();
        strip.store(a, tile, view, queries, lane);
        WARP_BARRIER();
    }
}

// The same for short texts, of which a block takes one and four heads, each warp one.
template <typename T, int Dim> __device__ __forceinline__ void attention_short(const Attention &a) {
    constexpr int PART = (16 + 2 * SHORT) * STRIDE<Dim>;
    SHARED(T, memory, ATTENTION_WARPS * PART);
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    Tile tile = tile_of(a, (a.heads + ATTENTION_WARPS - 1) / ATTENTION_WARPS);
    tile.head = tile.head * ATTENTION_WARPS + warp;
    if (tile.tokens == 0 || tile.head >= a.heads) {
        return;
    }
    if (tile.tokens <= SHORT / 2) {
        short_of<T, Dim, SHORT / 2>(a, tile, memory + warp * PART, lane);
    } else {
        short_of<T, Dim, SHORT>(a, tile, memory + warp * PART, lane);
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
    constexpr int LINE = SLICE + 4;
    constexpr int PARTS = Wide / 32;
    SHARED(float, queries, HALF * LINE);
    SHARED(float, keys, KEYS * LINE);
    SHARED(float, values, KEYS * Wide);

    Tile tile = tile_of(a, a.heads);
    if (tile.query >= tile.tokens) {
        return;
    }
    uint32_t head = tile.head, thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    uint32_t across = lane % 8, down = lane / 8;
    Columns<T> columns = columns_of<T>(a, tile, head);
    uint32_t last = tile.end - 1;
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
                real ? as_float(from[size_t(first + row) * columns.stride + column + d]) : 0.0f;
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
                load(queries, LINE, columns.queries, HALF, tile.query, tile.tokens, slice, SLICE);
            }
            load(keys, LINE, columns.keys, KEYS, from, end, slice, SLICE);
            if (slice == 0) {
                load(values, Wide, columns.values(), KEYS, from, end, 0, Wide);
            }
            BARRIER();
            if (busy) {
                // More at a time would take registers that another block has use for.
#pragma unroll 1
                for (int d = 0; d < SLICE; d += 4) {
                    Four q[4], k[4];
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        q[i] = load_four(queries + (own + 4 * i) * LINE + d);
                        k[i] = load_four(keys + (across + 8 * i) * LINE + d);
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
// Registers for as many blocks as hide each others' waiting, without one of them in memory.
#define MATRIX_KERNELS(T)                                                                         \
    KERNEL_OF(attention_##T##_32, ATTENTION_THREADS, 4, Attention, attention_mma<T, 32>)          \
    KERNEL_OF(attention_##T##_64, ATTENTION_THREADS, 3, Attention, attention_mma<T, 64>)          \
    KERNEL_OF(attention_##T##_128, ATTENTION_THREADS, 2, Attention, attention_mma<T, 128>)        \
    KERNEL_OF(attention_##T##_256, ATTENTION_THREADS, 2, Attention, attention_mma<T, 256>)        \
    KERNEL_OF(attention_short_##T##_32, ATTENTION_THREADS, 8, Attention, attention_short<T, 32>)  \
    KERNEL_OF(attention_short_##T##_64, ATTENTION_THREADS, 4, Attention, attention_short<T, 64>)

MATRIX_KERNELS(f16)
MATRIX_KERNELS(bf16)
TILED_KERNELS(f32, float)
TILED_KERNELS(f16, f16)
TILED_KERNELS(bf16, bf16)
