// Direct manipulation (Lewis & Anjyo 2010): the weights that bring points of the face to their targets.

/**
 * Return w [K] minimizing |A w - b|² + Σ_k ((w_k - start_k) / spread_k)² · ridge within [low_k, high_k], exactly.
 *
 * `A` [M][K] and `b` [M] in millimeters, `ridge` in mm², `spread` [K] the usual range of each weight (0: fixed).
 * Bounded-variable least squares (Stark & Parker 1995); the free part is solved in the M rows, which are few.
 */
export function solveBounded(A, b, { start, spread, low, high, ridge }) {
  const K = start.length;
  const M = A.length;
  const w = Float64Array.from(start, (value, k) => Math.min(Math.max(value, low[k]), high[k]));
  const moves = Array.from(spread, (value, k) => value > 0 && high[k] > low[k]);
  const free = moves.map((can, k) => can && w[k] > low[k] && w[k] < high[k]);
  const residual = () => b.map((value, m) => value - A[m].reduce((sum, a, k) => sum + a * w[k], 0));
  for (let round = 0; round < 8 * K + 8; round++) {
    for (let inner = 0; inner <= K && free.some(Boolean); inner++) {
      const wanted = solveFree(A, b, w, free, { start, spread, ridge });
      let share = 1;
      let hit = -1;
      for (let k = 0; k < K; k++) {
        if (!free[k] || (wanted[k] >= low[k] && wanted[k] <= high[k])) continue;
        const bound = wanted[k] < low[k] ? low[k] : high[k];
        const reach = (bound - w[k]) / (wanted[k] - w[k]);
        if (reach < share) [share, hit] = [reach, k];
      }
      for (let k = 0; k < K; k++) if (free[k]) w[k] += share * (wanted[k] - w[k]);
      if (hit < 0) break;
      w[hit] = wanted[hit] < low[hit] ? low[hit] : high[hit];
      free[hit] = false;
    }
    const r = residual();
    let steepest = 1e-9;
    let release = -1;
    for (let k = 0; k < K; k++) {
      if (free[k] || !moves[k]) continue;
      let downhill = -(ridge * (w[k] - start[k])) / spread[k] ** 2;
      for (let m = 0; m < M; m++) downhill += A[m][k] * r[m];
      const gain = downhill * spread[k] * (w[k] <= low[k] ? 1 : -1);
      if (gain > steepest) [steepest, release] = [gain, k];
    }
    if (release < 0) break;
    free[release] = true;
  }
  return w;
}

/** Return the minimizer over the free weights, the others fixed: w = start + S Aᵀ (A S Aᵀ + ridge)⁻¹ r. */
function solveFree(A, b, w, free, { start, spread, ridge }) {
  const M = A.length;
  const K = w.length;
  const gram = Array.from({ length: M }, () => new Float64Array(M));
  const rhs = Float64Array.from(b);
  for (let m = 0; m < M; m++) {
    for (let k = 0; k < K; k++) rhs[m] -= A[m][k] * (free[k] ? start[k] : w[k]);
    for (let n = 0; n <= m; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) if (free[k]) sum += A[m][k] * A[n][k] * spread[k] ** 2;
      gram[m][n] = gram[n][m] = sum + (m === n ? ridge : 0);
    }
  }
  const y = solveSymmetric(gram, rhs);
  return Float64Array.from(w, (value, k) => {
    if (!free[k]) return value;
    let sum = start[k];
    for (let m = 0; m < M; m++) sum += spread[k] ** 2 * A[m][k] * y[m];
    return sum;
  });
}

/** Solve a positive definite system by Cholesky; `matrix` is overwritten. */
function solveSymmetric(matrix, rhs) {
  const M = rhs.length;
  for (let i = 0; i < M; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i][j];
      for (let k = 0; k < j; k++) sum -= matrix[i][k] * matrix[j][k];
      matrix[i][j] = i === j ? Math.sqrt(Math.max(sum, 1e-30)) : sum / matrix[j][j];
    }
  }
  for (let i = 0; i < M; i++) {
    for (let k = 0; k < i; k++) rhs[i] -= matrix[i][k] * rhs[k];
    rhs[i] /= matrix[i][i];
  }
  for (let i = M - 1; i >= 0; i--) {
    for (let k = i + 1; k < M; k++) rhs[i] -= matrix[k][i] * rhs[k];
    rhs[i] /= matrix[i][i];
  }
  return rhs;
}
