// Products of many rows with many columns whose results are looked at where they are computed,
// on the matrix units, and never stored. Behind near.cu, whose keys and merging it uses.

constexpr int SCAN_WARPS = 8;
constexpr int SCAN_THREADS = 32 * SCAN_WARPS;
constexpr int SCAN_ROWS = 32; // of a warp
constexpr int SCAN_DIM = 384; // the most numbers of a row
constexpr int SCAN_STEPS = SCAN_DIM / 16;
constexpr int SCAN_COLUMNS = 16; // of a slice
constexpr int SCAN_STAGES = 3;   // slices in shared memory, all but one on their way
// A column is 16 bytes longer than its numbers, so that eight of them lie in different banks.
constexpr int SCAN_STRIDE = SCAN_DIM + 8;
constexpr int SCAN_SLICE = SCAN_COLUMNS * SCAN_STRIDE;

// 32 rows of a warp, in registers for as long as columns go by. This lane's results are of the
// rows 16 r + group + 8 (i / 2) and the columns 8 n + 2 quad + i % 2.
struct Scan {
    uint32_t rows[2][SCAN_STEPS][4];
    const f16 *columns;
    uint32_t dim, begin, end;

    __device__ __forceinline__ Scan(const f16 *from, uint32_t first, uint32_t count,
                                    const f16 *columns, uint32_t dim, uint32_t begin, uint32_t end)
        : columns(columns), dim(dim), begin(begin), end(end) {
        uint32_t lane = threadIdx.x % 32, group = lane / 4, quad = lane % 4;
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

    // Asks for the slice from a column on, zeros from `end` on.
    __device__ __forceinline__ void fetch(f16 *slices, uint32_t number) const {
        uint32_t own = threadIdx.x / 16, column = begin + SCAN_COLUMNS * number + own;
        f16 *to = slices + number % SCAN_STAGES * SCAN_SLICE + own * SCAN_STRIDE;
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
    template <typename Take>
    __device__ __forceinline__ void each(bool any_row, const Take &take) {
        SHARED(f16, slices, SCAN_STAGES *SCAN_SLICE);
        uint32_t lane = threadIdx.x % 32;
        uint32_t own = (lane % 8 + 8 * (lane / 16)) * SCAN_STRIDE + 8 * (lane / 8 % 2);
        uint32_t all = (end - begin + SCAN_COLUMNS - 1) / SCAN_COLUMNS;
#pragma unroll
        for (uint32_t number = 0; number < SCAN_STAGES - 1; number++) {
            fetch(slices, number);
        }
        for (uint32_t number = 0; number < all; number++) {
            copies_wait<SCAN_STAGES - 2>();
            // All have the slice, and are done with the one whose place the next takes.
            BARRIER();
            if (!any_row) {
                fetch(slices, number + SCAN_STAGES - 1);
                continue;
            }
            const f16 *slice = slices + number % SCAN_STAGES * SCAN_SLICE + own;
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
                    fetch(slices, number + SCAN_STAGES - 1);
                }
#pragma unroll
                for (int r = 0; r < 2; r++) {
#pragma unroll
                    for (int n = 0; n < 2; n++) {
                        mma<f16>(out[r][n], rows[r][k], b[k % 2][2 * n], b[k % 2][2 * n + 1]);
                    }
                }
            }
            take(begin + SCAN_COLUMNS * number, out);
        }
        copies_wait<0>();
    }
};

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
__device__ __forceinline__ void above(const Above &a) {
    constexpr int ROWS = SCAN_WARPS * SCAN_ROWS;
    static_assert(ROWS == SCAN_THREADS, "a thread has the threshold and the count of a row");
    static_assert(ABOVE_ROOM - SCAN_COLUMNS >= ABOVE_MOST, "a list that is cut has k keys");
    SHARED(float, least, ROWS);
    SHARED(uint32_t, counts, ROWS);
    uint32_t thread = threadIdx.x, lane = thread % 32, group = lane / 4, quad = lane % 4;
    uint32_t block = blockIdx.x * ROWS, first = block + (thread - lane);
    uint32_t begin = blockIdx.y * a.part;
    uint32_t end = begin < a.columns && a.columns - begin > a.part ? begin + a.part : a.columns;
    begin = begin < end ? begin : end;
    unsigned long long *lists = at<unsigned long long>(a.lists);
    auto list = [&](uint32_t own) {
        return lists + (size_t(block + own) * a.parts + blockIdx.y) * ABOVE_ROOM;
    };
    // A thread has the row of its number; a warp alone has those of its lanes.
    unsigned long long kth =
        block + thread < a.rows
            ? at<unsigned long long>(a.best)[size_t(block + thread) * a.k + a.k - 1]
            : 0;
    least[thread] = block + thread >= a.rows ? INFINITY : kth > 0 ? score_of(kth) : -INFINITY;
    counts[thread] = 0;
    WARP_BARRIER();
    float known[4];
    auto know = [&]() {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            known[i] = least[thread - lane + group + 8 * i];
        }
    };
    know();
    // Columns only go up: an equal score is below one that is known.
    auto cut = [&](uint32_t own) {
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
    Scan scan(at<f16>(a.asked), first, a.rows, at<f16>(a.vectors), a.dim, begin, end);
    scan.each(first < a.rows, [&](uint32_t column, const float (&scores)[2][2][4]) {
        bool any = false;
#pragma unroll
        for (int i = 0; i < 16; i++) {
            any |= scores[i / 8][i / 4 % 2][i % 4] > known[2 * (i / 8) + i % 4 / 2];
        }
        if (!warp_any(any)) {
            return;
        }
#pragma unroll
        for (int i = 0; i < 16; i++) {
            float score = scores[i / 8][i / 4 % 2][i % 4];
            uint32_t number = column + 8 * (i / 4 % 2) + 2 * quad + i % 2;
            if (score > known[2 * (i / 8) + i % 4 / 2] && number < end) {
                uint32_t own = thread - lane + group + 8 * (2 * (i / 8) + i % 4 / 2);
                list(own)[atomicAdd(counts + own, 1u)] = key_of(score, a.first + number);
            }
        }
        WARP_BARRIER();
        bool full = counts[thread] > ABOVE_ROOM - SCAN_COLUMNS;
        if (warp_any(full)) {
            for (uint32_t own = thread - lane; own < thread - lane + 32; own++) {
                if (counts[own] > ABOVE_ROOM - SCAN_COLUMNS) {
                    cut(own);
                }
            }
            know();
        }
    });
    if (block + thread < a.rows) {
        at<uint32_t>(a.counts)[size_t(block + thread) * a.parts + blockIdx.y] = counts[thread];
    }
}

