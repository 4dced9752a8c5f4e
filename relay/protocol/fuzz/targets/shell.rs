//! Facts about shell commands: any text has them, within the stack and the time of one command.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_policy::shell::{Class, facts};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let found = facts(&text);
    assert!(!found.reason.is_empty());
    // A command that nobody can read behind it takes the most dangerous class along.
    if found.class == Class::Read {
        assert_eq!(facts(&format!("{text}\n$x")).class, Class::Admin);
    }
});
