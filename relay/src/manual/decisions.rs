//! Decisions, with their reasons.
//!
//! - **Approval and masking are questions of their own, not annotations.** What is forgotten is then held and masked. Annotations only
//!   say what an approval must satisfy, and are checked when they are loaded: a misspelt `@quorum` must not be a quorum of one.
//! - **A session has a judge of its own.** Entities are built once, and policies whose scope names another user, group, resource,
//!   environment or action are left out: with all scopes known, they could not apply. Sessions of the same user and depth with the same
//!   resource share it.
//! - **Who administers over the network is not who sits at the relay's machine.** Resources are made over the API, credentials are
//!   not: the configuration file says which secrets there are and whom they are shown to, so that a stolen administrator's login
//!   cannot have one sent to a host of the thief's. What is made is kept as its text, in the store, and read anew by the configuration
//!   of the day: what that no longer allows cannot be reached, and says why.
//! - **A changed resource ends its sessions.** They could be moved over, label by label; nothing would be gained that a reconnect does
//!   not give, and one forgotten place would mask, or judge, by what was.
//! - **A request's context is not validated for each decision**, and holds only what the policies at hand name. A test validates every
//!   context there is; what was left out by mistake is an error of the policy, and an error denies.
//! - **Policy files are loaded when they were the same for two looks**, a second apart: half a file can be valid, without its forbids.
//! - **Open sessions follow new policies at their next statement**, their connection included. What runs is not ended by them.
//! - **A column that may be seen still hides secrets.** It was labelled for the personal data in it; a token in it was never meant.
//! - **A policy that fails in shadow denies nothing**: it is on trial. It is logged and counted as failed.
//! - **The engine tracks names by what the server confirmed.** Optimistic tracking can be made to judge one text while
//!   the server runs another: close a statement in a segment that fails, define it anew, run it. So inside a segment
//!   the latest definition counts (if it fails, the server skips what follows), across segments only confirmed ones.
//! - **The driver is generic over nothing and boxes nothing.** One engine exists; the trait is the contract for the next.
//!   An enum of engines comes with the second one.
//! - **At most 8,192 answers may be owed.** More is not read from the client until the server has answered: the server holds
//!   back at most a buffer of answers, which is fewer, so waiting ends.
//! - **QUIC goes by Cubic that tolerates losses.** Cubic alone has no window on a path that loses 1 % (a twentieth of the path); quinn's
//!   BBR has, but takes twice the CPU and half the rate on loopback, where it loses every second packet, and 23 % of them on
//!   a queue of 10 ms, at which a TCP flow beside it starves. Taking a loss for congestion only where the shortest round trip of late is
//!   half above the shortest, or beyond 5 % lost, carries what BBR carries, is Cubic near by, and shares with TCP. A quarter was too
//!   little: a busy machine, or radio, delays as much. The figures stand in the README.
//! - **WebSocket carries one stream a connection.** TCP then gives each stream its own flow control, nothing of ours
//!   multiplexes, and a slow stream cannot stall another. The price is a resumed TLS handshake for each connection.
//! - **An access token is worth nothing without its key, and lives five minutes.** It names the certificate (RFC 8705) or the
//!   DPoP key (RFC 9449) that must come with it; without, it is refused and an alert. weir itself does not use it: its TLS key
//!   is its session. It is for HTTP clients of others, and never opens a tunnel.
//! - **A token is bound to the certificate, an agent to the key in it.** `x5t#S256` is over the certificate's DER, as the RFC has
//!   it; agents go by the SHA-256 of the SPKI, which is the same over every transport and for a raw key too.
//! - **The key's file name is the state of rotation.** It is the second from which the key signs: what signs, what waits and what
//!   only verifies follows from the folder's listing, so that several relays and `weir-relay keys` agree without a database.
//! - **ES256, and nothing else, signs tokens.** Every JOSE library verifies it; which algorithm is used is not the header's to say.
//! - **Scopes say what a client may do at the relay, `authorization_details` what on resources.** The second is the agent's own
//!   scope, so that it holds on the tunnel and for children too; an exchange gives less or fails, and "less" must be plain:
//!   each pattern asked for has to fit one that is held.
//! - **Every DPoP proof needs the relay's nonce.** So no proof can be made in advance, and the ids that count once may be forgotten
//!   when the relay restarts: the nonces' key is new then.
//! - **A user code may be in the address.** It saves typing, and its price is that a link can be sent to somebody: the page says
//!   who asks, from where and for what, asks for the password in any case, and says to deny what one did not begin. A key that
//!   came with the device's request is the only one that may redeem the code.
//! - **Weir's own refresh token is not bound to a key, other public clients' are.** Each weir process makes a key of its own; the
//!   login is kept by the user's key store, and an old token that is used again ends it.
//! - **Limits of addresses are kept in memory.** A restart forgives; what must not be forgiven (wrong passwords, spent codes,
//!   revoked tokens) is in the store.
//! - **A workload's login has a refresh token, for `weir login --ci` alone.** A platform's token is good once, but a job runs `weir`
//!   several times, each with its own key; GitLab and CircleCI give a job one token only, so fetching another is no way for all.
//!   The login ends with the workload's lifetime (1 h), its token rotates, and a thief meets the owner at the second use, as with
//!   people's. Nothing that the platform gave is kept. Other clients get none unless they ask (`offline_access`): for them the
//!   key of one process is all there is.
//! - **A workload's token without `jti` is known by what is signed**, not by its text: a signature can be written in several ways.
//! - **A token for several audiences is for another.** Each of them could have passed it on.
//! - **A login at the provider is kept by the browser**, sealed, and not by the relay: a stranger cannot fill a table, and any
//!   relay can serve the answer. The price is one login a browser at a time.
//! - **The way to the provider is a link, not a form.** A form's policy (`form-action`) would have to name every host that the
//!   provider sends the browser through. The link holds a state that only the page and its cookie know.
//! - **What a passkey is asked is kept by the relay, in memory**, with what it is for: it is for five minutes, and a restart forgets
//!   it. The challenge is random and stands for that; the device shows the relay's name, not the decision (WebAuthn can show no
//!   text), so the page's script is trusted with what it says, and nothing else may run on the page.
//! - **An answer is spent whatever comes of it**, and before the decision is looked at: nothing can be tried twice with one.
//! - **A service's name is nobody else's, and its roles are the same in every rule**, so that no job gains another's by coming last.
//! - **Agents are the session tree.** The key of a process was an agent before; its row gained a parent, a path and a scope. A path
//!   holds all ids from the root, so that "all below" is one range and one write, on whichever relay.
//! - **Scopes are not intersected when they are made but when they are used.** The intersection of patterns is no pattern, and a
//!   scope that is kept as its parent wrote it can be shown to a person. A child's scope may claim more: it has no effect, the CLI
//!   says so and the audit log too, since a tool that always asks for the same must not fail below a narrow parent.
//! - **A hop names the digest of its parent's own hop**, of the first one: renewals change neither scope nor depth, so children
//!   need not know of them. The relay keeps the first, and takes from later ones the expiry alone.
//! - **A child lives fifteen minutes unless its supervisor signs again**, over the connection by which it was made: a supervisor that
//!   hangs or is gone needs nobody to notice.
//! - **The supervisor is asked over JSON lines, not the tunnel's codec**: the peer is any program of the user, the messages are few,
//!   and a line can be read in a trace.
//! - **`weir run` becomes the command in a process of its own first** (`exec-child`): what must be done between fork and exec (its
//!   death signal, its terminal, its network) is then done by ordinary code, without `unsafe`.
//! - **An isolated command's ports are opened by itself and handed over** (SCM_RIGHTS): the supervisor never enters the namespace, and
//!   no address of the machine leads into it.
//! - **Rows are taken from a budget before they are given**, by the engine, all at once that came in one read: one atomic
//!   addition for each budget of the chain, none where there is no budget. Nothing is reserved ahead, so nothing has to be given
//!   back, and all of a budget can be used. Rows that the client then did not get (it went away) stay counted.
//! - **Two times end an agent whose process is gone.** `tunnel_grace` (60 s) is for `weir run`, which keeps a tunnel whether it has
//!   opened a port or not: who is without one for longer is gone, and its command with it. `agent_idle` (30 min) is for the
//!   others, of which calls are heard too: the `weir connect` of a machine that slept goes on. A loss without a word shows
//!   after 20 s, and the grace begins then; after a restart of the relay it begins anew for all that the store knows. Who ends
//!   says so, and has ended at once. That it is a `weir run` is the client's claim: without it, it is one of the others.
//! - **No way leads from an isolated command to the relay**, although its supervisor's socket is reached by its path and could
//!   carry one. Who holds a session key proves it in TLS to the relay itself, so weir in there would need a raw connection; and
//!   any program in there could use it with the stored login that it can read, and would be free of what it was given. So the
//!   supervisor signs no hop for it, and says why; a ticket, which it makes itself and which is used elsewhere, it gives.
//! - **What a command prints is searched for secrets only.** Whose personal data it is the relay knew; here addresses and numbers
//!   are what tests print.
//! - **A tunnel stays on one thread.** Each thread has a runtime of its own, and a tunnel's connection and sessions live on
//!   one of them. On a work-stealing runtime the connection's task ran right after each session's, so every answer left in
//!   a packet of its own; now the sessions run first and their answers share packets. One very busy agent is thereby
//!   bound to one core of the relay.
//! - **Intents are buffered, and written before anything is sent.** A pipeline's statements cost one write, not one each.
//!   Room for them is reserved on the disk when they are accepted, so that a full disk refuses the statement; if the write
//!   fails all the same, nothing of the batch goes out and the session ends.
//! - **The local client's first bytes are kept until the relay has answered.** A tunnel that died without a word then costs
//!   seconds: the same bytes begin again over a new one.
//! - **Columns of views are labelled by their definitions.** The catalog says which columns a view uses, its text which of its
//!   own are made of them. What has rules and no definition is masked whole.
//! - **Lineage goes by names.** Whether `balance` is a column of one relation or of another is the server's to resolve; a labelled
//!   column of that name in any relation that the statement mentions is enough. No type of an expression proves that it shows
//!   nothing; `count`, `EXISTS` and `IS NULL` do.
//! - **Errors lose values by SQLSTATE and field, never by words**, which are in the server's language. What has a position in the
//!   statement's text is about that text, and untouched.
//! - **A refresh token's predecessor stays good until its successor is used.** An answer that is lost on the way must not
//!   end a login; a thief and the owner still meet at the second use, which ends it for both.
//! - **A held request ends with its relay.** It is bound to a session, and the session is gone: after a restart it is shown as
//!   withdrawn, and the statement is run, and asked for, again.
//! - **A session's file is its recording.** Segments are small and sealed one by one; a write that fails half-way is cut
//!   back, so that the chain stays whole and the next try can work.
//! - **A mask has the form of its type, or is NULL.** Text in an address or an array fails in every typed driver and in every import; what
//!   cannot carry a mask is NULL in the text form too, so that whoever asks in binary sees the same.
//! - **What was shown to a session is kept by rule, not by value.** A mask says its rule and nothing of its value, so a few names are all
//!   that must be remembered to know a mask that comes back; what was never shown is data, however it looks.
//! - **A dump with masks in it fails.** Its exit code is all that a backup's operator sees.
//! - **Values too large to hold are masked by filling**, since their length has been sent already.
//! - **An answer that is too large is cancelled, and its end replaced.** The server's own transaction then fails as the
//!   client is told. Small excesses are complete before a cancel request could arrive: an error in front of the server's
//!   own state is then the truth for what only read; for what lasts it is not, and the session ends. See
//!   `weir_protocol::postgres`, `cut`. The request may reach the statement that follows in a pipeline: it fails then with
//!   57014, as for any cancel request of PostgreSQL's; nothing that was not sent yet goes out before the request is through.
//! - **A session that has lasted too long ends with 57P01**, which drivers and pools know as a reason to connect anew.
//! - **Who is turned away before TLS is not told why.** A word would cost a handshake; TCP closes, QUIC refuses, and the log
//!   says it. An agent that has too many connections is told in its own protocol.
//! - **HTTPS speaks HTTP/1.1 only.** Nothing of ours needs several calls at a time on one connection, and HTTP/2 would let a
//!   stranger hold streams, windows and header tables; the head of each request, and each pause, has ten seconds.
//! - **A stranger's connection costs at most 64 KiB.** Measured by `tests/it/floods.rs` at each step: TCP 7 kB, TLS 22, a
//!   request's head or body 32, WebSocket 42, QUIC 50 (debug build, 2026-11-26). QUIC keeps a place for each stream that a peer
//!   may open, so a stranger may open one; an agent as many as it may have.
//! - **By default only connections and the statement's size are limited**: no limit of ours breaks work that is right.
//! - **A host whose certificate is not right is passed over like one that is down.** Each is verified by its own name, so the
//!   next is no less sure; a login that is refused is not tried elsewhere, as in libpq.
//! - **Columns that the client does not describe are described by weir**: otherwise rows could not be masked by column.
//! - **client_encoding is UTF8 and standard_conforming_strings is on, always.** What was judged must be what the server
//!   reads.
//! - **A session's log span is not entered while bytes move.** Entering and leaving it would cost each of a statement's polls some
//!   forty nanoseconds and a lock of the log's filter, and nothing is logged there. What is logged about a session names the
//!   span as its parent; opening, holding and ending run inside it.
//! - **Metrics name no user and no statement.** A label is a fixed text or a name of the configuration, by its type: monitoring
//!   is read by people who may not read recordings, and the number of series must not be the agents' to choose.
//! - **SCRAM is our own.** Its salted hash is a millisecond of work for every session, and no crate lets the keys be kept. A
//!   lease keeps them by salt and iterations for as long as the credential's source gives the same text.
//! - **A snapshot of the catalog serves the sessions of ten seconds**, and is overtaken at once by what weir sees. Reading it
//!   for each session cost the server more than the session's own login. What a snapshot does not know for certain once it is
//!   overtaken is masked whole: too much for seconds rather than a value too many.
//! - **The index follows the recording.** A session's first frame is in its file before it begins; its line in the store
//!   follows within 20 ms with others', and a relay that died in between finds the file. A store that takes no lines ends the
//!   sessions.
//! - **A key's principal is remembered for a second.** Revocation reaches open sessions within a second; a new stream by the
//!   same key is no worse, and each stream saves a look-up. A revocation through the API forgets all of them at once.
//! - **Many recordings are synced by their file system (`syncfs`)**, not one by one: one journal commit for all of them. On a
//!   file system that is shared with others this waits for their data too, in a thread of its own.
