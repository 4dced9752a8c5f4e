// A client that nobody here wrote, openid-client, does all that the authorization server offers; the last line is `ok`.
import "./globals.mjs";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import * as jose from "jose";
import * as oauth from "openid-client";
import { decide, logIn, over, settings } from "./relay.mjs";

const server = new URL(settings.url);
const details = (...resources) => JSON.stringify([{ type: "weir_access", resources }]);
const configure = (id, auth, fetch) =>
  oauth.discovery(server, id, undefined, auth, { algorithm: "oauth2", [oauth.customFetch]: fetch });

async function dpop(config) {
  return oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair("ES256"));
}

async function byCode(config, parameters, options) {
  const verifier = oauth.randomPKCECodeVerifier();
  const state = oauth.randomState();
  const url = oauth.buildAuthorizationUrl(config, {
    redirect_uri: "https://dash.example/callback",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    ...parameters,
  });
  const answer = await logIn(url);
  return oauth.authorizationCodeGrant(config, answer, { pkceCodeVerifier: verifier, expectedState: state }, {}, options);
}

const api = (config, path, tokens, options) =>
  oauth.fetchProtectedResource(config, tokens.access_token, new URL(`/api/v1${path}`, server), "GET", null, new Headers(), options);

const verified = async (config, token) => {
  const keys = jose.createLocalJWKSet(await (await over()(config.serverMetadata().jwks_uri)).json());
  return jose.jwtVerify(token, keys, { issuer: settings.url, audience: settings.url, typ: "at+jwt", algorithms: ["ES256"] });
};

// --- Authorization code, secret, DPoP.
const dash = await configure("dash", oauth.ClientSecretBasic(settings.secret), over());
const handle = await dpop(dash);
const tokens = await byCode(dash, {}, { DPoP: handle });
assert.equal(tokens.token_type, "dpop");
assert.equal(tokens.expires_in, 300);
const { payload, protectedHeader } = await verified(dash, tokens.access_token);
assert.equal(payload.client_id, "dash");
assert.ok(payload.cnf.jkt && payload.sid && payload.jti && payload.sub);
const who = await (await api(dash, "/whoami", tokens, { DPoP: handle })).json();
assert.equal(who.user, settings.user);
assert.equal(who.agent, payload.sid);

// A refresh keeps the session; its token may be narrower.
const fresh = await oauth.refreshTokenGrant(dash, tokens.refresh_token, { scope: "weir:read" }, { DPoP: handle });
const { payload: narrow } = await verified(dash, fresh.access_token);
assert.deepEqual([narrow.sid, narrow.scope], [payload.sid, "weir:read"]);

// --- Token exchange only narrows.
const exchange = (parameters, subject = tokens) =>
  oauth.genericGrantRequest(dash, "urn:ietf:params:oauth:grant-type:token-exchange", {
    subject_token: subject.access_token,
    subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
    ...parameters,
  }, { DPoP: handle });
