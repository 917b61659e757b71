// Products of many rows with many columns whose results are looked at where they are computed,
// on the matrix units, and never stored. Behind near.cu, whose keys and merging it uses.

constexpr int SCAN_WARPS = 8;
constexpr int SCAN_THREADS = 32 * SCAN_WARPS;
constexpr int SCAN_ROWS = 32;      // of a warp
constexpr int SCAN_DIM = 384;      // the most numbers of a row
constexpr int SCAN_COLUMNS = 32;   // the most that are looked at before a full list is cut
constexpr int SCAN_STEPS = SCAN_DIM / 16;

// By the products of a warp. This lane's results are of the rows 16 r + lane / 4 + 8 (i / 2) of its
// warp and the columns 8 n + 2 (lane % 4) + i % 2.
struct WarpScan {
    static constexpr int COLUMNS = 16; // of a slice
    static constexpr int STAGES = 3;   // slices in shared memory, all but one on their way
    // A column is 16 bytes longer than its numbers, so that eight of them lie in different banks.
    static constexpr int STRIDE = SCAN_DIM + 8;
    static constexpr int SLICE = COLUMNS * STRIDE;

    // They stay in registers for as long as columns go by.
    uint32_t rows[2][SCAN_STEPS][4];
    const f16 *columns;
    uint32_t dim, begin, end;
    bool any; // row of this warp

    // The row of a block that has a place: a warp has 32 places.
    static __device__ __forceinline__ uint32_t row_of(uint32_t place) { return place; }

    __device__ __forceinline__ WarpScan(const f16 *from, uint32_t block, uint32_t count,
                                        const f16 *columns, uint32_t dim, uint32_t begin,
                                        uint32_t end)
        : columns(columns), dim(dim), begin(begin), end(end),
          any(block + threadIdx.x / 32 * 32 < count) {
        uint32_t lane = threadIdx.x % 32, group = lane / 4, quad = lane % 4;
        uint32_t first = block + (threadIdx.x - lane);
#pragma unroll
        for (int r = 0; r < 2; r++) {
#pragma unroll
            for (int k = 0; k < SCAN_STEPS; k++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    uint32_t row = first + 16 * r + group + 8 * (i % 2);
                    uint32_t d = 16 * k + 8 * (i / 2);
                    bool real = row < count && d < dim;
                    rows[r][k][i] = real ? *reinterpret_cast<const uint32_t *>(
                                               from + size_t(row) * dim + d + 2 * quad)
                                         : 0;
                }
            }
        }
    }

    // Asks for the slice of a number, zeros from `end` on.
    __device__ __forceinline__ void fetch(f16 *slices, uint32_t number) const {
        uint32_t own = threadIdx.x / 16, column = begin + COLUMNS * number + own;
        f16 *to = slices + number % STAGES * SLICE + own * STRIDE;
        const f16 *from = columns + size_t(column) * dim;
#pragma unroll
        for (uint32_t n = 0; n < SCAN_DIM / 128; n++) {
            uint32_t d = 8 * (threadIdx.x % 16) + 128 * n;
            bool real = column < end && d < dim;
            copy_16(to + d, real ? from + d : columns, real);
        }
        copies_end_group();
    }

    // Computes slice after slice, and hands the products of each to `take` with its first column.
    template <typename Take> __device__ __forceinline__ void each(const Take &take) {
        SHARED(f16, slices, STAGES *SLICE);
        uint32_t lane = threadIdx.x % 32;
        uint32_t own = (lane % 8 + 8 * (lane / 16)) * STRIDE + 8 * (lane / 8 % 2);
        uint32_t all = (end - begin + COLUMNS - 1) / COLUMNS;
#pragma unroll
        for (uint32_t number = 0; number < STAGES - 1; number++) {
            fetch(slices, number);
        }
        for (uint32_t number = 0; number < all; number++) {
            copies_wait<STAGES - 2>();
            // All have the slice, and are done with the one whose place the next takes.
            BARRIER();
            if (!any) {
                fetch(slices, number + STAGES - 1);
                continue;
            }
            const f16 *slice = slices + number % STAGES * SLICE + own;
            float out[2][2][4] = {};
            uint32_t b[2][4];
            load_matrices(b[0], slice);
#pragma unroll
            for (int k = 0; k < SCAN_STEPS; k++) {
                if (k + 1 < SCAN_STEPS) {
                    load_matrices(b[(k + 1) % 2], slice + 16 * (k + 1));
                }
                // Behind the first products, so that the matrix units do not wait for it.
                if (k == 1) {
                    fetch(slices, number + STAGES - 1);
                }
#pragma unroll
                for (int r = 0; r < 2; r++) {
#pragma unroll
                    for (int n = 0; n < 2; n++) {
                        mma<f16>(out[r][n], rows[r][k], b[k % 2][2 * n], b[k % 2][2 * n + 1]);
                    }
                }
            }
            take(begin + COLUMNS * number, [&](int r, int n, int i) { return out[r][n][i]; });
        }
        copies_wait<0>();
    }
};

