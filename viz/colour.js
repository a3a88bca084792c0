// SPDX-License-Identifier: MIT
// Okabe–Ito hues, mixed towards the page so that text on them keeps WCAG AA. The same file has the
// same hue in every picture and in both themes; functions of one file differ in shade. Pure.

const HUES = [
  [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66],
  [0, 114, 178], [213, 94, 0], [204, 121, 167],
];
const SHADES = 3;
export const N_COLOURS = HUES.length * SHADES;
export const COLOUR_SYNTHETIC = N_COLOURS;
export const COLOUR_REST = N_COLOURS + 1;
export const COLOUR_ROOT = N_COLOURS + 2;

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  h ^= h >>> 16;
  return Math.imul(h, 0x7feb352d) >>> 8;
}

// Index into a palette, by name only: stable across reports.
export function frameColour(file, func) {
  if (!file && func.startsWith('(')) return COLOUR_SYNTHETIC;
  return (hash(file) % HUES.length) * SHADES + (hash(func) % SHADES);
}

// The same where there are native frames, by kind: python, native, inlined, synthetic.
const KIND_HUES = [4, 5, 0];

export function kindColour(kind, func) {
  if (!(kind >= 0 && kind < KIND_HUES.length)) return COLOUR_SYNTHETIC;
  return KIND_HUES[kind] * SHADES + (hash(func) % SHADES);
}

// The shade between the others, for the legend.
export function kindKey(kind) {
  return kind < KIND_HUES.length ? KIND_HUES[kind] * SHADES + 1 : COLOUR_SYNTHETIC;
}

function mix(a, b, t) {
  return a.map((v, i) => Math.round(v + (b[i] - v) * t));
}

function css(rgb) {
  return 'rgb(' + rgb.join(',') + ')';
}

// Each palette entry is one string; `text` is readable on all of them.
export function makePalette(dark) {
  const page = dark ? [19, 24, 32] : [255, 255, 255];
  const strength = dark ? [0.56, 0.63, 0.7] : [0.42, 0.52, 0.62];
  const colours = [];
  for (const hue of HUES) for (const t of strength) colours.push(css(mix(hue, page, t)));
  colours.push(css(dark ? [58, 66, 78] : [208, 213, 220]));
  colours.push(css(dark ? [44, 51, 61] : [223, 227, 232]));
  colours.push(css(dark ? [38, 45, 55] : [233, 236, 240]));
  return { colours, text: dark ? '#f0f4f8' : '#14181d', faded: dark ? '#1d242d' : '#eef0f3' };
}

// Size classes: one way of hues from blue to yellow, the axis that red-green blindness leaves. Small
// classes, of which there are most, stand further apart.
const CLASS_HUES = [[0, 92, 188], [112, 84, 168], [196, 78, 132], [222, 94, 20], [238, 176, 0]];
export const FILL_STEPS = 8;

export function classRgb(sizeClass, classes) {
  const t = ((Math.sqrt(sizeClass) - 1) / (Math.sqrt(classes) - 1)) * (CLASS_HUES.length - 1);
  const i = Math.min(CLASS_HUES.length - 2, Math.floor(t));
  return mix(CLASS_HUES[i], CLASS_HUES[i + 1], t - i);
}

// Colour of a pool: its class is the hue, its fill how far that stands out from the page.
export function classColour(sizeClass, classes, step, dark) {
  const page = dark ? [20, 26, 34] : [255, 255, 255];
  const hue = classRgb(sizeClass, classes);
  return css(mix(page, dark ? mix(hue, [255, 255, 255], 0.12) : hue, 0.3 + (0.7 * step) / (FILL_STEPS - 1)));
}

// All of them: (class - 1) * FILL_STEPS + step.
export function classPalette(classes, dark) {
  return Array.from({ length: classes * FILL_STEPS }, (_, i) =>
    classColour(1 + Math.floor(i / FILL_STEPS), classes, i % FILL_STEPS, dark));
}

export function fillStep(used, total) {
  return total > 0 ? Math.min(FILL_STEPS - 1, Math.floor((used / total) * FILL_STEPS)) : 0;
}

function heatRgb(t, dark) {
  const page = dark ? [24, 30, 39] : [255, 255, 255];
  const end = dark ? [236, 118, 34] : [220, 100, 10];
  return mix(page, end, t);
}

// White or near-black page to orange-red, for the matrix.
export function heatColour(t, dark) {
  return css(heatRgb(t, dark));
}

const INK = [0, 0, 0]; // nothing lighter keeps 4.5 : 1 on the middle shades
const PAPER = [255, 255, 255];

// Whichever of black and white reads better on that shade.
export function heatText(t, dark) {
  const ground = heatRgb(t, dark);
  return css(contrast(ground, INK) >= contrast(ground, PAPER) ? INK : PAPER);
}

function channel(v) {
  v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
}

export function contrast(a, b) {
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const [hi, lo] = [light(a), light(b)].sort((x, y) => y - x);
  return (hi + 0.05) / (lo + 0.05);
}
