/**
 * What runs, and with which mapping: an Edge Function by its name, a Node server as "server". As clerk_sync.note_program
 * takes it, so that health can name a program that was not deployed again after the mapping changed.
 */
export type Program = { name: string; mapping_hash: string };
