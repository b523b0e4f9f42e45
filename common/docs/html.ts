// The look of every documentation page: no script, nothing fetched from elsewhere, light and dark.
// In: a title, entries for the side, sections. Out: a whole HTML page, and the policy it may be served under.
// Why by hand: a page of tables needs no framework, and one that fetches nothing works behind any wall.
import { createHash } from 'node:crypto';

export type Page = {
  readonly title: string;
  readonly intro: string;
  /** Other pages of this service. */
  readonly pages: readonly Link[];
  /** What this page holds, by heading; anchors into it. */
  readonly contents: readonly { readonly heading: Link; readonly entries: readonly Link[] }[];
  readonly body: string;
};
/** `text` is HTML, `href` an address. */
export type Link = { readonly text: string; readonly href: string };

export function renderPage({ title, intro, pages, contents, body }: Page): string {
  const side = contents.map(
    ({ heading, entries }) =>
      `<p>${anchor(heading)}</p><ul>${entries.map((one) => `<li>${anchor(one)}</li>`).join('')}</ul>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${html(title)}</title><style>${STYLE}</style></head><body>
<nav><p class="pages">${pages.map(anchor).join(' · ')}</p>${side.join('')}</nav>
<main><h1>${html(title)}</h1>${intro}
${body}
</main></body></html>`;
}

const anchor = ({ text, href }: Link): string => `<a href="${html(href)}">${text}</a>`;

export const html = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Rows of cells that are HTML already, under their headings. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = headings.map((text) => `<th>${text}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`);
  return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

export const code = (text: string): string => `<code>${html(text)}</code>`;
export const block = (text: string): string => `<pre>${html(text)}</pre>`;

const STYLE = `
:root{color-scheme:light dark;--line:#8883;--soft:#8881;--link:light-dark(#0b57b0,#7db7ff)}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:88rem;padding:0 1.5rem;display:grid;grid-template-columns:17rem minmax(0,1fr);gap:2.5rem}
nav{position:sticky;top:0;height:100vh;overflow-y:auto;padding:1.5rem 0;font-size:14px}
nav p{margin:1rem 0 .2rem;font-weight:600}
nav .pages{margin:0 0 1rem;font-size:16px}
nav ul{list-style:none;margin:0;padding:0}
nav li{margin:.1rem 0;overflow-wrap:anywhere}
main{padding:1.5rem 0 6rem}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
h1{margin:.2rem 0 1rem}
h2{margin:3rem 0 .5rem;border-bottom:1px solid var(--line)}
h3{margin:1.8rem 0 .3rem;font-size:1.05rem}
h3 code{font-size:1.05rem;font-weight:700}
h2:target,h3:target,details:target>summary{background:light-dark(#fff3b0,#5a4a00)}
code{font:14px/1.4 ui-monospace,monospace}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer;overflow-wrap:anywhere}
b.verb{display:inline-block;min-width:4.2rem;font:bold 13px ui-monospace,monospace}
.get{color:light-dark(#0a7d4f,#4cc38a)}.post{color:light-dark(#1667c9,#7db7ff)}.put{color:light-dark(#b35c00,#ffb454)}.delete{color:light-dark(#b3261e,#ff8a80)}
.wide{overflow-x:auto;margin:.5rem 0 1rem}
table{border-collapse:collapse;width:100%}
th{font-size:13px;text-align:left;color:light-dark(#555,#aaa);padding:.25rem .8rem .25rem 0;white-space:nowrap}
td{border-top:1px solid var(--line);padding:.3rem .8rem .3rem 0;vertical-align:top}
td:first-child{white-space:nowrap;width:27%}
pre{background:var(--soft);padding:.6rem .8rem;border-radius:6px;overflow-x:auto;font:13px/1.45 ui-monospace,monospace}
@media(max-width:60rem){body{display:block}nav{position:static;height:auto;padding-bottom:0}td:first-child{white-space:normal;overflow-wrap:anywhere}}
`;

/** Nothing but the page's own style may act. */
export const docsPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; frame-ancestors 'none'`;
