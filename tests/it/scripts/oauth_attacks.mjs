// Attacks on the authorization server and on what it gives; each is refused as its RFC says. The last line is `ok`.
import "./globals.mjs";
import assert from "node:assert/strict";
import { createHash, createPublicKey, randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import * as jose from "jose";
import { browser, logIn, over, settings, submit } from "./relay.mjs";

const [one, two, bare] = [over("one"), over("two"), over()];
const at = (path) => `${settings.url}${path}`;
const sha = (text) => createHash("sha256").update(text).digest("base64url");
const verifier = "v".repeat(50);
const basic = { authorization: `Basic ${Buffer.from(`dash:${settings.secret}`).toString("base64")}` };

async function post(fetch, path, form, headers = {}) {
  const answer = await fetch(at(path), { method: "POST", body: new URLSearchParams(form), headers });
  const text = await answer.text();
  const body = text.startsWith("{") ? JSON.parse(text) : { text };
  return { status: answer.status, headers: answer.headers, ...body };
}
const token = (fetch, form, headers) => post(fetch, "/oauth/token", form, headers);
const whoami = async (fetch, headers) => {
  const answer = await fetch(at("/api/v1/whoami"), { headers });
  return { status: answer.status, said: answer.headers.get("www-authenticate") ?? "", headers: answer.headers };
};
const bearer = (text) => ({ authorization: `Bearer ${text}` });

const request = (parameters) => {
  const url = new URL(at("/oauth/authorize"));
  url.search = new URLSearchParams({
    response_type: "code", client_id: "app", redirect_uri: "http://127.0.0.1:4711/cb", state: "s",
    code_challenge: sha(verifier), code_challenge_method: "S256", ...parameters,
  });
  return url;
};
const code = async (parameters = {}) => (await logIn(request(parameters))).searchParams.get("code");
const redeem = (parameters = {}) => ({
  grant_type: "authorization_code", client_id: "app", redirect_uri: "http://127.0.0.1:4711/cb", code_verifier: verifier, ...parameters,
});
const refused = (answer, error, status = 400) => assert.deepEqual([answer.status, answer.error], [status, error]);

// --- Tokens bound to a certificate.
const good = await token(one, redeem({ code: await code() }));
assert.deepEqual([good.status, good.token_type], [200, "Bearer"]);
assert.equal(good.headers.get("cache-control"), "no-store");
assert.equal((await whoami(one, bearer(good.access_token))).status, 200);
for (const [who, headers] of [[two, bearer(good.access_token)], [bare, bearer(good.access_token)], [one, { authorization: `DPoP ${good.access_token}` }]]) {
  const stolen = await whoami(who, headers);
  assert.equal(stolen.status, 401);
  assert.match(stolen.said, /^Bearer error="invalid_token", resource_metadata="https:.*\/.well-known\/oauth-protected-resource"$/);
}
const plain = await whoami(bare);
assert.equal(plain.status, 401);
assert.match(plain.said, /Bearer resource_metadata=.*DPoP algs="ES256 EdDSA"/);
for (const value of ["Basic YTpi", "Bearer", "", "Bearer a, Bearer b"]) {
  assert.ok([400, 401].includes((await whoami(one, { authorization: value })).status), value);
}
// Neither two headers, nor one in the address or the body; and a wrong token is not made up for by the right key.
assert.equal((await whoami(one, bearer("nonsense"))).status, 401);
assert.equal((await bare(at(`/api/v1/whoami?access_token=${good.access_token}`))).status, 401);
// The tunnel takes none.
const upgrade = { ...bearer(good.access_token), "sec-websocket-version": "13" };
assert.equal((await bare(at("/tunnel"), { headers: upgrade })).status >= 400, true);

// --- Forged ones.
const [head, body, signature] = good.access_token.split(".");
const header = JSON.parse(Buffer.from(head, "base64url"));
const claims = JSON.parse(Buffer.from(body, "base64url"));
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const { keys } = await (await bare(at("/oauth/jwks"))).json();
const jwk = keys.find((key) => key.kid === header.kid);
assert.ok(keys.every((key) => key.d === undefined && key.use === "sig" && key.alg === "ES256"));
const spki = createPublicKey({ key: jwk, format: "jwk" });
const own = await jose.generateKeyPair("ES256", { extractable: true });
const rsa = await jose.generateKeyPair("RS256");
const sign = (headers, key, changes = {}) => new jose.SignJWT({ ...claims, ...changes }).setProtectedHeader({ ...header, ...headers }).sign(key);
const publics = [JSON.stringify(jwk), spki.export({ type: "spki", format: "pem" }), spki.export({ type: "spki", format: "der" }), Buffer.from(jwk.x + jwk.y)];
const forged = [
  ...["none", "None", "NONE"].flatMap((alg) => [`${encode({ ...header, alg })}.${body}.`, `${encode({ ...header, alg })}.${body}.${signature}`]),
  ...(await Promise.all(publics.map((secret) => sign({ alg: "HS256" }, new Uint8Array(Buffer.from(secret)))))),
  await sign({}, own.privateKey),
  await sign({ jwk: await jose.exportJWK(own.publicKey) }, own.privateKey),
  await sign({ jku: "https://evil.example/jwks", kid: "evil" }, own.privateKey),
  await sign({ x5u: "https://evil.example/x5u" }, own.privateKey),
  await sign({ alg: "RS256" }, rsa.privateKey),
  await sign({ kid: "../../keys/relay.key" }, own.privateKey),
  `${head}.${encode({ ...claims, scope: "weir:approve", sub: claims.sid })}.${signature}`,
  `${head}.${body}.${signature.slice(0, -4)}`,
  `${head}.${body}`,
  good.refresh_token,
  "x".repeat(20000).slice(0, 9000),
];
for (const text of forged) assert.equal((await whoami(one, bearer(text))).status, 401, text.slice(0, 80));

// With the relay's own key, for another issuer, place, type or time; by a key that is not yet or no more in use.
const files = readdirSync(settings.tokens).sort();
const [signing, waiting] = await Promise.all(files.map((name) => jose.importPKCS8(readFileSync(`${settings.tokens}/${name}`, "utf8"), "ES256")));
assert.equal((await whoami(one, bearer(await sign({}, signing)))).status, 200, "the attacks below are well formed");
const now = Math.floor(Date.now() / 1000);
for (const [headers, changes] of [
  [{}, { iss: "https://evil.example" }], [{}, { aud: "https://evil.example" }], [{}, { aud: undefined }],
  [{}, { exp: now - 1 }], [{}, { exp: undefined }], [{}, { sid: randomUUID() }], [{}, { sub: randomUUID() }], [{}, { cnf: undefined }],
  [{ typ: "JWT" }, {}], [{ typ: undefined }, {}], [{ typ: "dpop+jwt" }, {}], [{ typ: "logout+jwt" }, {}], [{ kid: undefined }, {}],
]) assert.equal((await whoami(one, bearer(await sign(headers, signing, changes)))).status, 401, JSON.stringify([headers, changes]));
assert.equal((await whoami(one, bearer(await sign({}, waiting)))).status, 401, "another key's kid");

// --- DPoP.
const proof = (path, claims = {}, headers = {}, key = own) =>
  jose.exportJWK(key.publicKey).then((jwk) => new jose.SignJWT({ jti: randomUUID(), htm: "POST", htu: at(path), iat: Math.floor(Date.now() / 1000), ...claims })
    .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk, ...headers }).sign(key.privateKey));