const part = await exchange({ scope: "weir:read", authorization_details: details("shop-dev") });
assert.equal(part.issued_token_type, "urn:ietf:params:oauth:token-type:access_token");
assert.equal(part.scope, "weir:read");
const listed = await (await api(dash, "/resources", part, { DPoP: handle })).json();
const reached = (resources) => resources.filter(({ rights }) => rights.connect !== "deny").map(({ name }) => name);
assert.deepEqual(reached(listed), ["shop-dev"]);
const whole = await (await api(dash, "/resources", tokens, { DPoP: handle })).json();
assert.equal(reached(whole).length, 2);
for (const parameters of [{ audience: "shop-dev" }, { audience: settings.url }, { resource: settings.url }]) await exchange(parameters);
const refused = async (promise, ...codes) => assert.ok(codes.includes((await promise.catch((error) => error)).error), `${codes}`);
await refused(exchange({ scope: "weir:connect" }, part), "invalid_scope");
await refused(exchange({ authorization_details: details("shop-prod") }, part), "invalid_authorization_details");
await refused(exchange({ audience: "shop-prod" }, part), "invalid_target");
await refused(exchange({ resource: "https://other.example" }), "invalid_target");
await refused(exchange({ subject_token_type: "urn:example:other" }), "invalid_request");
await refused(exchange({ requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" }), "invalid_request");

// --- Introspection and revocation.
const about = await oauth.tokenIntrospection(dash, tokens.access_token);
assert.deepEqual([about.active, about.username, about.sid], [true, settings.user, payload.sid]);
assert.equal((await oauth.tokenIntrospection(dash, fresh.refresh_token)).active, true);
assert.equal((await oauth.tokenIntrospection(dash, "nonsense")).active, false);
await oauth.tokenRevocation(dash, part.access_token);
assert.equal((await oauth.tokenIntrospection(dash, part.access_token)).active, false);
assert.equal((await oauth.tokenIntrospection(dash, tokens.access_token)).active, true, "only the part");
const child = await exchange({ scope: "weir:read" });

// --- Authorization code, private_key_jwt, mTLS; the resource server that may ask about all.
const pair = await jose.generateKeyPair("ES256", { extractable: true });
writeFileSync(settings.jwks, JSON.stringify({ keys: [{ ...(await jose.exportJWK(pair.publicKey)), kid: "1" }] }));
const robot = await configure("robot", oauth.PrivateKeyJwt({ key: pair.privateKey, kid: "1" }), over("one"));
const bound = await byCode(robot, { redirect_uri: "http://127.0.0.1:4711/cb", scope: "weir:read", authorization_details: details("shop-dev") });
assert.equal(bound.token_type, "bearer");
assert.deepEqual(bound.authorization_details, [{ type: "weir_access", resources: ["shop-dev"] }]);
const claims = (await verified(robot, bound.access_token)).payload;
assert.equal(claims.cnf["x5t#S256"], settings.keys.one.x5t);
assert.equal((await (await api(robot, "/whoami", bound)).json()).agent, claims.sid);
assert.equal((await oauth.tokenIntrospection(robot, tokens.access_token)).active, true, "any client's");
assert.equal((await oauth.tokenIntrospection(dash, bound.access_token)).active, false, "not its own");
// The same key logs in again: the agent that it was has ended.
const again = await byCode(robot, { redirect_uri: "http://127.0.0.1:4711/cb" });
assert.equal((await oauth.tokenIntrospection(robot, bound.access_token)).active, false);
await api(robot, "/whoami", again);

// Revoking the session's token ends the session, and what was exchanged for it.
await oauth.tokenRevocation(dash, fresh.access_token);
for (const token of [tokens, fresh, child]) assert.equal((await oauth.tokenIntrospection(dash, token.access_token)).active, false);
await assert.rejects(api(dash, "/whoami", tokens, { DPoP: handle }), (error) => error.response.status === 401);
// Its login can begin another.
const anew = await oauth.refreshTokenGrant(dash, fresh.refresh_token, {}, { DPoP: handle });
await oauth.tokenRevocation(dash, anew.refresh_token);
assert.equal((await oauth.tokenIntrospection(dash, anew.access_token)).active, false, "its login has ended");
await refused(oauth.refreshTokenGrant(dash, anew.refresh_token, {}, { DPoP: handle }), "invalid_grant");

// --- Device code, public, DPoP.
const tv = await configure("tv", oauth.None(), over());
const remote = await dpop(tv);
const code = await oauth.initiateDeviceAuthorization(tv, { scope: "weir:read" });
assert.match(code.user_code, /^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
const waiting = oauth.pollDeviceAuthorizationGrant(tv, code, {}, { DPoP: remote });
const done = await decide(code.user_code.toLowerCase().replace("-", " "), "allow");
assert.match(await done.text(), /The device is logged in/);
const shown = await waiting;
assert.equal((await (await api(tv, "/whoami", shown, { DPoP: remote })).json()).user, settings.user);
const kept = await oauth.refreshTokenGrant(tv, shown.refresh_token, {}, { DPoP: remote });
const denied = await oauth.initiateDeviceAuthorization(tv, {});
await decide(denied.user_code, "deny", "", "");
await refused(oauth.pollDeviceAuthorizationGrant(tv, denied, {}, { DPoP: remote }), "access_denied");

// --- Keys rotate: what they signed stays good, what is new has the next kid, nobody is logged out.
const rotate = () => execFileSync(settings.relay[0], [...settings.relay.slice(1), "keys", "rotate"]);
rotate();
let next;
for (let tries = 0; tries < 50; tries++) {
  next = await oauth.refreshTokenGrant(tv, (next ?? kept).refresh_token, {}, { DPoP: remote });
  if (jose.decodeProtectedHeader(next.access_token).kid !== protectedHeader.kid) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
assert.notEqual(jose.decodeProtectedHeader(next.access_token).kid, protectedHeader.kid);
for (const token of [kept, next]) {
  await verified(tv, token.access_token);
  await api(tv, "/whoami", token, { DPoP: remote });
}
const published = await over()(tv.serverMetadata().jwks_uri);
assert.match(published.headers.get("cache-control"), /max-age=300/);
assert.equal((await published.json()).keys.length, 3);

console.log("ok");
process.exit(0);
