/* Descents side by side in SIMD lanes. Every thread holds GROUP vectors of starts in lock step for SEGMENT steps; lanes
   whose descent has ended then write it out and take the next starts. Compiled as one_by_one.c is. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include <tgmath.h>

#if defined __AVX512F__
#define BYTES 64
#elif defined __AVX__
#define BYTES 32
#else
#define BYTES 16
#endif
#ifndef GROUP
#define GROUP (DIM <= 2 ? 4 : 2) /* vectors in flight */
#endif
#ifndef SEGMENT
#define SEGMENT 16 /* steps between two refills */
#endif

typedef REAL real;
typedef WHOLE whole; /* the integer as wide as real */
typedef real num __attribute__((vector_size(BYTES), may_alias));
typedef whole mask __attribute__((vector_size(BYTES), may_alias)); /* -1 where true, 0 elsewhere */
#define WIDTH ((int)(BYTES / sizeof(real)))
static const real *data;

static inline num pick(mask m, num a, num b) { return (num)((m & (mask)a) | (~m & (mask)b)); }
static inline num larger(num a, num b) { return pick(b > a, b, a); }
static inline num absolute(num a) { return (num)((mask)a & (whole) ~(1UL << (8 * sizeof(real) - 1))); }

#define EACH(function) /* in place over n vectors, in a loop that gcc turns into calls of libmvec */ \
    real *lane = (real *)a;                                                                        \
    _Pragma("omp simd") for (int i = 0; i < n * WIDTH; i++) lane[i] = function(lane[i])
static inline void sines(num *a, int n) { EACH(sin); }
static inline void tanhs(num *a, int n) { EACH(tanh); }
static inline void roots(num *a, int n) { EACH(sqrt); }
static inline num root(num a) {
    roots(&a, 1);
    return a;
}

#include "losses.h"
#include "rules.h"

typedef struct {
    num x[DIM];
    Memory memory;
    mask steps, going, converged;
} Vector;

typedef struct {
    const real *x0;
    long n;
    real rate, tolerance, reach;
    int most;
    real *ends;
    int *steps;
    char *converged;
} Task;

/* The starts that a thread has claimed and not yet begun, and how many it claims at once. */
typedef struct {
    long next, end, size;
} Claim;

/* One step of one vector; lanes at their end get a step of size zero, so that they stay there. */
static inline void step(Vector *v, num rate, num tolerance, num reach, mask most) {
    num g[DIM];
    GRADIENT(v->x, g);
    num worst = absolute(g[0]), sum = worst, far = absolute(v->x[0]);
    for (int i = 1; i < DIM; i++) {
        worst = larger(worst, absolute(g[i])); /* may pass over an entry that is no number, the sum does not */
        sum += absolute(g[i]);
        far = larger(far, absolute(v->x[i]));
    }
    mask fit = sum < (real)INFINITY;
    v->converged = fit & (worst <= tolerance);
    v->going = ~v->converged & fit & (far <= reach) & (v->steps < most);
    v->steps -= v->going;
    RULE(v->x, g, (num)(v->going & (mask)rate), &v->memory);
}

static inline void segment(Vector *vectors, const Task *task) {
    const num rate = task->rate - (num){0}, tolerance = task->tolerance - (num){0}, reach = task->reach - (num){0};
    const mask most = task->most - (mask){0};
    Vector now[GROUP]; /* in registers */
    memcpy(now, vectors, sizeof now);
    for (int k = 0; k < SEGMENT; k++)
#pragma GCC unroll 8
        for (int u = 0; u < GROUP; u++) step(&now[u], rate, tolerance, reach, most);
    memcpy(vectors, now, sizeof now);
}

static inline int all(mask m) {
    whole both = -1;
    for (int l = 0; l < WIDTH; l++) both &= m[l];
    return both;
}

/* Return the next start's number, or -1 when none is left. */
static inline long take(Claim *claim, long *queue, long n) {
    if (claim->next == claim->end) {
#pragma omp atomic capture
        {
            claim->next = *queue;
            *queue += claim->size;
        }
        claim->end = claim->next + claim->size;
    }
    return claim->next < n ? claim->next++ : -1;
}

#define LANE(field) (((real *)&v->field)[l])

static inline void write(const Vector *v, int l, long start, const Task *task) {
    for (int j = 0; j < DIM; j++) task->ends[start * DIM + j] = LANE(x[j]);
    task->steps[start] = v->steps[l];
    task->converged[start] = v->converged[l] != 0;
}

static inline void begin(Vector *v, int l, long start, const Task *task) {
    for (int j = 0; j < DIM; j++) LANE(x[j]) = start < 0 ? 0 : task->x0[start * DIM + j];
    for (int j = l; j < (int)(sizeof(Memory) / sizeof(real)); j += WIDTH) ((real *)&v->memory)[j] = 0;
    v->steps[l] = start < 0 ? task->most : 0;
}

/* Give lanes whose descent has ended the next start; return how many lanes follow one. */
static inline int refill(Vector *v, long *starts, Claim *claim, long *queue, const Task *task) {
    int busy = 0;
    for (int l = 0; l < WIDTH; l++) {
        if (!v->going[l]) {
            if (starts[l] >= 0) write(v, l, starts[l], task);
            starts[l] = take(claim, queue, task->n);
            begin(v, l, starts[l], task);
            v->going[l] = 0;
        }
        busy += starts[l] >= 0;
    }
    return busy;
}

static void work(const Task *task, long *queue) {
    Vector vectors[GROUP] = {};
    long starts[GROUP][WIDTH];
    const long few = 1 + task->n / (32 * omp_get_max_threads());
    Claim claim = {0, 0, few < 256 ? few : 256};
    memset(starts, -1, sizeof starts);
    for (int busy = 1; busy;) {
        busy = 0;
        for (int u = 0; u < GROUP; u++)
            busy += all(vectors[u].going) ? 1 : refill(&vectors[u], starts[u], &claim, queue, task);
        segment(vectors, task);
    }
}

/* Follow `n` starts x0[n][DIM]; write their end points, updates, and whether they converged. */
void descend(const real *x0, long n, double rate, double tolerance, double reach, int most, const real *table, real *ends,
             int *steps, char *converged) {
    const Task task = {x0, n, (real)rate, (real)tolerance, (real)reach, most, ends, steps, converged};
    long queue = 0;
    data = table;
#pragma omp parallel
    work(&task, &queue);
}