#ifdef WIDE_PRODUCTS
// The same by the products of four warps together, whose operands all lie in shared memory. They
// have 128 rows, each warp 16 of the first 64 and 16 of the others. With fewer than 128 columns at a
// time rows would have to be read from there faster than it gives them.
struct WideScan {
    static constexpr int COLUMNS = 32; // that are handed on at a time
    static constexpr int SLICE = 128;  // columns that are computed at a time
    static constexpr int PIECE = 32;   // numbers of a slice's columns that come together
    static constexpr int PIECES = SCAN_DIM / PIECE;
    static constexpr int AHEAD = 2; // pieces on their way
    // One more is being computed with, and one may still be.
    static constexpr int STAGES = AHEAD + 2;
    static constexpr int STAGE = SLICE * PIECE;
    static constexpr int BLOCK = SCAN_THREADS * 64; // 64 numbers of each row
    // What the host asks for, in numbers; `SCAN_MEMORY` in near.rs.
    static constexpr int MEMORY = SCAN_THREADS * SCAN_DIM + STAGES * STAGE;

    const f16 *from, *columns;
    uint32_t block, count, dim, begin, end;

    static __device__ __forceinline__ uint32_t row_of(uint32_t place) {
        return place / 128 * 128 + place / 16 % 2 * 64 + place / 32 % 4 * 16 + place % 16;
    }

    __device__ __forceinline__ WideScan(const f16 *from, uint32_t block, uint32_t count,
                                        const f16 *columns, uint32_t dim, uint32_t begin,
                                        uint32_t end)
        : from(from), columns(columns), block(block), count(count), dim(dim), begin(begin),
          end(end) {}

    // Asks for the block's rows, zeros from `count` on.
    __device__ __forceinline__ void fetch_rows(f16 *rows) const {
        uint32_t eight = threadIdx.x % 8;
        for (uint32_t own = threadIdx.x / 8; own < SCAN_THREADS; own += SCAN_THREADS / 8) {
            const f16 *row = from + size_t(block + own) * dim;
            f16 *to = rows + 64 * own + 8 * (eight ^ own % 8);
#pragma unroll
            for (uint32_t n = 0; n < SCAN_DIM / 64; n++) {
                uint32_t d = 64 * n + 8 * eight;
                bool real = block + own < count && d < dim;
                copy_16(to + BLOCK * n, real ? row + d : from, real);
            }
        }
    }

    // Asks for a piece of the slice that begins at a column, zeros from `end` on.
    __device__ __forceinline__ void fetch(f16 *stage, uint32_t first, uint32_t piece) const {
        uint32_t thread = again(threadIdx.x), eight = thread % 4, d = PIECE * piece + 8 * eight;
#pragma unroll
        for (uint32_t n = 0; n < 4 * SLICE / SCAN_THREADS; n++) {
            uint32_t own = thread / 4 + SCAN_THREADS / 4 * n, column = first + own;
            bool real = column < end && d < dim;
            copy_16(stage + PIECE * own + 8 * (eight ^ own / 2 % 4),
                    real ? columns + size_t(column) * dim + d : columns, real);
        }
        copies_end_group();
    }

