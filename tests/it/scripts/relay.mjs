// What the OAuth scripts share: fetch over TLS with and without a client certificate, and the relay's pages as a browser
// would fill them in. The settings are a JSON file, the only argument.
import { readFileSync } from "node:fs";
import { Agent, fetch as undici } from "undici";

export const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const ca = readFileSync(settings.ca);

/** A fetch that trusts the relay's CA, shows this certificate if any, and follows nothing. */
export function over(name) {
  const { certificate, key } = name ? settings.keys[name] : {};
  const connect = name ? { ca, cert: readFileSync(certificate), key: readFileSync(key) } : { ca };
  const dispatcher = new Agent({ connect });
  const plain = (url, options) => undici(url, { ...options, redirect: "manual", dispatcher });
  plain.close = () => dispatcher.close();
  return plain;
}

export const browser = over();

const unescape = (text) => text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)).replaceAll("&amp;", "&");

/** The page's form with these fields filled in; the answer. */
export async function submit(page, fields, cookie) {
  const body = await page.text();
  const hidden = [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
  const form = new URLSearchParams(hidden.map(([, name, value]) => [name, unescape(value)]));
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  const action = new URL(body.match(/<form method="post" action="([^"]*)"/)[1], settings.url);
  const own = page.headers.getSetCookie().map((value) => value.split(";")[0]).join("; ");
  return browser(action, { method: "POST", body: form, headers: { cookie: cookie ?? own } });
}

/** Logs in on the authorization page; where the browser is sent. */
export async function logIn(url, user = settings.user, password = settings.password) {
  const answer = await submit(await browser(url), { user, password });
  if (answer.status !== 303) throw new Error(`no redirect: ${answer.status} ${await answer.text()}`);
  return new URL(answer.headers.get("location"));
}

/** Decides on the device page. */
export async function decide(userCode, decision, user = settings.user, password = settings.password) {
  const confirm = await submit(await browser(`${settings.url}/device`), { user_code: userCode });
  return submit(confirm, { user, password, decision });
}