const first = await token(bare, redeem({ code: "x" }), { dpop: await proof("/oauth/token") });
refused(first, "use_dpop_nonce");
const nonce = first.headers.get("dpop-nonce");
const dpop = await token(bare, redeem({ code: await code() }), { dpop: await proof("/oauth/token", { nonce }) });
assert.deepEqual([dpop.status, dpop.token_type], [200, "DPoP"]);
const here = { htm: "GET", nonce, ath: sha(dpop.access_token) };
const shown = { authorization: `DPoP ${dpop.access_token}` };
const once = { ...shown, dpop: await proof("/api/v1/whoami", here) };
assert.equal((await whoami(bare, once)).status, 200);
const replayed = await whoami(bare, once);
assert.match(replayed.said, /^DPoP error="invalid_dpop_proof"/);
const other = await jose.generateKeyPair("ES256", { extractable: true });
for (const [path, changes, headers, key] of [
  ["/api/v1/status", {}], ["/api/v1/whoami/", {}], ["/api/v1/whoami", { htu: "https://evil.example/api/v1/whoami" }],
  ["/api/v1/whoami", { htm: "POST" }], ["/api/v1/whoami", { ath: sha("other") }], ["/api/v1/whoami", { ath: undefined }],
  ["/api/v1/whoami", { iat: now - 3600 }], ["/api/v1/whoami", { iat: now + 3600 }], ["/api/v1/whoami", { nonce: "AAAA" }],
  ["/api/v1/whoami", {}, { typ: "JWT" }], ["/api/v1/whoami", {}, { jwk: undefined }],
  ["/api/v1/whoami", {}, { jwk: await jose.exportJWK(own.privateKey) }], ["/api/v1/whoami", {}, { jwk: await jose.exportJWK(other.publicKey) }],
  ["/api/v1/whoami", {}, {}, other],
]) {
  const answer = await whoami(bare, { ...shown, dpop: await proof(path, { ...here, ...changes }, headers, key) });
  assert.equal(answer.status, 401, JSON.stringify([path, changes, headers]));
}
for (const headers of [bearer(dpop.access_token), shown]) {
  assert.equal((await whoami(bare, headers)).status, 401, "without a proof");
  assert.equal((await whoami(one, headers)).status, 401, "with some TLS key");
}

