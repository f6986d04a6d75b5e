// The uniform numbers that skvq draws in Python for a random_state: NumPy's SeedSequence and PCG64, bit for bit.

import { invalid } from "./checks.mjs";

const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n; // PCG64, 128 bits
const POOL_SIZE = 4;
const MOST_RANDOM_WORDS = 16384; // that getRandomValues gives at once

/** Returns the numbers that a sampler turns into codes, Float32Array of nSamples * nCodes in [0, 1). */
export function uniforms(randomState, nSamples, nCodes) {
  const seed = checkRandomState(randomState);
  return seed === null ? freshUniforms(nSamples * nCodes) : namedUniforms(seed, "sample", nSamples * nCodes);
}

/** Returns a seed as BigInt, or null for fresh numbers. */
export function checkRandomState(randomState) {
  if (randomState === null || randomState === undefined) return null;
  if (typeof randomState === "bigint" && randomState >= 0n) return randomState;
  if (Number.isSafeInteger(randomState) && randomState >= 0) return BigInt(randomState);
  const large = typeof randomState === "number" && randomState > Number.MAX_SAFE_INTEGER;
  throw invalid(
    "randomState",
    "be an integer >= 0, a BigInt >= 0n, or null",
    String(randomState),
    large ? `Above ${Number.MAX_SAFE_INTEGER}, pass a BigInt.` : "Pass an integer for the same result at every call.",
  );
}

/** numpy.random.default_rng(SeedSequence([seed, crc32(name)])).random(n, dtype=float32). */
export function namedUniforms(seed, name, n) {
  const next = pcg64([...words(seed), crc32(name)]);
  const numbers = new Float32Array(n);
  for (let i = 0; i < n; i += 2) {
    const value = next(); // 64 bits, of which NumPy takes the lower half first
    numbers[i] = unit(Number(value & 0xffffffffn));
    if (i + 1 < n) numbers[i + 1] = unit(Number(value >> 32n));
  }
  return numbers;
}

function freshUniforms(n) {
  const random = new Uint32Array(n);
  for (let i = 0; i < n; i += MOST_RANDOM_WORDS) crypto.getRandomValues(random.subarray(i, i + MOST_RANDOM_WORDS));
  return Float32Array.from(random, unit);
}

function unit(word) {
  return (word >>> 8) / 16777216;
}

function words(value) {
  const found = [];
  do {
    found.push(Number(value & 0xffffffffn));
    value >>= 32n;
  } while (value > 0n);
  return found;
}

function crc32(text) {
  let crc = -1;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** NumPy's SeedSequence: entropy of any length to a pool of four words. */
function seedPool(entropy) {
  let constant = 0x43b0d7e5;
  const hash = (value) => {
    value ^= constant;
    constant = Math.imul(constant, 0x931e8875);
    value = Math.imul(value, constant);
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mix = (x, y) => {
    const value = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const pool = Array.from({ length: POOL_SIZE }, (_, i) => hash(entropy[i] ?? 0));
  for (let source = 0; source < POOL_SIZE; source++)
    for (let target = 0; target < POOL_SIZE; target++)
      if (source !== target) pool[target] = mix(pool[target], hash(pool[source]));
  for (const word of entropy.slice(POOL_SIZE))
    for (let target = 0; target < POOL_SIZE; target++) pool[target] = mix(pool[target], hash(word));
  return pool;
}

/** Returns four numbers of 64 bits from a pool, as SeedSequence.generate_state does. */
function seedState(pool) {
  let constant = 0x8b51f9dd;
  const halves = Array.from({ length: 8 }, (_, i) => {
    let value = pool[i % POOL_SIZE] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    value = Math.imul(value, constant);
    return BigInt((value ^ (value >>> 16)) >>> 0);
  });
  return [0, 2, 4, 6].map((i) => halves[i] | (halves[i + 1] << 32n));
}

/** Returns a function that gives the next 64 bits of PCG64 (XSL RR) at each call. */
function pcg64(entropy) {
  const [high, low, streamHigh, streamLow] = seedState(seedPool(entropy));
  const increment = ((((streamHigh << 64n) | streamLow) << 1n) | 1n) & MASK_128;
  const step = (state) => (state * MULTIPLIER + increment) & MASK_128;
  let state = step((increment + ((high << 64n) | low)) & MASK_128);
  return () => {
    state = step(state);
    const folded = ((state >> 64n) ^ state) & MASK_64;
    const turn = state >> 122n;
    return ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
  };
}