    // Computes slice after slice, and hands the products of each to `take`, some columns at a time.
    template <typename Take> __device__ __forceinline__ void each(const Take &take) {
        SHARED_ASKED(f16, memory, MEMORY);
        f16 *stages = memory + SCAN_THREADS * SCAN_DIM;
        // The rows come with the first piece.
        fetch_rows(memory);
#pragma unroll
        for (int piece = 0; piece < AHEAD; piece++) {
            fetch(stages + piece * STAGE, begin, piece);
        }
        // The same for all threads of a warp, which the compiler does not see.
        const f16 *rows = memory + 128 * 64 * shuffle_from(threadIdx.x / 128, 0);
        for (uint32_t first = begin; first < end; first += SLICE) {
            float out[2][16][4];
#pragma unroll
            for (int piece = 0; piece < PIECES; piece++) {
                copies_wait<AHEAD - 1>();
                copies_reach_products();
                // The last piece is computed with still, and the next copies take the place of the
                // one before that.
                products_wait<1>();
                BARRIER();
                products_begin();
#pragma unroll
                for (int k = 0; k < PIECE / 16; k++) {
                    int step = PIECE / 16 * piece + k;
#pragma unroll
                    for (int r = 0; r < 2; r++) {
                        mma_wide(out[r], rows + step / 4 * BLOCK + 64 * 64 * r, step % 4,
                                 stages + piece % STAGES * STAGE, k, step > 0);
                    }
                }
                products_end_group();
                int next = piece + AHEAD;
                fetch(stages + next % STAGES * STAGE, first + next / PIECES * SLICE, next % PIECES);
            }
            products_end(out);
#pragma unroll
            for (int part = 0; part < SLICE / COLUMNS; part++) {
                uint32_t column = first + COLUMNS * part;
                if (column < end) {
                    take(column, [&](int r, int n, int i) { return out[r][4 * part + n][i]; });
                }
            }
        }
        copies_wait<0>();
    }
};
#endif

struct Above {
    address asked;   // f16, (rows, dim)
    address vectors; // f16, (columns, dim)
    address best;    // u64, (rows, k): the best keys of earlier columns
    address lists;   // u64, (rows, parts, ABOVE_ROOM): written as far as counted
    address counts;  // u32, (rows, parts)
    uint32_t rows;
    uint32_t columns;
    uint32_t dim; // at most SCAN_DIM, divisible by 8
    uint32_t k;   // at most ABOVE_MOST
    uint32_t first;
    uint32_t parts; // of the columns
    uint32_t part;  // columns of one
    uint32_t unused;
};

constexpr int ABOVE_ROOM = 128;
constexpr int ABOVE_MOST = 64;

