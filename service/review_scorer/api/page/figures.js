// Error metrics of the predicted stars.

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

// `pairs` are rows with `score` and `truth`, at least one. `within` is the share with an error of at most one star.
export function errorMetrics(pairs) {
  const errors = pairs.map(({ score, truth }) => Math.abs(score - truth));
  return {
    rmse: Math.sqrt(mean(errors.map((error) => error * error))),
    mae: mean(errors),
    within: mean(errors.map((error) => (error <= 1 ? 1 : 0))),
  };
}

// counts[truth - 1][predicted - 1], both rounded to whole stars.
export function confusionMatrix(pairs) {
  const counts = Array.from({ length: 5 }, () => Array(5).fill(0));
  for (const { score, truth } of pairs) counts[Math.round(truth) - 1][Math.round(score) - 1]++;
  return counts;
}

export const largestErrors = (pairs, limit) =>
  [...pairs].sort((a, b) => Math.abs(b.score - b.truth) - Math.abs(a.score - a.truth)).slice(0, limit);

export const meanScore = (rows) => mean(rows.map(({ score }) => score));
