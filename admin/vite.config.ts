import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run build:admin -- --base /` for a static host that serves the page elsewhere than at /admin/.
export default defineConfig({
  root: import.meta.dirname,
  base: "/admin/",
  plugins: [react()],
  html: { cspNonce: "CSP_NONCE" }, // server/admin-page.ts puts a new one into each answer
  build: {
    target: "es2023",
    modulePreload: { polyfill: false }, // an inline script otherwise
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
  },
  server: {
    port: 5173,
    proxy: { "/functions": process.env["API_URL"] ?? "http://127.0.0.1:54321" },
  },
});
