/* Step rules as in optax: each moves x by one update of size `rate`; what it remembers is zero at the start. */

typedef struct {
} sgd_memory;

static inline void sgd(num *x, const num *g, num rate, sgd_memory *memory) {
    (void)memory;
    for (int i = 0; i < DIM; i++) x[i] -= rate * g[i];
}

typedef struct {
    num m[DIM];
} heavy_ball_memory;

static inline void heavy_ball(num *x, const num *g, num rate, heavy_ball_memory *memory) {
    for (int i = 0; i < DIM; i++) {
        memory->m[i] = g[i] + (real)0.9 * memory->m[i];
        x[i] -= rate * memory->m[i];
    }
}

typedef struct {
    num m[DIM], v[DIM], c1, c2; /* c = 1 - decay^t */
} adam_memory;

static inline void adam(num *x, const num *g, num rate, adam_memory *memory) {
    memory->c1 = (real)0.9 * memory->c1 + (real)0.1;
    memory->c2 = (real)0.999 * memory->c2 + (real)0.001;
    num first = rate / memory->c1, second = 1 / memory->c2;
    for (int i = 0; i < DIM; i++) {
        memory->m[i] = (real)0.9 * memory->m[i] + (real)0.1 * g[i];
        memory->v[i] = (real)0.999 * memory->v[i] + (real)0.001 * (g[i] * g[i]);
        x[i] -= first * memory->m[i] / (root(second * memory->v[i]) + (real)1e-8);
    }
}

#define JOIN(a, b) a##b
#define MEMORY_OF(rule) JOIN(rule, _memory)
typedef MEMORY_OF(RULE) Memory;
