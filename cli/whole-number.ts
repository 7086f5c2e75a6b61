import { z } from "zod";

const number = new Intl.NumberFormat("en-US");

/** A number given as text; the message names the option, since commander gives the key only. */
export function wholeNumber(option: string, from: number, to: number) {
  const error = `${option} must be a whole number from ${number.format(from)} to ${number.format(to)}.`;
  return z
    .string()
    .regex(/^\d{1,16}$/, error)
    .transform(Number)
    .refine((value) => value >= from && value <= to, error);
}