// --- Codes.
const twice = await code();
const given = await token(two, redeem({ code: twice }));
assert.equal(given.status, 200);
refused(await token(two, redeem({ code: twice })), "invalid_grant");
assert.equal((await whoami(two, bearer(given.access_token))).status, 401, "what it gave has ended");
refused(await token(two, { grant_type: "refresh_token", client_id: "app", refresh_token: given.refresh_token }), "invalid_grant");
const dashCode = await code({ client_id: "dash", redirect_uri: "https://dash.example/callback" });
refused(await token(two, redeem({ code: dashCode, redirect_uri: "https://dash.example/callback" })), "invalid_grant");
for (const parameters of [
  { code_verifier: "" }, { code_verifier: "w".repeat(50) }, { code_verifier: sha(verifier) }, { redirect_uri: "http://127.0.0.1:4712/cb" },
  { redirect_uri: "" },
]) {
  const fresh = await code();
  refused(await token(two, redeem({ code: fresh, ...parameters })), "invalid_grant");
  refused(await token(two, redeem({ code: fresh })), "invalid_grant");
}
refused(await token(bare, redeem({ code: await code() })), "invalid_request");

// --- Authorization requests: what may be an attacker's address is never redirected to.
for (const parameters of [
  { client_id: "nobody" }, { redirect_uri: "https://evil.example/cb" }, { redirect_uri: "http://127.0.0.1:4711/cb/../x" },
  { redirect_uri: "http://127.0.0.1:4711/CB" }, { redirect_uri: "http://127.0.0.1:4711@evil.example/cb" }, { redirect_uri: "http://localhost:4711/cb" },
  { redirect_uri: "http://127.0.0.1.evil.example/cb" }, { redirect_uri: "http://127.0.0.1:4711/cb?x=1" }, { redirect_uri: "com.example.app:/cb2" },
  { redirect_uri: "https://dash.example/callback" }, { redirect_uri: "" }, { state: "s".repeat(600) },
]) {
  const answer = await browser(request(parameters));
  assert.deepEqual([answer.status, answer.headers.get("location")], [400, null], JSON.stringify(parameters));
}
for (const [parameters, error] of [
  [{ code_challenge: "" }, "invalid_request"], [{ code_challenge_method: "plain" }, "invalid_request"], [{ code_challenge_method: "" }, "invalid_request"],
  [{ response_type: "token" }, "unsupported_response_type"], [{ response_type: "code token" }, "unsupported_response_type"],
  [{ scope: "weir:approve" }, "invalid_scope"], [{ scope: "root" }, "invalid_scope"], [{ authorization_details: "[{}]" }, "invalid_authorization_details"],
]) {
  const to = new URL((await browser(request(parameters))).headers.get("location"));
  const get = (name) => to.searchParams.get(name);
  assert.deepEqual([get("error"), get("state"), get("iss"), get("code")], [error, "s", settings.url, null], JSON.stringify(parameters));
}
const page = await browser(request());
assert.match(page.headers.get("content-security-policy"), /form-action 'self' http:\/\/127.0.0.1:4711$/);
const forgedForm = await submit(page, { user: settings.user, password: settings.password }, "__Host-weir-csrf=other");
assert.equal(forgedForm.status, 400, "another's form");

