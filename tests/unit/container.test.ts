import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { environmentSchema } from "#core/config/environment-schema.ts";
import { interpolate, readComposeFile } from "../support/project/compose-file.ts";
import { execForm, readDockerfile, readValue } from "../support/project/dockerfile.ts";

const root = new URL("../../", import.meta.url);
const read = (name: string) => readFile(new URL(name, root), "utf8");
const [buildStage = [], finalStage = []] = await readDockerfile();
const services = await readComposeFile();
const ours = [services.migrate, services.webhook, services.worker];

describe("the Dockerfile", () => {
  it("builds on the Node that the tests run on, and leaves the tools of the build behind", async () => {
    const { devDependencies } = JSON.parse(await read("package.json"));
    const [major] = devDependencies.node.split(".");
    expect(readValue(buildStage, "FROM")).toBe(`node:${major}-slim AS build`);
    expect(readValue(finalStage, "FROM")).toBe(`node:${major}-slim`);
    expect(readValue(finalStage, "COPY")).toBe("--from=build /package/ /package/");
    expect(readValue(finalStage, "RUN")).toContain("npm install --omit=dev --omit=optional ");
  });

  it("runs as a user who is not root, who can write nothing that is run", () => {
    const names = finalStage.map((instruction) => instruction.name);
    expect(readValue(finalStage, "USER")).toBe("node");
    expect(names.indexOf("USER")).toBeGreaterThan(names.lastIndexOf("RUN"));
    expect(names.indexOf("USER")).toBeLessThan(names.indexOf("ENTRYPOINT"));
  });

  it("starts the server without a shell, so that signals reach it, and is asked by node itself", () => {
    expect(execForm(readValue(finalStage, "ENTRYPOINT"))).toEqual(["clerk-sync", "serve", "--host", "0.0.0.0"]);
    expect(execForm(readValue(finalStage, "HEALTHCHECK"))[0]).toBe("node");
    expect(readValue(finalStage, "STOPSIGNAL")).toBe("SIGTERM");
  });

  it("is given no secret and no local data", async () => {
    const ignored = (await read(".dockerignore")).split("\n");
    expect(ignored).toEqual(expect.arrayContaining([".git", ".clerk-sync", "**/.env", "**/.env.*", "node_modules"]));
    expect(finalStage.map(({ value }) => value).join()).not.toMatch(/SECRET|PASSWORD|DATABASE_URL/);
  });
});

describe("compose.yaml", () => {
  it("has no password of its own: what is secret must be given, by name", () => {
    const all = Object.values(services).flatMap((service) => Object.entries(service.environment));
    const secrets = all.filter(([name]) => /PASSWORD|SECRET|DATABASE_URL/.test(name));
    expect(secrets.length).toBeGreaterThan(5);
    for (const [name, value] of secrets) expect(value, name).toMatch(/\$\{\w+:\?[^}]+\}|^\$\{\w+:-\}$/);
    const { DATABASE_URL = "", CLERK_WEBHOOK_SECRET = "" } = services.webhook.environment;
    expect(() => interpolate(DATABASE_URL, {})).toThrow("POSTGRES_PASSWORD: ");
    expect(() => interpolate(CLERK_WEBHOOK_SECRET, {})).toThrow("CLERK_WEBHOOK_SECRET: ");
  });

  it("gives no container more than it needs", () => {
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ["ALL"], security_opt: ["no-new-privileges:true"] });
    }
    expect(services.webhook.ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
    expect([services.postgres.ports, services.worker.ports]).toEqual([[], []]);
  });

  it("migrates once PostgreSQL answers, and starts the servers after that", () => {
    expect(services.postgres.healthcheck?.test).toContain("pg_isready");
    expect(services.migrate.depends_on).toEqual({ postgres: { condition: "service_healthy" } });
    for (const { depends_on } of [services.webhook, services.worker]) {
      expect(depends_on).toEqual({ migrate: { condition: "service_completed_successfully" } });
    }
    expect(services.migrate).toMatchObject({ entrypoint: ["clerk-sync", "migrate"], healthcheck: { disable: true } });
    expect(services.worker.deploy?.replicas).toBe(2);
  });

  it("names only variables that the server reads", () => {
    const known = [...Object.keys(environmentSchema.shape), "SUPABASE_SECRET_KEY"];
    for (const { environment } of ours) expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
  });
});
