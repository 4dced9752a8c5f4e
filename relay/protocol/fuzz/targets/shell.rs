//! Facts about shell commands: any text has them, within the stack and the time of one command.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_policy::shell::{Class, facts};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let found = facts(&text);
    assert!(!found.reason.is_empty());
    // A reason with a space in it is weir's own: a program may be called `unparseable` too.
    if found.reason.starts_with("unparseable: ") && !text.contains("unparseable") {
        assert_eq!(found.class, Class::Admin);
    }
    // Another command in front takes nothing away.
    let again = facts(&format!("rm x\n{text}"));
    assert!(again.class >= found.class && again.class >= Class::Write);
    assert!(again.reads_secret >= found.reads_secret && again.destructive >= found.destructive);
});