// Lists the keys of a part of the columns that are above a row's k-th best of earlier ones. They
// are few, unless scores rise from column to column: a list that is full is cut to its k best, and
// what is taken from then on is above these.
template <typename Scan> __device__ __forceinline__ void above(const Above &a) {
    constexpr int ROWS = SCAN_WARPS * SCAN_ROWS;
    static_assert(ROWS == SCAN_THREADS, "a thread has the threshold and the count of a row");
    static_assert(ABOVE_ROOM - SCAN_COLUMNS >= ABOVE_MOST, "a list that is cut has k keys");
    SHARED(float, least, ROWS);
    SHARED(uint32_t, counts, ROWS);
    uint32_t thread = threadIdx.x, block = blockIdx.x * ROWS;
    uint32_t begin = blockIdx.y * a.part;
    uint32_t end = begin < a.columns && a.columns - begin > a.part ? begin + a.part : a.columns;
    begin = begin < end ? begin : end;
    auto list = [&](uint32_t own) {
        size_t row = block + Scan::row_of(own);
        return at<unsigned long long>(a.lists) + (row * a.parts + blockIdx.y) * ABOVE_ROOM;
    };
    // A thread has the row of its place; a warp alone has those of its lanes.
    uint32_t row = block + Scan::row_of(thread);
    unsigned long long kth =
        row < a.rows ? at<unsigned long long>(a.best)[size_t(row) * a.k + a.k - 1] : 0;
    least[thread] = row >= a.rows ? INFINITY : kth > 0 ? score_of(kth) : -INFINITY;
    counts[thread] = 0;
    WARP_BARRIER();
    // Columns only go up: an equal score is below one that is known.
    auto cut = [&](uint32_t own) {
        uint32_t lane = again(threadIdx.x) % 32;
        unsigned long long *keys = list(own);
        uint32_t count = counts[own], rank[ABOVE_ROOM / 32] = {};
        unsigned long long mine[ABOVE_ROOM / 32];
#pragma unroll
        for (int n = 0; n < ABOVE_ROOM / 32; n++) {
            mine[n] = lane + 32 * n < count ? keys[lane + 32 * n] : 0;
        }
        for (uint32_t i = 0; i < count; i++) {
            unsigned long long key = keys[i];
#pragma unroll
            for (int n = 0; n < ABOVE_ROOM / 32; n++) {
                rank[n] += key > mine[n];
            }
        }
        WARP_BARRIER();
#pragma unroll
        for (int n = 0; n < ABOVE_ROOM / 32; n++) {
            if (mine[n] > 0 && rank[n] < a.k) {
                keys[rank[n]] = mine[n];
                if (rank[n] == a.k - 1) {
                    least[own] = score_of(mine[n]);
                }
            }
        }
        if (lane == 0) {
            counts[own] = a.k;
        }
        WARP_BARRIER();
    };
    Scan scan(at<f16>(a.asked), block, a.rows, at<f16>(a.vectors), a.dim, begin, end);
    scan.each([&](uint32_t column, const auto &scores) {
        constexpr int EACH = Scan::COLUMNS / 4; // of a row
        // All but the products is read and computed anew, as registers are scarce.
        uint32_t thread = again(threadIdx.x), lane = thread % 32, quad = lane % 4;
        uint32_t place = thread - lane + lane / 4;
        float known[4];
        bool any[4] = {};
#pragma unroll
        for (int row = 0; row < 4; row++) {
            known[row] = least[place + 8 * row];
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                any[row] |= scores(row / 2, i / 2, row % 2 * 2 + i % 2) > known[row];
            }
        }
        if (!warp_any(any[0] || any[1] || any[2] || any[3])) {
            return;
        }
        // Others wait for this warp, so that rows without any are passed by.
#pragma unroll
        for (int row = 0; row < 4; row++) {
            if (!any[row]) {
                continue;
            }
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                float score = scores(row / 2, i / 2, row % 2 * 2 + i % 2);
                uint32_t number = column + 8 * (i / 2) + 2 * quad + i % 2;
                if (score > known[row] && number < end) {
                    uint32_t own = again(place) + 8 * row;
                    list(own)[atomicAdd(counts + own, 1u)] = key_of(score, a.first + number);
                }
            }
        }
        WARP_BARRIER();
        // Where no more columns come, a list has room for these.
        bool full = counts[thread] > ABOVE_ROOM - SCAN_COLUMNS && column + Scan::COLUMNS < end;
        if (warp_any(full)) {
            for (uint32_t own = thread - lane; own < thread - lane + 32; own++) {
                if (counts[own] > ABOVE_ROOM - SCAN_COLUMNS) {
                    cut(own);
                }
            }
        }
    });
    uint32_t late = again(threadIdx.x), of = block + Scan::row_of(late);
    if (of < a.rows) {
        at<uint32_t>(a.counts)[size_t(of) * a.parts + blockIdx.y] = counts[late];
    }
}

// Keys of a row's lists, of which each has some of its room filled: the first four of all lists, then
// the next four, so that threads side by side find keys while there are any.
struct CountedKeys {
    typedef ListedKeys::Raw Raw;
    typedef ListedKeys::Least Least;
    const unsigned long long *keys;
    const uint32_t *counts;
    uint32_t parts;
    uint32_t begin, end;

    __device__ __forceinline__ Raw load(uint32_t at) const {
        Raw raw = {};
        if (at < end) {
            uint32_t part = at / 4 % parts, place = at / 4 / parts * 4, count = counts[part];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if (place + i < count) {
                    raw.x[i] = keys[part * ABOVE_ROOM + place + i];
                }
            }
        }
        return raw;
    }
    __device__ __forceinline__ unsigned long long key(const Raw &raw, uint32_t, int i) const {
        return raw.x[i];
    }
    static __device__ __forceinline__ Least least(unsigned long long key) {
        return ListedKeys::least(key);
    }
};

