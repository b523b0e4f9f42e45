// A sum that keeps what rounding loses.
// In: numbers, one after the other. Out: their sum, to the last digit or two. The order decides the bits.
// Why: a million losses, added plainly, lose six digits (Neumaier, 1974).

export class Sum {
  #sum = 0;
  #lost = 0;
  add(value: number): void {
    const next = this.#sum + value;
    const isLarger = Math.abs(this.#sum) >= Math.abs(value);
    this.#lost += isLarger ? this.#sum - next + value : value - next + this.#sum;
    this.#sum = next;
  }
  value(): number {
    return this.#sum + this.#lost;
  }
}
