/** A line of a comparison: of both texts, or of one alone. */
export interface Line {
  text: string;
  sign: ' ' | '-' | '+';
}

/** The lines of two texts side by side, by their longest common subsequence. */
export function diff(before: string, after: string): Line[] {
  const [one, other] = [lines(before), lines(after)];
  const common = lengths(one, other);
  const found: Line[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      found.push({ text: one[i++], sign: ' ' });
      j++;
    } else if (j === other.length || (i < one.length && common[i + 1][j] >= common[i][j + 1])) {
      found.push({ text: one[i++], sign: '-' });
    } else {
      found.push({ text: other[j++], sign: '+' });
    }
  }
  return found;
}

const lines = (text: string) => (text === '' ? [] : text.split('\n'));

/** At [i][j] how many lines the rests from i and j on have in common. */
function lengths(one: string[], other: string[]): Uint16Array[] {
  const table = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      table[i][j] = one[i] === other[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}
