// How far predicted stars lie from true ones.

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

// `pairs` are rows with `score` and `truth`; at least one. `within` is the share at most one star off.
export function errors(pairs) {
  const off = pairs.map(({ score, truth }) => Math.abs(score - truth));
  return {
    rmse: Math.sqrt(mean(off.map((each) => each * each))),
    mae: mean(off),
    within: mean(off.map((each) => (each <= 1 ? 1 : 0))),
  };
}

// counts[truth - 1][predicted - 1], both rounded to whole stars.
export function confusion(pairs) {
  const counts = Array.from({ length: 5 }, () => Array(5).fill(0));
  for (const { score, truth } of pairs) counts[Math.round(truth) - 1][Math.round(score) - 1]++;
  return counts;
}

export const furthest = (pairs, most) =>
  [...pairs].sort((a, b) => Math.abs(b.score - b.truth) - Math.abs(a.score - a.truth)).slice(0, most);

export const average = (rows) => mean(rows.map(({ score }) => score));
