//! The threat model.
//!
//! Trusted: the relay's process and machine, the store and the sealing key beside it, and the humans who administer it.
//! Everything else may be hostile: the agent (a prompt-injected one sends the worst statement it can think of), the
//! network, the resource's answers, and a reviewer who is tired.
//!
//! | attack | what stops it |
//! |---|---|
//! | take the resource's credential | it is leased, injected and kept at the relay; every answer is searched for it |
//! | steal what `weir` holds and use it elsewhere | an agent is a key that lives in one process; the tunnel and the API ask for proof of it in TLS; no bearer token is taken by the tunnel, and none by the API without its key |
//! | steal an access token | it is bound to a certificate or a DPoP key; used without it, it is refused and an alert names the agent and the address |
//! | forge one | the key is found among the relay's own by `kid`, the algorithm is fixed, `jku`, `jwk` and `x5c` are not looked at; type, issuer, audience and times are checked |
//! | steal a code, or use it twice | PKCE S256, exact redirect addresses, the client's own; the second use ends what the first gave, and is an alert |
//! | have a person confirm another's device | the page says who asks, from where and for what, and needs the password; guessing user codes is slowed for each address and for all |
//! | replay a DPoP proof | method, address, token, nonce and time are signed; its id counts once |
//! | steal the stored login | a refresh token rotates on use; an old one used again ends the login and is an alert |
//! | come in with a token that a provider or platform gave to another application | `iss`, `aud` (alone), `azp`, `nonce`, times, key and algorithm are all checked, and the algorithm is not the token's to choose |
//! | have somebody's browser finish another's login, or begin one unseen | state, nonce and verifier are sealed in a cookie of the browser that began it; it takes a click on the relay's own page |
//! | answer in the provider's place (mix-up) | one provider, its `iss` in the answer (RFC 9207), PKCE; its document must name itself; https to the end |
//! | take a local user's or a service's name at the provider | a person is an issuer and a subject; a name that somebody has, whatever its case, is refused |
//! | use a CI token again, or one from a job's log | good once, for the first key that shows it, until it expires; a second one is an alert |
//! | have a CI job that anybody can begin act for the service | rules name ids that are never given to another; pull requests, forks and unprotected refs are refused unless allowed |
//! | act beyond what one was given by an agent above | every hop's scope, and policy at every depth, are asked for each decision; a child never outlives its parent; ending one ends all below in one write |
//! | forge a hop, or present another's | a JWS by the parent's session key over the child's key, relay, depth, lifetime, scope and the parent's own hop; the key in its head counts by its thumbprint only; each refusal is an alert |
//! | use a ticket twice | its hash is taken once; the second use ends what the first began, and is an alert |
//! | ask another's supervisor for a hop | its socket is 0600 and answers the user's own processes only that descend from its command with no other supervisor between (uid, ancestry; who forks twice, or kills the supervisor between, is an orphan and not answered) |
//! | leave the supervision and open a session from the stored login | the CLI says that a supervisor is above it and the relay refuses, an alert; a program of the same user that is not weir can read the login: `weir whoami` says so, other users and containers cannot |
//! | read the supervisor's keys | it is not dumpable, keys are in its memory only; nothing secret is in arguments or environment, and a CI platform's tokens are taken out of the command's |
//! | approve, or see others' sessions, through a reviewer's agent | roles at the relay hold for whole roots only |
//! | change policies through an administrator's agent, or a client they let in for less | one table says who may make which call, and a call that is not in it is nobody's; changing them needs the scope `weir:admin` besides; the attempt is an alert, and no change is made that the audit log does not take |
//! | have the relay show a secret, or a file, to another host by defining a resource | what is made over the API names a credential of the configuration, which says hosts, roles and TLS; it may say none of that itself |
//! | go on, or have approved, what a resource no longer is | another version ends its sessions and what waits in them, in the same call; caches and approvals are bound to the version |
//! | slip a policy in under another's change | a change names the hash of what was seen; the new one is in the log |
//! | outlive the session | the command dies with its supervisor, what it left behind is killed at its end; a supervisor's children end with its connection, and what is below it elsewhere with its tunnel, after a grace |
//! | have the relay fetch keys without end, or from elsewhere | unknown keys are looked for every 30 s at most; answers are bounded in size and time; no redirects; keys in tokens are not looked at |
//! | run what was not approved | the relay holds the bytes that were judged and sends those; an approval is bound by digest to text, values, session, role, resource and policy, and is consumed in one transaction |
//! | prepare one text, run another | a name stands for what the server confirmed; what is unsettled waits; what is unknown is refused |
//! | hide a statement from the parser | facts come from PostgreSQL's own grammar; what does not parse takes the most dangerous class; other encodings and `standard_conforming_strings = off` end the session |
//! | make a refusal half-true | the refused message is replaced by one that fails at the server, so that its transaction state is what the client is told |
//! | approve one's own request | the requester is not a reviewer of it, and the attempt is audited |
//! | decide with a reviewer's stolen cookie or password | where policy asks for a passkey: a challenge of the relay's, bound to visitor, request, digest, decision and extent, answered once in five minutes with user verification and a counter that goes on; a passkey is added just after a login only, and not without one that there is. Who has the password before the first is added can add theirs: `passkey.added` says so |
//! | have something run by being estimated, before anybody approved it | EXPLAIN, in a read-only transaction, only where the grammar and the catalog say that planning runs nobody's code but the server's |
//! | learn masked values from estimates | who asks does not see them, but for the rows that a stopped UPDATE or DELETE would change: `count(*)` tells them too |
//! | mislead the reviewer | control, turning and invisible characters are shown as escapes; the whole text is shown |
//! | decide in the name of another by a forged webhook or button | signed (HMAC-SHA256, constant time), five minutes, once; the user must be listed for that channel, be a person, and be let by policy, which by default permits neither channel; the decision is bound to the request's digest |
//! | mislead a reviewer in Slack, or mention everybody | agent-written text stands in preformatted blocks only, with `& < >` escaped and backticks replaced; the rest is plain text; what was masked or cut is approved on its page alone |
//! | read secrets where messages are kept | the detector masks what leaves the relay, values in binary too; the webhook's address and the secrets are in no log |
//! | have the relay call elsewhere | no redirects; what goes back to whoever pressed a button goes to Slack's own hooks, or where its API is, alone |
//! | read a labelled column by an expression, an alias, an error | result columns are known by table and attribute number; expressions of any type that name a labelled column are masked whole; errors lose what may hold a value, by SQLSTATE and field |
//! | take a labelled value out by keeping it elsewhere, or sending it | refused unless policy permits `unmasked`, or the target carries the label |
//! | act unrecorded | a session begins with its recording; a statement goes out after its intent is in the file; rows that cannot be recorded are not shown |
//! | change a recording | segments are sealed, numbered and hash-chained; reading says which one does not fit |
//! | exhaust the relay | lengths are checked before anything is allocated; buffers, names, sessions, strangers, each agent's connections, and each step of the way in are bounded; a resource and a user have limits; slow readers stop their own stream only |
//! | learn from metrics what others do | the listener is off unless it is configured, `check` warns when it is not on loopback, and no label holds what a user typed or is |
//! | act as another user of the same machine | local ports check the peer's uid |
//!
//! What fails open, on purpose: a resource with `recording.durability = "best_effort"` goes on when it cannot be
//! recorded, and says so loudly; notices to the terminal may be lost.