struct MergeAbove {
    address lists;  // as of Above
    address counts;
    address best; // u64, (rows, k)
    uint32_t parts;
    uint32_t k;
};

// Merges the lists of a row into its best; a block for each row.
__device__ __forceinline__ void merge_listed(const MergeAbove &a) {
    SHARED(uint32_t, longest, SELECT_THREADS / 32);
    const uint32_t *counts = at<uint32_t>(a.counts) + size_t(blockIdx.x) * a.parts;
    uint32_t most = 0;
    for (uint32_t part = threadIdx.x; part < a.parts; part += SELECT_THREADS) {
        most = counts[part] > most ? counts[part] : most;
    }
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        uint32_t other = shuffle_xor(most, lanes);
        most = other > most ? other : most;
    }
    if (threadIdx.x % 32 == 0) {
        longest[threadIdx.x / 32] = most;
    }
    BARRIER();
#pragma unroll
    for (int warp = 0; warp < SELECT_THREADS / 32; warp++) {
        most = longest[warp] > most ? longest[warp] : most;
    }
    const unsigned long long *lists =
        at<unsigned long long>(a.lists) + size_t(blockIdx.x) * a.parts * ABOVE_ROOM;
    merge_into(at<unsigned long long>(a.best) + size_t(blockIdx.x) * a.k, a.k,
               CountedKeys{lists, counts, a.parts, 0, (most + 3) / 4 * 4 * a.parts});
}

struct NearestOf {
    address vectors; // f16, (rows, dim)
    address centres; // f16, (columns, dim)
    address offsets; // f32, (columns): added; minus infinity up to a multiple of SCAN_COLUMNS
    address best;    // u64, (rows): the best key
    uint32_t rows;
    uint32_t columns;
    uint32_t dim; // at most SCAN_DIM, divisible by 8
    uint32_t unused;
};

// The centre of the highest product plus offset of each vector; a lane has the best of its columns
// of four rows.
template <typename Scan> __device__ __forceinline__ void nearest_of(const NearestOf &a) {
    uint32_t thread = threadIdx.x, lane = thread % 32, quad = lane % 4;
    uint32_t block = blockIdx.x * SCAN_THREADS;
    const float *offsets = at<float>(a.offsets);
    float most[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    uint32_t place[4] = {};
    Scan scan(at<f16>(a.vectors), block, a.rows, at<f16>(a.centres), a.dim, 0, a.columns);
    scan.each([&](uint32_t column, const auto &scores) {
        column += 2 * (again(threadIdx.x) % 4);
#pragma unroll
        for (int n = 0; n < Scan::COLUMNS / 8; n++) {
            uint32_t own = column + 8 * n;
            float2 added = *reinterpret_cast<const float2 *>(offsets + own);
#pragma unroll
            for (int i = 0; i < 8; i++) {
                float score = scores(i / 4, n, i % 4) + (i % 2 == 0 ? added.x : added.y);
                // Columns go up, so that of equal scores the first one is kept.
                if (score > most[i / 2]) {
                    most[i / 2] = score;
                    place[i / 2] = own + i % 2;
                }
            }
        }
    });
#pragma unroll
    for (int i = 0; i < 4; i++) {
        unsigned long long best = most[i] > -INFINITY ? key_of(most[i], place[i]) : 0;
        best = highest(highest(best, 1), 2);
        uint32_t row = block + Scan::row_of((thread - lane) + lane / 4 + 8 * i);
        if (quad == 0 && row < a.rows) {
            at<unsigned long long>(a.best)[row] = best;
        }
    }
}

KERNEL(list_above, SCAN_THREADS, Above, above<WarpScan>)
KERNEL(merge_above, SELECT_THREADS, MergeAbove, merge_listed)
KERNEL(nearest_centre, SCAN_THREADS, NearestOf, nearest_of<WarpScan>)
#ifdef WIDE_PRODUCTS
KERNEL(list_above_wide, SCAN_THREADS, Above, above<WideScan>)
KERNEL(nearest_centre_wide, SCAN_THREADS, NearestOf, nearest_of<WideScan>)
#endif
