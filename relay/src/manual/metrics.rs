//! Metrics: what `/metrics` answers.
//!
//! `metrics = "127.0.0.1:9464"` at the top of `weir-relay.toml` opens the listener. It has no authentication and no TLS, so it
//! belongs on a loopback address; `weir-relay check` warns of any other. It answers `GET /metrics`, in OpenMetrics 1.0 where
//! the scraper accepts that, else in Prometheus' text format 0.0.4. A connection carries one request; 16 are served at a time,
//! a request's head must come within 5 s.
//!
//! A label's value is a name from the configuration or one of a fixed set: no user, statement, database or address stands in
//! any of them. Every series of a configured resource is there from the start, at zero, but for those whose label is a
//! reason, a rule, an outcome or a step: they appear when they are first counted. Counters begin at zero when the relay does.
//!
//! | metric | kind | labels | meaning |
//! |---|---|---|---|
//! | `weir_build_info` | gauge | version | 1; the version is the label |
//! | `weir_sessions_opened_total` | counter | resource | sessions that began |
//! | `weir_sessions_ended_total` | counter | resource, reason | sessions that ended |
//! | `weir_sessions_open` | gauge | resource | sessions open now |
//! | `weir_statements_total` | counter | resource, class, outcome | statements judged |
//! | `weir_policy_evaluations_total` | counter | resource | questions that policy answered anew |
//! | `weir_policy_notices_total` | counter | resource, kind | matches of policies that are not enforced |
//! | `weir_policy_loads_total` | counter | outcome | times that changed policy files were loaded |
//! | `weir_policy_problems` | gauge | | problems of the policy files; an earlier bundle stays in force |
//! | `weir_cache_lookups_total` | counter | cache, outcome | look-ups in what sessions share |
//! | `weir_refusals_total` | counter | at, sqlstate | what was refused |
//! | `weir_approvals_requested_total` | counter | resource | requests that a human was asked about |
//! | `weir_approvals_ended_total` | counter | resource, outcome | how requests to humans ended |
//! | `weir_approvals_pending` | gauge | | requests that wait for a human now |
//! | `weir_notifications_total` | counter | channel, outcome | messages about requests to webhooks and Slack |
//! | `weir_rows_total` | counter | resource | rows and lines of COPY delivered |
//! | `weir_masked_values_total` | counter | resource, rule | values masked |
//! | `weir_session_bytes_total` | counter | resource, side, direction | bytes moved after the logins |
//! | `weir_queued_bytes` | gauge | resource, side | bytes that wait to be written now |
//! | `weir_statements_in_flight` | gauge | resource | statements sent that have not ended |
//! | `weir_statement_seconds` | histogram | resource | from a statement's permit to its end |
//! | `weir_stage_seconds` | histogram | stage | latency of a stage |
//! | `weir_upstream_failures_total` | counter | resource, step | resources that could not be reached or logged in to |
//! | `weir_tunnels_opened_total` | counter | transport | tunnels that began |
//! | `weir_tunnels_open` | gauge | transport | tunnels open now |
//! | `weir_tunnel_rtt_seconds` | histogram | | round trip of QUIC connections, each looked at once a second |
//! | `weir_tunnel_congestion_window_bytes` | histogram | | congestion window of QUIC connections, each looked at once a second |
//! | `weir_tunnel_packets_sent_total` | counter | | QUIC packets sent |
//! | `weir_tunnel_packets_lost_total` | counter | | QUIC packets taken for lost |
//! | `weir_handshakes_total` | counter | transport, outcome | handshakes, and how they ended |
//! | `weir_connection_errors_total` | counter | transport | connections that ended with an error |
//! | `weir_recording_sync_seconds` | histogram | | how long an fsync took |
//! | `weir_recording_failures_total` | counter | operation | writes and fsyncs of recordings that failed |
//! | `weir_recording_unsynced_seconds` | gauge | | since the oldest write that is not on the disk yet |
//! | `weir_recording_pending_bytes` | gauge | | bytes that are not in their files yet |
//! | `process_start_time_seconds` | gauge | | when the process started, seconds since 1970 |
//! | `process_open_fds` | gauge | | file descriptors that are open |
//! | `process_max_fds` | gauge | | file descriptors that may be open |
//! | `process_resident_memory_bytes` | gauge | | memory in use |
//! | `process_threads` | gauge | | threads |
//!
//! The labels' values, and what to know about what is counted:
//!
//! - **resource**: its name in the configuration.
//! - **class**: `session` (transaction control, SET, SHOW), `sql.read`, `sql.write`, `sql.ddl`, `sql.admin` (also what cannot
//!   be parsed). **outcome** of a statement: `allow`, `hold` (a human is asked), `deny`. Preparing counts when it is denied,
//!   executing always; a query of several statements is judged as a whole and counts once.
//! - **reason** of an ended session: `client closed`, `client went away`, `resource closed`, `resource unavailable`, or the
//!   SQLSTATE that the client was told: `57P01` the relay stopped, `28000` the login ended, `57P05` idle for too long, `08006` the
//!   connection to the resource was lost, `58000` it could not be recorded, `08P01` the protocol was broken.
//! - **cache**: `facts` (what a statement's text does; not of one that is executed right after it was prepared), `principals`
//!   (whose a stream's key is; each stream), `tls` (a resource's TLS configuration; each connection to it, cancel requests
//!   included), `scram` (keys derived from a credential; each login by SCRAM), `catalog` (a database's labelled columns; each
//!   session). **outcome** of a look-up: `hit`, or `miss` when it had to be made: for the first time, after a second
//!   (`principals`) or ten (`catalog`), or because its files, its credential or labelled relations have changed.
//! - **kind** of a notice: `shadow`, `warn`, or `failed` (a policy in either that could not be evaluated). **outcome** of a load:
//!   `loaded`, `same` (nothing that counts had changed), `refused` (not valid: nothing has changed).
//! - **at** of a refusal: `tunnel` (before a session: no login, no right, no room, draining), `session` (while it began),
//!   `statement`. **sqlstate**: what the client was told; `42501` is policy.
//! - **outcome** of an approval: `approved`, `denied`, `expired`, `withdrawn` (cancelled, or the client went away), `failed` (the
//!   store could not keep it). A pending one holds up its session: these are also the held statements.
//! - **channel**: `webhook` or `slack`. **outcome** of a message: `sent`, `retried` (each try but the last), `failed` (given up),
//!   `dropped` (the queue was full).
//! - **rule**: `label` for a labelled column, `known-secret` for the injected credential, else the detector's name: `email`,
//!   `card`, `us-ssn`, `phone`, `iban`, `ipv4`, `jwt`, ... Counted when the statement ends.
//! - **side**: `client` or `upstream` (the resource); **direction**: `received` or `sent`, by the relay. Rows and bytes are counted as
//!   they move, a session's queues are told whenever its task rests.
//! - **stage**: `authenticate` (each stream), `authorize` and `connect` (each session: credential, dial, TLS, login), `judge` (parse
//!   and decide), `record` (write the intent), `answer` (permit to first rows), `mask` (mask and record those first rows). The last
//!   four are measured for one request in 17, so that the others read no clock for them; `weir_statement_seconds` has all.
//! - **step** of a resource that cannot be reached: `dial`, `tls`, `credential`, `login`, `method`, `lost`, `timeout`.
//! - **transport**: of tunnels `quic` or `websocket`; of handshakes `quic` or `tls` (the API and WebSocket); of errors `quic`, `https`, or
//!   `accept` when a connection could not even be accepted. **outcome** of a handshake: `done`, `failed`, `shed` (too many at
//!   once; over QUIC the peer is asked to prove its address), `stranger` (no agent's key). WebSocket runs over TCP, whose round
//!   trip is not measured.
//! - **operation** on a recording: `write` or `sync`. In rest, writes are on the disk within 50 ms.
//!
//! Worth an alert: `weir_recording_failures_total` and `weir_connection_errors_total{transport="accept"}` growing at all,
//! `weir_recording_unsynced_seconds` above 1, `weir_upstream_failures_total` growing, `weir_policy_problems` above zero, `weir_approvals_pending` above zero for
//! longer than people take, `process_open_fds` near `process_max_fds`.
//!
//! Cost: some fifty nanoseconds of a statement's CPU time at the relay. A running statement takes no lock, allocates nothing,
//! looks nothing up and shares no memory that it writes: each session counts for itself, and whoever scrapes adds up, on a
//! thread that serves no session.
