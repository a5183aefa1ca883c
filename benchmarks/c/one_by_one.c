/* Descents one start after the other, starts shared among threads. Compiled once per loss and step rule with
   -DREAL=double -DDIM=2 -DGRADIENT=himmelblau -DRULE=sgd. */
#include <math.h>
#include <omp.h>
#include <tgmath.h>

typedef REAL real;
typedef real num;
static const real *data;

#define root(a) sqrt(a)
static inline void sines(num *a, int n) {
#pragma omp simd
    for (int i = 0; i < n; i++) a[i] = sin(a[i]);
}
static inline void tanhs(num *a, int n) { /* not here: gcc takes several data points at once, which is faster */
    for (int i = 0; i < n; i++) a[i] = tanh(a[i]);
}

#include "losses.h"
#include "rules.h"

/* Follow one start until its largest gradient entry is at most `tolerance` or not finite, a coordinate is beyond
   `reach`, or `most` updates are made; return these. */
static inline int follow(real *x, real rate, real tolerance, real reach, int most, char *converged) {
    Memory memory = {};
    real g[DIM];
    for (int n = 0;; n++) {
        real worst = 0, sum = 0, far = 0;
        GRADIENT(x, g);
        for (int i = 0; i < DIM; i++) {
            worst = fabs(g[i]) > worst ? fabs(g[i]) : worst; /* may pass over an entry that is no number */
            sum += fabs(g[i]);
            far = fabs(x[i]) > far ? fabs(x[i]) : far;
        }
        const int fit = sum < (real)INFINITY && far <= reach;
        *converged = worst <= tolerance && sum < (real)INFINITY;
        if (*converged || !fit || n >= most) return n;
        RULE(x, g, rate, &memory);
    }
}

/* Follow `n` starts x0[n][DIM]; write their end points, updates, and whether they converged. */
void descend(const real *x0, long n, double rate, double tolerance, double reach, int most, const real *table, real *ends,
             int *steps, char *converged) {
    const long few = 1 + n / (32 * omp_get_max_threads());
    data = table;
#pragma omp parallel for schedule(dynamic, few < 64 ? few : 64)
    for (long i = 0; i < n; i++) {
        real x[DIM];
        for (int j = 0; j < DIM; j++) x[j] = x0[i * DIM + j];
        steps[i] = follow(x, rate, tolerance, reach, most, &converged[i]);
        for (int j = 0; j < DIM; j++) ends[i * DIM + j] = x[j];
    }
}
