// An OpenID Connect provider with test accounts: the npm package oidc-provider over TLS.
//   node provider.mjs FOLDER REDIRECT_URI
// FOLDER holds tls/server.{pem,key}, secrets/{weir,sibling} (the clients' secrets) and accounts.json, which is read anew for each
// login: { NAME: { groups: [...], email: "..." } }. Any password opens an account. SIGHUP: new signing keys, the old ones gone.
// Prints the port of 127.0.0.1 on which it listens.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const [folder, redirectUri] = process.argv.slice(2);
const read = (name) => readFileSync(`${folder}/${name}`, 'utf8');
const accounts = () => JSON.parse(read('accounts.json'));

function key() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

function provider(port) {
  const client = (id, uri) => ({ client_id: id, client_secret: read(`secrets/${id}`).trim(), redirect_uris: [uri] });
  return new Provider(`https://localhost:${port}`, {
    clients: [client('weir', redirectUri), client('sibling', 'https://sibling.example/callback')],
    jwks: { keys: [key()] },
    cookies: { keys: [randomUUID()] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'], groups: ['groups'] },
    // What the scopes ask for stands in userinfo, not in the ID token (Core 5.4).
    pkce: { required: () => true, methods: ['S256'] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => accounts()[id] && {
      accountId: id,
      claims: () => ({ sub: `subject-of-${id}`, preferred_username: id, name: id, email_verified: true, ...accounts()[id] }),
    },
    ttl: { Session: 600, Interaction: 600, Grant: 600, AccessToken: 60, IdToken: 60 },
  });
}

let answer;
const server = createServer({ cert: read('tls/server.pem'), key: read('tls/server.key') }, (request, response) => answer(request, response));
// Its own name holds the port that it is given.
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const begin = () => { answer = provider(port).callback(); };
  begin();
  process.on('SIGHUP', begin);
  console.log(`listening on ${port}`);
});
