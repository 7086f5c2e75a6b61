// What the example needs of packages that this repository does not install. Leave this file out of your app.
declare module "@clerk/nextjs/server" {
  export function auth(): Promise<{
    userId: string | null;
    getToken: () => Promise<string | null>;
    redirectToSignIn: () => never;
  }>;
}

declare namespace JSX {
  type ElementType = string | ((props: never) => unknown);
  interface IntrinsicElements {
    [name: string]: object;
  }
}