// Keys of a row's lists, of which each has some of its room filled.
struct CountedKeys {
    typedef ListedKeys::Raw Raw;
    typedef ListedKeys::Least Least;
    const unsigned long long *keys;
    const uint32_t *counts;
    uint32_t begin, end;

    __device__ __forceinline__ Raw load(uint32_t at) const {
        Raw raw = {};
        if (at < end) {
            uint32_t count = counts[at / ABOVE_ROOM], place = at % ABOVE_ROOM;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if (place + i < count) {
                    raw.x[i] = keys[at + i];
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
    uint32_t all = a.parts * ABOVE_ROOM;
    merge_into(at<unsigned long long>(a.best) + size_t(blockIdx.x) * a.k, a.k,
               CountedKeys{at<unsigned long long>(a.lists) + size_t(blockIdx.x) * all,
                           at<uint32_t>(a.counts) + size_t(blockIdx.x) * a.parts, 0, all});
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
__device__ __forceinline__ void nearest_of(const NearestOf &a) {
    uint32_t thread = threadIdx.x, lane = thread % 32, quad = lane % 4;
    uint32_t first = SCAN_ROWS * (blockIdx.x * SCAN_WARPS + thread / 32);
    const float *offsets = at<float>(a.offsets);
    float most[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    uint32_t place[4] = {};
    Scan scan(at<f16>(a.vectors), first, a.rows, at<f16>(a.centres), a.dim, 0, a.columns);
    scan.each(first < a.rows, [&](uint32_t column, const float (&scores)[2][2][4]) {
#pragma unroll
        for (int n = 0; n < 2; n++) {
            uint32_t own = column + 8 * n + 2 * quad;
            float2 added = *reinterpret_cast<const float2 *>(offsets + own);
#pragma unroll
            for (int i = 0; i < 8; i++) {
                float score = scores[i / 4][n][i % 4] + (i % 2 == 0 ? added.x : added.y);
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
        uint32_t row = first + lane / 4 + 8 * i;
        if (quad == 0 && row < a.rows) {
            at<unsigned long long>(a.best)[row] = best;
        }
    }
}

KERNEL(list_above, SCAN_THREADS, Above, above)
KERNEL(merge_above, SELECT_THREADS, MergeAbove, merge_listed)
KERNEL(nearest_centre, SCAN_THREADS, NearestOf, nearest_of)
