// Runs the kernels' twin; see twin.h. Built by the tests with
// `c++ -std=c++17 -O2 -shared -fPIC -DNEARWISE_TWIN twin.cpp`.
#include "all.cu"

#include <csetjmp>
#include <map>
#include <memory>
#include <string>
#include <ucontext.h>

namespace twin {
namespace {
constexpr size_t STACK = 128 * 1024;
constexpr uint32_t SLOT = 64;
constexpr size_t ZONE = 16 * 1024;

struct Kernel {
    uint32_t threads;
    size_t args;
    Body body;
};
std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

struct Warp {
    // Two, so that a lane may hand in its next while others still read.
    unsigned char slots[2][32][SLOT];
    uint32_t arrived[2] = {0, 0};
};

struct Fiber {
    Thread thread;
    ucontext_t start;
    jmp_buf at;
    bool started = false, done = false;
    uint64_t exchanges = 0;
    uint64_t barriers = 0;
    // What it waits for: nothing, the warp's exchange of this number, or the block's barrier.
    enum { Nothing, Exchange, Barrier } waits = Nothing;
    std::unique_ptr<unsigned char[]> stack;
};

struct Machine {
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    std::map<int, std::vector<unsigned char>> memory;
    Index block;
    Fiber *now = nullptr;
    ucontext_t caller;
    jmp_buf loop;
    const void *args = nullptr;
    Body body = nullptr;
    uint32_t at_barrier = 0;
    uint64_t barrier = 0;
    bool early = false;
    // Bytes of shared memory that the launch asked for, and whether they were too few.
    size_t asked = 0;
    bool too_few = false;
    std::vector<uint64_t> phase;
};
thread_local Machine machine;

void entry() {
    machine.body(machine.args);
    machine.now->done = true;
    _longjmp(machine.loop, 1);
}

void wait() {
    Fiber *own = machine.now;
    if (_setjmp(own->at) == 0) {
        _longjmp(machine.loop, 1);
    }
}

bool ready(const Fiber &f, uint32_t index) {
    if (f.waits == Fiber::Barrier) {
        return machine.barrier >= f.barriers;
    }
    if (f.waits == Fiber::Exchange) {
        return machine.phase[index / 32] >= f.exchanges;
    }
    return true;
}

void resume(Fiber &f) {
    machine.now = &f;
    f.waits = Fiber::Nothing;
    if (_setjmp(machine.loop) == 0) {
        if (f.started) {
            _longjmp(f.at, 1);
        }
        f.started = true;
        setcontext(&f.start);
    }
}

// Whether nothing was written behind the shared memory.
bool zones_are_clean() {
    for (const auto &m : machine.memory) {
        for (size_t i = m.second.size() - ZONE; i < m.second.size(); i++) {
            if (m.second[i] != 0xa5) {
                return false;
            }
        }
    }
    return true;
}

bool run_block(const Kernel &kernel, uint64_t &seed) {
    Machine &m = machine;
    m.memory.clear();
    m.warps.assign(kernel.threads / 32, Warp());
    m.phase.assign(kernel.threads / 32, 0);
    m.at_barrier = 0;
    m.barrier = 0;
    if (m.fibers.size() < kernel.threads) {
        m.fibers.resize(kernel.threads);
    }
    for (uint32_t i = 0; i < kernel.threads; i++) {
        Fiber &f = m.fibers[i];
        f.thread = Thread();
        f.thread.index = {i, 0, 0};
        f.started = f.done = false;
        f.exchanges = f.barriers = 0;
        f.waits = Fiber::Nothing;
        if (!f.stack) {
            f.stack.reset(new unsigned char[STACK]);
        }
        getcontext(&f.start);
        f.start.uc_stack.ss_sp = f.stack.get();
        f.start.uc_stack.ss_size = STACK;
        f.start.uc_link = nullptr;
        makecontext(&f.start, entry, 0);
    }
    // Warps take turns, or the first one that can go on always does, which shows what relies
    // on the others to be as far.
    uint32_t left = kernel.threads, warps = kernel.threads / 32;
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    uint32_t first = uint32_t(seed >> 33) % warps;
    bool fair = (seed >> 60) % 4 == 0, backwards = (seed >> 62) & 1;
    m.early = (seed >> 63) & 1;
    while (left > 0) {
        bool moved = false;
        for (uint32_t n = 0; n < warps && (fair || !moved); n++) {
            uint32_t warp = (first + (backwards ? warps - n : n)) % warps;
            for (uint32_t lane = 0; lane < 32; lane++) {
                uint32_t i = 32 * warp + (backwards ? 31 - lane : lane);
                Fiber &f = m.fibers[i];
                if (f.done || !ready(f, i)) {
                    continue;
                }
                resume(f);
                moved = true;
                left -= f.done ? 1 : 0;
            }
        }
        // Threads that wait for ones that are done, or for ones that wait for something else.
        if (!moved) {
            return false;
        }
    }
    return true;
}
} // namespace

Thread &now() { return machine.now->thread; }
bool copies_land_early() { return machine.early; }
Index block() { return machine.block; }

void barrier() {
    Machine &m = machine;
    m.now->barriers = m.barrier + 1;
    m.now->waits = Fiber::Barrier;
    if (++m.at_barrier == m.warps.size() * 32) {
        m.at_barrier = 0;
        m.barrier++;
    }
    wait();
}

const unsigned char *exchange(const void *own, size_t bytes) {
    Machine &m = machine;
    uint32_t thread = m.now->thread.index.x;
    Warp &w = m.warps[thread / 32];
    uint64_t number = ++m.now->exchanges;
    uint32_t which = number % 2;
    memcpy(w.slots[which][thread % 32], own, bytes);
    if (++w.arrived[which] == 32) {
        w.arrived[which] = 0;
        m.phase[thread / 32] = number;
    }
    m.now->waits = Fiber::Exchange;
    wait();
    return &w.slots[which][0][0];
}

// As much as it asks for, and a zone behind that nothing may write.
void *shared(int place, size_t bytes) {
    std::vector<unsigned char> &m = machine.memory[place];
    if (m.empty()) {
        m.assign(bytes, 0xff);
        m.resize(bytes + ZONE, 0xa5);
    }
    return m.data();
}

void *asked(int place, size_t bytes) {
    machine.too_few |= bytes > machine.asked;
    return shared(place, bytes);
}

void add(const char *name, uint32_t threads, size_t args, Body body) {
    kernels()[name] = {threads, args, body};
}

float f16_to_f32(uint16_t h) {
    uint32_t sign = uint32_t(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 0x3ff;
    if (e == 0) {
        float x = std::ldexp(float(m), -24);
        return sign ? -x : x;
    }
    return from_bits(sign | (e == 31 ? 0x7f800000u : (e + 112) << 23) | m << 13);
}

uint16_t f32_to_f16(float x) {
    uint32_t b = bits(x), sign = (b >> 16) & 0x8000;
    float size = std::fabs(x);
    if (x != x) {
        return uint16_t(sign | 0x7e00);
    }
    if (size >= 65520.0f) {
        return uint16_t(sign | 0x7c00);
    }
    if (size < 6.103515625e-5f) {
        // Below the least normal number steps are 2^-24, ties to even as everywhere.
        return uint16_t(sign | uint32_t(std::nearbyint(std::ldexp(size, 24))));
    }
    uint32_t s = bits(size);
    s += 0xfff + ((s >> 13) & 1);
    return uint16_t(sign | ((s >> 13) - (112u << 10)));
}
} // namespace twin

extern "C" {
// 0, or what is wrong: 1 no such kernel, 2 other arguments, 3 another number of threads,
// 4 threads that wait for each other, 5 written behind the shared memory, 6 less of it asked for than
// the kernel takes.
int twin_launch(const char *name, uint32_t x, uint32_t y, uint32_t threads, size_t memory,
                const void *args, size_t bytes, uint64_t seed) {
    auto found = twin::kernels().find(name);
    if (found == twin::kernels().end()) {
        return 1;
    }
    const twin::Kernel &kernel = found->second;
    if (kernel.args != bytes) {
        return 2;
    }
    if (kernel.threads != threads) {
        return 3;
    }
    twin::machine.asked = memory;
    twin::machine.too_few = false;
    twin::machine.args = args;
    twin::machine.body = kernel.body;
    for (uint32_t j = 0; j < y; j++) {
        for (uint32_t i = 0; i < x; i++) {
            twin::machine.block = {i, j, 0};
            if (!twin::run_block(kernel, seed)) {
                return 4;
            }
            if (twin::machine.too_few) {
                return 6;
            }
            if (!twin::zones_are_clean()) {
                return 5;
            }
        }
    }
    return 0;
}

// The name of the kernel of this number, null beyond the last.
const char *twin_kernel(size_t number) {
    for (const auto &k : twin::kernels()) {
        if (number-- == 0) {
            return k.first.c_str();
        }
    }
    return nullptr;
}
}
