import {
  createTheme,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
  Modal,
  parseThemeColor,
  Table,
  Tooltip,
  type VariantColorsResolver,
} from "@mantine/core";

/** Badges and alerts: a tint of their colour, under words that can be read on it in both schemes. */
const variantColorResolver: VariantColorsResolver = (input) => {
  const resolved = defaultVariantColorsResolver(input);
  const { isThemeColor, color } = parseThemeColor({
    color: input.color ?? input.theme.primaryColor,
    theme: input.theme,
  });
  if (input.variant !== "light" || !isThemeColor) return resolved;
  const shade = (place: number) => `var(--mantine-color-${color}-${place})`;
  return {
    ...resolved,
    background: `light-dark(${mix(shade(6), 12, "transparent")}, ${mix(shade(6), 20, "transparent")})`,
    color: `light-dark(${mix(shade(9), 72, "black")}, ${shade(2)})`,
  };
};

const mix = (color: string, percent: number, other: string) => `color-mix(in srgb, ${color} ${percent}%, ${other})`;

/** The greys of the dark scheme, in the tone of its surfaces (styles.css). */
const dark: MantineColorsTuple = [
  "#d3d6dc",
  "#b6bac2",
  "#8b929d",
  "#6b727e",
  "#3d424c",
  "#30343c",
  "#272b33",
  "#1d2026",
  "#16181d",
  "#101216",
];

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 8, dark: 7 },
  colors: { dark },
  autoContrast: true,
  variantColorResolver,
  defaultRadius: "sm",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace",
  headings: { fontWeight: "600", sizes: { h1: { fontSize: "1.25rem" }, h2: { fontSize: "0.95rem" } } },
  components: {
    Modal: Modal.extend({ defaultProps: { centered: true, transitionProps: { duration: 100 } } }),
    ModalHeader: Modal.Header.extend({ defaultProps: { role: "none" } }), // a <header> of its own is a second banner
    Table: Table.extend({ defaultProps: { verticalSpacing: 6, horizontalSpacing: "sm" } }),
    Tooltip: Tooltip.extend({
      defaultProps: { multiline: true, maw: 320, openDelay: 200, events: { hover: true, focus: true, touch: true } },
    }),
  },
});
