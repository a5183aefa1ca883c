/* Gradients of the losses, written out by hand for a number type `num`: one start's number, or a vector of lanes. */

static inline void quartic(const num *x, num *g) { g[0] = x[0] * (4 * x[0] * x[0] - 8); }

static inline void himmelblau(const num *x, num *g) {
    num a = x[0] * x[0] + x[1] - 11, b = x[0] + x[1] * x[1] - 7;
    g[0] = 4 * x[0] * a + 2 * b;
    g[1] = 2 * a + 4 * x[1] * b;
}

static inline void rosenbrock(const num *x, num *g) {
    num above = x[0] - x[0]; /* what the coordinate below adds to this one's derivative */
    for (int i = 0; i < DIM - 1; i++) {
        num fall = x[i + 1] - x[i] * x[i];
        g[i] = above - 400 * x[i] * fall - 2 * (1 - x[i]);
        above = 200 * fall;
    }
    g[DIM - 1] = above;
}

static inline void rastrigin(const num *x, num *g) {
    num sine[DIM];
    for (int i = 0; i < DIM; i++) sine[i] = (real)(2 * M_PI) * x[i];
    sines(sine, DIM);
    for (int i = 0; i < DIM; i++) g[i] = 2 * x[i] + (real)(20 * M_PI) * sine[i];
}

/* Mean squared error of a network with 2 inputs, 4 tanh units and 1 output, whose 17 parameters are w[2][4], b[4], v[4],
   c; `data` holds POINTS rows (input, input, target). */
#define POINTS 32
static inline void network(const num *x, num *g) {
    const num *w = x, *b = x + 8, *v = x + 12;
    for (int i = 0; i < DIM; i++) g[i] = x[i] - x[i];
    for (int p = 0; p < POINTS; p++) {
        const real *row = data + 3 * p;
        num unit[4], error = x[16] - row[2];
        for (int h = 0; h < 4; h++) unit[h] = row[0] * w[h] + row[1] * w[4 + h] + b[h];
        tanhs(unit, 4);
        for (int h = 0; h < 4; h++) error += v[h] * unit[h];
        error *= (real)(2.0 / POINTS);
        g[16] += error;
        for (int h = 0; h < 4; h++) {
            num back = error * v[h] * (1 - unit[h] * unit[h]);
            g[h] += back * row[0];
            g[4 + h] += back * row[1];
            g[8 + h] += back;
            g[12 + h] += error * unit[h];
        }
    }
}
