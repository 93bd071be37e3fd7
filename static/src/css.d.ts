/** A style sheet is bundled as its text (build.mjs, `loader`). */
declare module "*.css" {
  const text: string;
  export default text;
}
