/** What Next.js shows while page.tsx waits for the row; usually for a fraction of a second. */
export default function Loading() {
  return <p>Setting up your account …</p>;
}