// --- Clients.
refused(await token(one, redeem({ code: "x", client_id: "dash" })), "invalid_client", 401);
refused(await token(one, redeem({ code: "x", client_id: "robot", client_secret: "x" })), "invalid_client", 401);
refused(await token(one, { grant_type: "password", client_id: "app", username: settings.user, password: settings.password }), "unsupported_grant_type");
refused(await token(one, { grant_type: "client_credentials", client_id: "app" }), "unsupported_grant_type");
refused(await token(one, { grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", client_id: "app" }), "unauthorized_client");
const doubled = await one(at("/oauth/token"), { method: "POST", body: "grant_type=refresh_token&client_id=app&client_id=dash", headers: { "content-type": "application/x-www-form-urlencoded" } });
assert.equal((await doubled.json()).error, "invalid_request");
refused(await post(bare, "/oauth/introspect", { client_id: "app", token: good.access_token }), "invalid_client", 401);
refused(await post(two, "/oauth/introspect", { client_id: "app", token: good.access_token }), "invalid_client", 401);
assert.equal((await post(bare, "/oauth/introspect", { token: good.access_token }, basic)).active, false, "another client's");
assert.equal((await post(one, "/oauth/introspect", { client_id: "app", token: good.access_token })).active, true, "its own session");
for (const text of [good.access_token, good.refresh_token]) assert.equal((await post(bare, "/oauth/revoke", { token: text }, basic)).status, 200);
assert.equal((await whoami(one, bearer(good.access_token))).status, 200, "another client revokes nothing");

// --- Refresh tokens: bound to key and client of a public client; one that was used before ends the login.
const refresh = (fetch, text, client = "app") => token(fetch, { grant_type: "refresh_token", client_id: client, refresh_token: text });
refused(await refresh(two, good.refresh_token), "invalid_grant");
refused(await refresh(one, good.refresh_token, "tv"), "invalid_grant");
let last = await refresh(one, good.refresh_token);
for (let turn = 0; turn < 2; turn++) last = await refresh(one, last.refresh_token);
assert.equal(last.status, 200);
refused(await refresh(one, good.refresh_token), "invalid_grant");
refused(await refresh(one, last.refresh_token), "invalid_grant");
assert.equal((await whoami(one, bearer(last.access_token))).status, 401);

// --- Too little.
const few = await token(two, redeem({ code: await code({ scope: "weir:read" }) }));
const decision = await two(at("/api/v1/approvals/x/approve"), { method: "POST", body: "{}", headers: { ...bearer(few.access_token), "content-type": "application/json" } });
assert.equal(decision.status, 403);
assert.match(decision.headers.get("www-authenticate"), /insufficient_scope.*weir:approve/);

// --- Device codes: polls that come too soon, and guesses.
const device = await post(bare, "/oauth/device_authorization", { client_id: "tv" });
const poll = async () => token(bare, { grant_type: "urn:ietf:params:oauth:grant-type:device_code", client_id: "tv", device_code: device.device_code }, { dpop: await proof("/oauth/token", { nonce }) });
refused(await poll(), "authorization_pending");
refused(await poll(), "slow_down");
refused(await post(bare, "/oauth/device_authorization", { client_id: "app" }), "unauthorized_client");
const forgedDecision = await browser(at("/device"), { method: "POST", body: new URLSearchParams({ user_code: device.user_code, csrf: "x", decision: "allow", user: settings.user, password: settings.password }) });
assert.equal(forgedDecision.status, 400);
const guesses = [];
for (let guess = 0; guess < 40; guess++) guesses.push((await browser(at(`/device?user_code=BCDF-${"BCDFGHJKLMNPQRSTVWXZ"[guess % 20]}BBB`))).status);
assert.ok(guesses.includes(404) && guesses.at(-1) === 429, `${guesses}`);
assert.ok(guesses.filter((status) => status !== 429).length <= 25, `${guesses}`);
const wrong = [];
for (let guess = 0; guess < 30; guess++) wrong.push((await token(bare, redeem({ client_id: "dash", client_secret: `guess-${guess}` }))).status);
assert.ok(wrong.includes(401) && wrong.at(-1) === 429, `${wrong}`);
assert.equal((await token(one, redeem({ code: "x" }))).status, 400, "others go on");

console.log("ok");
process.exit(0);
