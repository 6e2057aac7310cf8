/** What an order costs and what it leaves in stock: TPC-C's New-Order (clause 2.4.2.2) in whole cents. Pure. */

/** Whole ten-thousandths, as TPC-C's numeric(4,4) has them. */
const whole = 10_000n;

/**
 * Sum x (1 - discount) x (1 + warehouse tax + district tax), rounded once, half up. The product of three factors does not
 * fit a number exactly, so it is computed in integers of any size.
 */
export function totalCents(sumCents: number, discountBasisPoints: number, taxBasisPoints: number): number {
  const product = BigInt(sumCents) * (whole - BigInt(discountBasisPoints)) * (whole + BigInt(taxBasisPoints));
  const divisor = whole * whole;
  return Number((2n * product + divisor) / (2n * divisor));
}

/** Pieces that come in when stock would fall below ten. */
const restock = 91;
/** With at most so many pieces, 10 to 100 in stock stay 10 to 100; TPC-C itself orders 1 to 10. */
export const mostPieces = restock;

/** What is left after `pieces` were taken. */
export function takeFromStock(quantity: number, pieces: number): number {
  const rest = quantity - pieces;
  return rest >= 10 ? rest : rest + restock;
}
