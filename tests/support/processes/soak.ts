/** How many times as much the loads are made of: 1, or more in `npm run test:soak`. */
export const soak = Number(process.env["SOAK"] ?? 1);
