// The functions know the vocabulary too, so it lives in the core.
export * from "#core/config/sources.ts";
