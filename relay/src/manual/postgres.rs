//! PostgreSQL, line by line: what the engine keeps of the protocol (documentation chapter "Frontend/Backend Protocol"), and
//! the test that holds it. Names with `::` are files of `tests/it`; `protocol` is `relay/protocol/src/postgres`.
//!
//! | line | held by |
//! |---|---|
//! | any sequence of messages is answered as the server answers it; the tables end the same | `property::answers_are_the_servers_own` |
//! | **start** | |
//! | 3.0 and 3.2, their cancel keys; later minors and unknown `_pq_.` options are negotiated; 2.0 is refused | `wire::starts` |
//! | start-up packets of 10,000 bytes, and no more | `wire::starts` |
//! | `GSSENCRequest` is declined; bytes that follow an `SSLRequest` are fatal (CVE-2021-23222) | `wire::starts`, `mishaps::nonsense_on_every_port` |
//! | `sslmode` from `disable` to `verify-full`, the UNIX socket | `local::tls_and_socket` |
//! | user is ignored, the database must be offered | `local::tls_and_socket`, `local::databases_by_pattern` |
//! | `Terminate` before the start-up packet closes without a word | `wire::starts`, `protocol::startup` tests |
//! | another user of the machine is told why once it has asked, also over TLS | `local::another_user_of_the_machine_is_refused` |
//! | `replication`, `role`, other encodings, unknown parameters are refused | `protocol::startup` tests, `mishaps::nonsense_on_every_port` |
//! | **cancel** | |
//! | stops what runs, of the session whose key it is; a wrong key stops nothing; nobody is told anything | `wire::starts`, `protocol::cancel`, `local::an_interrupted_psql` |
//! | racing with the end of its statement | `wire::what_is_refused_and_what_comes_unasked` |
//! | while the server does not answer | `faults::a_resource_that_stalls_can_be_cancelled_and_left` |
//! | withdraws what waits for an approval | `approvals` |
//! | **steady state** | |
//! | lengths and types that cannot be end the session, from the client and from the server | `wire::the_servers_own_answers`, `faults::a_resource_that_breaks_off_is_said_to` |
//! | values of any size pass in parts, and nothing is said inside one | `lifecycle::large_values_in_little_memory`, `protocol` tests |
//! | rows cost no allocation each | `relay/tests/allocations.rs` |
//! | `NotificationResponse` while idle, `ParameterStatus` when it changes, the server's own end | `wire::what_is_refused_and_what_comes_unasked`, `protocol::notifications` |
//! | thousands of messages before the first answer is read | `protocol` tests, `protocol::prepared_and_pipelined` |
//! | who ends its side is answered up to what it has ended by a `Sync`; who is gone leaves nothing | `wire::clients_that_end_and_clients_that_are_gone`, `lifecycle::a_killed_client_leaves_nothing_behind` |
//! | **extended protocol** | |
//! | names that collide, are closed, deallocated, discarded, end with a query or transaction | `wire::the_servers_own_answers` |
//! | a name stands for what the server confirmed | `protocol` tests |
//! | row limits and suspended portals | `wire::the_servers_own_answers` |
//! | `Flush` without `Sync`; an error skips to the `Sync` | `wire` |
//! | 65,535 values; more places are the server's error | `wire::the_servers_own_answers` |
//! | **refusals** | |
//! | 42501 in its place, and the server's transaction fails with it | `property`, `queries::refusals_speak_postgresql`, `protocol::refused_in_a_pipeline` |
//! | `FunctionCall` of large objects | `large_objects`, `call` tests |
//! | other `FunctionCall`s; a portal that was not bound here; `START_REPLICATION` | `wire::what_is_refused_and_what_comes_unasked` |
//! | `CopyBoth` ends the session | `protocol` tests |
//! | several statements are refused whole | `property` |
//! | 58000 when it cannot be recorded | `mishaps::a_full_disk_refuses_statements_and_loses_nothing` |
//! | **COPY** | |
//! | in and out, failed, given up, with `Flush` and `Sync` inside, data that nobody asked for, a query inside | `wire::the_servers_own_answers`, `property`, `protocol::copy_in_and_out` |
//! | failed before a `Sync` inside it was read, or before its data were | `wire::the_servers_own_answers`, `property`, `protocol` tests |
//! | **injection** | |
//! | SCRAM with and without channel binding, md5, clear text, certificates, and what is refused | `injection::every_login_method`, `upstream::scram` tests |
//!
//! A half-close and a death look the same on the wire: the agent asks the kernel whether a program still holds the client's
//! socket. Where that is not told (not Linux, a command's own network), the answers to the last requests have five seconds.
//!
//! Known differences: SQL `PREPARE name` and `DECLARE name` make the name unknown to the protocol's own statements and portals,
//! which are then refused.
//!
//! And one that stays: a `Sync` inside a COPY is ignored when the server reads it before the COPY fails, and answered with
//! `ReadyForQuery` when it reads it after. Weir cannot know which before the answer. As long as nothing but `CopyDone`, `CopyFail`
//! and `Sync` follows it need not: each such answer comes before whatever belongs to a later request, and whatever has an
//! answer of its own begins with something else. But a request that follows with no `Sync` between is run in the one case and
//! skipped in the other, and until the server has answered, what its names stand for would be a guess: a way past policy. There
//! the session ends (`protocol` tests). The same holds for a request inside a COPY of the simple protocol that fails by it: up to
//! version 13 the server swallows that request and goes on, later ones end the session themselves.
