//! The start of a connection: any bytes are read, refused or wait for more, and never panic; what is read was bounded.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use weir_protocol::postgres::startup::{LARGEST_STARTUP, Startup, accepted, read};

fuzz_target!(|data: &[u8]| {
    let mut input = BytesMut::from(data);
    loop {
        let before = input.len();
        match read(&mut input) {
            Ok(Startup::NeedMore) => {
                assert_eq!(input.len(), before);
                // Whoever waits for more must not wait for ever.
                assert!(before < LARGEST_STARTUP);
                return;
            }
            Ok(Startup::Session(start)) => {
                assert!(accepted(&mut start.clone(), &start.parameters, &[0; 8]).into_bytes().ends_with(b"Z\0\0\0\x05I"));
                for (name, _) in &start.parameters {
                    assert!(!matches!(name.as_str(), "role" | "session_authorization" | "replication" | "user"));
                }
            }
            Ok(Startup::Cancel(key)) => assert!((8..=260).contains(&key.len())),
            Ok(Startup::NoEncryption) => {}
            // Nothing that follows is read.
            Ok(Startup::Terminate) => return,
            Err(refusal) => return assert_eq!(refusal.code.len(), 5),
        }
        assert!(input.len() < before);
    }
});
